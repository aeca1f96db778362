"""What is minimised: unrolled training, gradient and distribution matching, CAFE, KIP and label solve, ridge labels."""

from textdistill.core.bounds import by_name
from textdistill.objectives.cafe import CAFE
from textdistill.objectives.distribution_matching import DistributionMatching
from textdistill.objectives.gradient_matching import GradientMatching
from textdistill.objectives.kip import KIP
from textdistill.objectives.label_solve import LabelSolve
from textdistill.objectives.ridge_labels import RidgeLabels
from textdistill.objectives.unrolled import Unrolled
from textdistill.objectives.weighted_sum import WeightedSum

OBJECTIVES: dict[str, type] = by_name(
    *(Unrolled, DistributionMatching, CAFE, WeightedSum, GradientMatching, KIP, LabelSolve, RidgeLabels)
)
