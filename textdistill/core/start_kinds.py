"""Every source of inner weights by the name that recipes give: one visible dict of parts."""

from __future__ import annotations

from textdistill.core.bounds import by_name
from textdistill.core.chain import Chain
from textdistill.core.on_real import OnReal
from textdistill.core.plateau import Plateau
from textdistill.core.pool import Pool
from textdistill.core.starts import Fixed, Fresh, Trained

STARTS: dict[str, type] = by_name(Fixed, Fresh, Trained, Pool, Plateau, Chain, OnReal)
