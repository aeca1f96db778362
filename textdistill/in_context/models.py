"""The language model that judges prompts: where it computes, and in which precision."""

from __future__ import annotations

from pathlib import Path

import torch

from textdistill.core.precision import weights_in
from textdistill.learners.pretrained.language_models import LanguageModel, load_causal


def load_scorer(
    name: str, *, precision: str = "auto", device: torch.device | str = "cpu", cache: Path | None = None
) -> LanguageModel:
    """The causal language model called `name` (see `load_causal`) on `device`, in the `precision` of `weights_in`."""
    where = torch.device(device)
    return load_causal(name, device=where, dtype=weights_in(precision, where), cache=cache)
