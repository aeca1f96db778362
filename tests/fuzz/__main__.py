"""python -m tests.fuzz --cases 10000: every reader with so many damaged files, and a table of what became of them."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz.readers import READERS, SLOW
from tests.fuzz.run import fuzz, seed_of


def main() -> None:
    """The table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--cases", type=int, default=10_000)
    words.add_argument("--only", nargs="+", choices=[*READERS, *SLOW], default=list(READERS))
    words.add_argument("--seed", type=int, default=0)
    asked = words.parse_args()
    broken = 0
    with tempfile.TemporaryDirectory(prefix="textdistill-fuzz-") as place:
        print(f"{'reader':30} {'cases':>7} {'read':>7} {'refused':>8} {'CPU s':>8}")
        for name in asked.only:
            began = time.process_time()
            try:
                became = fuzz(name, Path(place) / name.replace(" ", "-"), asked.cases, seed_of(name, asked.seed))
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                broken += 1
                print(f"{name:30} BROKEN: {str(error)[:200]!r}", flush=True)
                print("".join(traceback.format_exception(error)[-30:])[-6000:], file=sys.stderr, flush=True)
                continue
            seconds = time.process_time() - began
            total = became.total()
            print(f"{name:30} {total:7} {became['read']:7} {became['refused']:8} {seconds:8.1f}", flush=True)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
