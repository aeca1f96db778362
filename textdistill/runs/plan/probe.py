"""The process that measures: `python -m textdistill.runs.plan.probe`, a recipe on its input, figures on its output.

A process of its own, because the most memory that it has had is the answer to a question, and because nothing that it
does may change what the one who asks has computed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from textdistill.core.errors import UserError
from textdistill.recipe.read import Recipe
from textdistill.runs.plan.units import Unit

SECONDS = 3.0


@dataclass(frozen=True)
class Measured:
    """What was measured: units by name, facts that say how many of each there are, and the whole.

    `peak_mib` is the most memory, `ready_seconds` what a process takes before it begins, `disk_mib` what a run leaves.
    """

    units: dict[str, Unit]
    facts: dict[str, Any]
    peak_mib: float
    ready_seconds: float
    disk_mib: float


def measure(
    recipe: Recipe, device: str | None = None, threads: int | None = None, seconds: float = SECONDS, cpu: bool = False
) -> Measured:
    """Take a few real steps of the recipe in a process of its own; nothing of it stays.

    `seconds` is about how long each kind of step is looked at; `cpu` counts the processor's seconds.

    Errors: `UserError` with what the process said where it ended otherwise.
    """
    import torch

    asked = {"raw": recipe.raw, "name": recipe.name, "device": device, "threads": threads or torch.get_num_threads()}
    asked["cpu"] = cpu
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps({**asked, "seconds": seconds}, default=str), capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        told = {"fault": next(iter(done.stderr.splitlines()[-1:]), f"exit code {done.returncode}")}
    if "fault" in told:
        raise UserError(f"plan: the steps that were tried failed: {told['fault']}")
    units = {name: Unit(**unit) for name, unit in told["units"].items()}
    ready = told["ready_cpu"] if cpu else max(0.0, told["ready"] - began)
    return Measured(units, told["facts"], told["peak_mib"], ready, told["disk_mib"])


def main() -> None:
    """Measure the recipe on the input."""
    import torch

    from textdistill.core.device import pick_device
    from textdistill.core.distill import peak_rss_mib
    from textdistill.recipe.read import resolve
    from textdistill.runs.plan import readable, tensors
    from textdistill.runs.plan.units import Meter

    ready, ready_cpu, asked = time.time(), time.process_time(), json.loads(sys.stdin.read())
    torch.set_num_threads(asked["threads"])
    device = pick_device(asked["device"])
    try:
        recipe = resolve(asked["raw"], name=asked["name"])
        with TemporaryDirectory(prefix="textdistill-plan-") as place:
            meter = Meter(device, asked["seconds"], asked["cpu"])
            facts = (tensors if recipe.text is None else readable).probe(recipe, Path(place), device, meter)
            disk = sum(file.stat().st_size for file in Path(place).rglob("*") if file.is_file()) / 2**20
    except UserError as error:
        print(json.dumps({"fault": str(error)}))
        return
    peak = peak_rss_mib() if device.type != "cuda" else torch.cuda.max_memory_allocated() / 2**20
    units = {name: asdict(unit) for name, unit in meter.units.items()}
    told = {"units": units, "facts": facts, "peak_mib": peak, "disk_mib": disk}
    print(json.dumps({**told, "ready": ready, "ready_cpu": ready_cpu}))


if __name__ == "__main__":
    main()
