"""LLaMA-Factory's data folder: alpaca rows and the `dataset_info.json` that names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textdistill.export.files import json_text
from textdistill.export.material import WORDING, Material
from textdistill.export.soft import Labels


@dataclass(frozen=True)
class LlamaFactoryRows:
    """`train.json` (rows of `instruction`, `input`, `output`) and `dataset_info.json`: point `dataset_dir` here.

    LLaMA-Factory joins a row's instruction and input by a line break. Without an instruction the question stands in its
    place and `input` is empty.
    """

    folder: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]] = ("train.json", "dataset_info.json")
    labels: ClassVar[tuple[Labels, ...]] = ("hard",)
    uses: ClassVar[frozenset[str]] = WORDING
    asks: ClassVar[bool] = False

    def files(self, material: Material) -> dict[str, bytes]:
        """See the class."""
        wording = material.wording
        asked = zip(wording.questions(material.samples), wording.answers(material.samples), strict=True)
        prelude = wording.prelude
        rows = [
            {"instruction": prelude or question, "input": question if prelude else "", "output": word}
            for question, word in asked
        ]
        columns = {"prompt": "instruction", "query": "input", "response": "output"}
        entry = {"file_name": "train.json", "formatting": "alpaca", "columns": columns}
        return {"train.json": json_text(rows), "dataset_info.json": json_text({material.name: entry})}
