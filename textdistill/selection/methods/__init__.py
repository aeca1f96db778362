"""Methods that choose readable sets, a file and a class each, and the one dict that names them.

A recipe's `choose.methods` are names of this dict; `choose` sets those of their fields that it has keys for.
"""

from __future__ import annotations

from textdistill.selection.methods.best_k_centers import BestKCenters
from textdistill.selection.methods.grown import Grown
from textdistill.selection.methods.herding import Herding
from textdistill.selection.methods.k_centers import KCenters
from textdistill.selection.methods.method import Method, configured
from textdistill.selection.methods.ours import Ours
from textdistill.selection.methods.pool_centers import PoolCenters
from textdistill.selection.methods.pool_random import PoolRandom
from textdistill.selection.methods.prompted import Prompted
from textdistill.selection.methods.random_real import RandomReal
from textdistill.selection.methods.released import Released
from textdistill.selection.methods.search_real import SearchReal
from textdistill.selection.methods.soft_labels import SoftLabels

METHODS: dict[str, Method] = {
    "random_real": RandomReal(),
    "herding": Herding(),
    "k_centers": KCenters(),
    "best_k_centers": BestKCenters(),
    "search_real": SearchReal(),
    "vanilla_lm": PoolCenters("vanilla_lm", "vanilla", "Language model, K-centres"),
    "dilm": PoolCenters("dilm", "matched", "DiLM"),
    "vanilla_random": PoolRandom("vanilla_random", "vanilla", "Language model, as drawn"),
    "dilm_random": PoolRandom("dilm_random", "matched", "DiLM, as drawn"),
    "ours": Ours(),
    "grown": Grown(),
    "prompted": Prompted(),
    "random_real_soft": SoftLabels(RandomReal()),
    "k_centers_soft": SoftLabels(KCenters()),
    "search_real_soft": SoftLabels(SearchReal()),
    "prompted_soft": SoftLabels(Prompted()),
    "dilm_soft": SoftLabels(PoolCenters("dilm", "matched", "DiLM")),
    "ours_soft": SoftLabels(Ours()),
    "released": Released(),
}
# What is chosen among training rows alone needs no generator.
AMONG_REAL_ROWS = tuple(name for name, method in METHODS.items() if method.source == "real")

__all__ = ["AMONG_REAL_ROWS", "METHODS", "Method", "configured"]
