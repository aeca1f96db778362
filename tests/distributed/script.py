"""Run by torchrun, or called: all of this folder on whatever processes there are; each writes what it has to a file."""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import save_file

from tests.distributed import kernels, spread, writer
from tests.learners import models
from textdistill.core.processes import end_processes, rank, start_processes


def main() -> None:
    """Write `RANK.safetensors` into the folder that is named."""
    folder = Path(sys.argv[1])
    encoder = models.bert()  # made before: within a group transformers lets the first process alone write
    start_processes()
    parts = {"kernels": kernels.found(), "writer": writer.found(), "spread": spread.found(encoder, folder / "cache")}
    found = {f"{part}.{name}": value for part, made in parts.items() for name, value in made.items()}
    save_file(found, folder / f"{rank()}.safetensors")
    end_processes()


if __name__ == "__main__":
    main()
