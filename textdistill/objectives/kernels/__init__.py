"""Similarities of rows, as kernel regression wants them: one visible dict of parts."""

from textdistill.objectives.kernels.analytic import NNGP, NTK, RBF
from textdistill.objectives.kernels.base import Kernel
from textdistill.objectives.kernels.feature import Feature

KERNELS: dict[str, type] = {"ntk": NTK, "nngp": NNGP, "rbf": RBF, "feature": Feature}

__all__ = ["KERNELS", "NNGP", "NTK", "RBF", "Feature", "Kernel"]
