"""Accelerators by name: the most that their data sheets promise, and what share of it is taken to be reached."""

from __future__ import annotations

from typing import NamedTuple

TERA = 1e12
# The share of the promised rate that whole steps are taken to reach: large products come to 0.5 to 0.7 of it, and much
# of a step is none. Steps of many small operations reach far less: they wait for each other, and not for arithmetic.
SHARE = 0.3


class Peak(NamedTuple):
    """Dense products in 10¹² operations a second, by type; 0 where the card has no such unit. Memory in GB."""

    float32: float
    tf32: float
    bfloat16: float
    memory: float


# NVIDIA's data sheets, without sparsity (which doubles what some of them print): "NVIDIA H100 Tensor Core GPU" (SXM),
# "NVIDIA H200", "NVIDIA A100" (80 GB SXM), "NVIDIA L40S", "NVIDIA L4", "NVIDIA A10", "NVIDIA T4", "NVIDIA V100" (SXM2).
ACCELERATORS: dict[str, Peak] = {
    "H200": Peak(67.0, 494.5, 989.4, 141),
    "H100": Peak(67.0, 494.5, 989.4, 80),
    "A100": Peak(19.5, 156.0, 312.0, 80),
    "L40S": Peak(91.6, 183.0, 362.0, 48),
    "L4": Peak(30.3, 60.0, 121.0, 24),
    "A10": Peak(31.2, 62.5, 125.0, 24),
    "V100": Peak(15.7, 0.0, 0.0, 32),
    "T4": Peak(8.1, 0.0, 0.0, 16),
}


def seconds_on(name: str, operations: float, precision: str = "float32") -> float:
    """The seconds of so many operations on one card: operations ÷ (peak × `SHARE`); of a missing type in float32."""
    peak = ACCELERATORS[name]
    rate = getattr(peak, precision) or peak.float32
    return operations / (rate * TERA * SHARE)
