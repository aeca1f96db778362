"""Few-shot prompts put to a causal language model: how likely label words are, choices by it, methods compared."""

from textdistill.in_context.calibration import CALIBRATIONS, ByRows, ContentFree, calibration_of
from textdistill.in_context.choose import (
    best_draw,
    best_wording,
    choose_shots,
    chosen_sets,
    interleaved,
    validation_scorer,
)
from textdistill.in_context.judge import InContext, Prompting, judge_prompts, rounds
from textdistill.in_context.likelihood import Likelihood
from textdistill.in_context.models import load_scorer
from textdistill.in_context.opponents import opponents
from textdistill.in_context.rows import drawn, held_out, joined, set_of

__all__ = [
    "CALIBRATIONS",
    "ByRows",
    "ContentFree",
    "InContext",
    "Likelihood",
    "Prompting",
    "best_draw",
    "best_wording",
    "calibration_of",
    "choose_shots",
    "chosen_sets",
    "drawn",
    "held_out",
    "interleaved",
    "joined",
    "judge_prompts",
    "load_scorer",
    "opponents",
    "rounds",
    "set_of",
    "validation_scorer",
]
