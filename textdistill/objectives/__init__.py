"""What a distillation minimises: one visible dict of parts."""

from textdistill.objectives.distribution_matching import DistributionMatching
from textdistill.objectives.gradient_matching import GradientMatching
from textdistill.objectives.unrolled import Unrolled

OBJECTIVES: dict[str, type] = {
    "unrolled": Unrolled,
    "distribution_matching": DistributionMatching,
    "gradient_matching": GradientMatching,
}
