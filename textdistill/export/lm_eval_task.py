"""A task of lm-evaluation-harness 0.4: YAML with the shots inside, and the rows to ask beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textdistill.core.errors import UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.export.literal import for_jinja
from textdistill.export.material import WORDING, Material, fields_of
from textdistill.export.parquet import parquet_bytes
from textdistill.export.soft import Labels
from textdistill.export.yaml_text import yaml_text

HEAD = """# lm-evaluation-harness reads the test rows from the working directory. Run it in this folder:
#   lm_eval --include_path . --tasks {name} --model hf --model_args pretrained=MODEL
"""


@dataclass(frozen=True)
class LmEvalTask:
    """`task.yaml` and `test.parquet`: `multiple_choice` over the label words, the shots as `fewshot_config.samples`.

    There is no `fewshot_split`, which would take the place of the samples; `first_n` keeps their order, and
    `num_fewshot` is their number. Texts stand in fields of each row, so template syntax in them stays text.
    """

    folder: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]] = ("task.yaml", "test.parquet")
    labels: ClassVar[tuple[Labels, ...]] = ("hard",)
    uses: ClassVar[frozenset[str]] = WORDING | {"separator", "token_budget"}
    asks: ClassVar[bool] = True

    def files(self, material: Material) -> dict[str, bytes]:
        """See the class. `UserError` for a question that the harness would take for a number."""
        wording, shots, asked = material.wording, material.samples, material.asked
        for samples in (shots, asked):
            for number, question in enumerate(wording.questions(samples), 1):
                if question.isdigit():
                    raise UserError(
                        f"lm-eval: sample {number} is worded {question!r}, which the harness takes for a number; "
                        "say more in the template"
                    )
        task = {
            "task": material.name,
            "dataset_path": "parquet",
            "dataset_kwargs": {"data_files": {"test": "test.parquet"}},
            "test_split": "test",
            "output_type": "multiple_choice",
            "description": for_jinja(wording.prelude + wording.separator) if wording.prelude else "",
            "doc_to_text": wording.skeleton([shots, asked], "{{text}}", "{{text_pair}}", for_jinja),
            "doc_to_target": "label",
            "doc_to_choice": list(wording.label_words),
            "target_delimiter": wording.gap,
            "fewshot_delimiter": wording.separator,
            "num_fewshot": len(shots),
            "fewshot_config": {"sampler": "first_n", "samples": _docs(shots)},
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
            "metadata": {"version": 1.0},
        }
        text = HEAD.format(name=material.name) + yaml_text(task)
        return {"task.yaml": text.encode(), "test.parquet": parquet_bytes(_columns(asked))}


def _docs(samples: TextSet) -> list[dict[str, Any]]:
    return [{**fields_of(samples, row), "label": int(samples.labels[row])} for row in range(len(samples))]


def _columns(samples: TextSet) -> dict[str, list[Any]]:
    pairs = {} if samples.pairs is None else {"text_pair": samples.pairs}
    return {"text": samples.texts, **pairs, "label": samples.labels.tolist()}
