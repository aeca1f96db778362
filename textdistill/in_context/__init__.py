"""Few-shot prompts put to a causal language model: how likely label words are, choices by it, methods compared."""

from textdistill.in_context.choose import best_wording, choose_shots, chosen_sets, validation_scorer
from textdistill.in_context.judge import InContext, Prompting, judge_prompts, rounds
from textdistill.in_context.likelihood import Likelihood, calibrated
from textdistill.in_context.models import load_scorer
from textdistill.in_context.opponents import opponents

__all__ = [
    "InContext",
    "Likelihood",
    "Prompting",
    "best_wording",
    "calibrated",
    "choose_shots",
    "chosen_sets",
    "judge_prompts",
    "load_scorer",
    "opponents",
    "rounds",
    "validation_scorer",
]
