"""The state of a DSPy program: labelled demonstrations under the predictor's key."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

from textdistill.core.errors import UserError
from textdistill.export.files import json_text
from textdistill.export.material import Material, fields_of
from textdistill.export.soft import Labels

# Written where the package is not at hand; DSPy only logs that its own version is another.
VERSIONS = {"dspy": "3.4.1", "cloudpickle": "3.1"}


@dataclass(frozen=True)
class DspyState:
    """`program.json`, for `program.load("program.json")`.

    The signature is `text -> label` (`text, text_pair -> label` for pairs) with the instruction; `label` is the label
    word. `predictor` is where it sits in the program: `self` for a bare `dspy.Predict`, whose state is the file's own
    object, `predict` inside a `dspy.ChainOfThought`, else the attribute's path, such as `classify.predict`.
    """

    predictor: str = "self"
    folder: ClassVar[bool] = False
    names: ClassVar[tuple[str, ...]] = ("program.json",)
    labels: ClassVar[tuple[Labels, ...]] = ("hard",)
    uses: ClassVar[frozenset[str]] = frozenset({"instruction", "label_words", "token_budget"})
    asks: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.predictor or self.predictor == "metadata":
            raise UserError(f"predictor: {self.predictor!r}; allowed: self, or the attribute's path in the program")

    def files(self, material: Material) -> dict[str, bytes]:
        """See the class."""
        samples, wording = material.samples, material.wording
        words = wording.answers(samples)
        texts = ["text"] if samples.pairs is None else ["text", "text_pair"]
        fields = [{"prefix": f"{name.replace('_', ' ').title()}:", "description": f"${{{name}}}"} for name in texts]
        state: dict[str, Any] = {
            "traces": [],
            "train": [],
            "demos": [{**fields_of(samples, row), "label": word} for row, word in enumerate(words)],
            "signature": {"instructions": wording.prelude, "fields": fields},
            "lm": None,
        }
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        versions = {"python": python, "dspy": _version("dspy", 3), "cloudpickle": _version("cloudpickle", 2)}
        program = state if self.predictor == "self" else {self.predictor: state}
        return {"program.json": json_text({**program, "metadata": {"dependency_versions": versions}})}


def _version(name: str, parts: int) -> str:
    try:
        return ".".join(version(name).split(".")[:parts])
    except PackageNotFoundError:
        return VERSIONS[name]
