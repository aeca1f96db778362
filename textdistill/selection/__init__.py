"""Real samples chosen or averaged, for baselines and for initial values; methods that choose readable sets.

Every function takes `(features, labels, counts, rng)`: features (n, *shape) as a NumPy array or a tensor, labels
(n,), how many for each class, and a NumPy generator; the same stream gives the same choice. `search_set` alone looks
at the set as a whole, and needs real rows to judge it by. `methods` are the ways to a readable set, a file each.
"""

from __future__ import annotations

from textdistill.selection.centroids import KMeansSettings, class_average, kmeans_centroids
from textdistill.selection.clusters import clusters
from textdistill.selection.rows import SELECTORS, herding, k_center_greedy, k_centers, random_rows
from textdistill.selection.search import search_set
from textdistill.selection.search_settings import SearchSettings, View

__all__ = [
    "SELECTORS",
    "KMeansSettings",
    "SearchSettings",
    "View",
    "class_average",
    "clusters",
    "herding",
    "k_center_greedy",
    "k_centers",
    "kmeans_centroids",
    "random_rows",
    "search_set",
]
