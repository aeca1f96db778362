"""Similarities of rows, as kernel regression wants them: one visible dict of parts."""

from textdistill.core.bounds import by_name
from textdistill.objectives.kernels.analytic import NNGP, NTK, RBF
from textdistill.objectives.kernels.base import Kernel
from textdistill.objectives.kernels.convolutional import ConvNTK
from textdistill.objectives.kernels.feature import Feature
from textdistill.objectives.kernels.text import TextConvNTK

KERNELS: dict[str, type] = by_name(NTK, NNGP, ConvNTK, TextConvNTK, RBF, Feature)

__all__ = ["KERNELS", "NNGP", "NTK", "RBF", "ConvNTK", "Feature", "Kernel", "TextConvNTK"]
