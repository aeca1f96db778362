"""Runs killed at any moment and resumed: do they end in the artifacts of a run that nobody killed?

python -m tests.kills                    100 SIGKILLs over all kinds of runs, and a table of them
python -m tests.kills --kills 14 --only tdd dilm

A moment is the n-th time that the run opens a file for writing, renames or removes one, in its folder or in its cache:
every such time is as likely as any other, and all stages have some. Every third kill comes by the clock instead.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from tests import tiny, warm

EVENTS = {"open": 0, "os.rename": 1, "os.remove": 0}  # which of its arguments names the file that then changes
TIMES = ("seconds", "peak", "per_second")  # what no two runs have in common
KINDS = ("tdd", "ld", "dm", "kip", "dilm", "readable", "evaluation", "judging")


def settings_of(kind: str) -> dict[str, Any]:
    """The recipe of a kind, in little."""
    from tests.text_level import runs

    words = {**tiny.settings(), "variants": {}, "checkpoint": {"every": 2}, "outer": {"steps": 7}}
    words["starts"] = {"name": "fresh"}
    words["evaluate"] |= {"baselines": ["random_real"], "snapped": False}
    set_of, objective = words["synthetic"], words["objective"]
    texts = runs.settings()
    texts["judge"]["by"] = [{"kind": "frozen"}]
    texts["choose"] |= {"sizes": [2], "size": 2}
    match kind:
        case "tdd" | "evaluation":
            return words
        case "ld":
            return words | {"synthetic": set_of | {"learn": ["targets"], "labels": "clamped"}, "objective": objective}
        case "dm":
            made = {"per_class": 2, "init": "real", "labels": "hard", "learn": ["inputs"], "lr": 0.1}
            return words | {"synthetic": made, "objective": {"name": "distribution_matching", "batch": 16}}
        case "kip":
            made = {"per_class": 2, "init": "real", "learn": ["inputs", "targets"], "lr": 0.01}
            kernel = {"name": "kip", "kernel": {"name": "ntk", "depth": 1}}
            return words | {"synthetic": made, "objective": kernel, "learner": {"name": "mlp", "hidden": [16]}}
        case "dilm":
            # enough steps of the language model that its sentences end: those that do not are drawn again and again
            texts["choose"] |= {"methods": ["random_real", "ours"], "pool": 6}
            texts["language_model"] |= {"steps": 60, "validate_every": 30, "checkpoint_every": 20}
            texts["sampling"] |= {"length": 24}
            texts["outer"] |= {"steps": 3}
            return texts
    own = {"data", "representation", "title", "paper"}
    texts["choose"] = {key: value for key, value in texts["choose"].items() if key not in ("over", "pool")}
    texts["choose"] |= {"methods": ["random_real", "search_real"], "headline": "search_real"}
    return {key: texts[key] for key in (*own, "choose", "judge")}


def work(kind: str, settings: Mapping[str, Any], folder: Path, at: int | None, resume: bool) -> None:
    """One run, in a process of its own; before its file event number `at` it is killed by SIGKILL."""
    import textdistill
    from textdistill.runs.readable.again import judge_again

    events = folder.with_suffix(".events").open("a", buffering=1)
    seen = Counter[str]()
    roots = (str(folder), os.environ["TEXTDISTILL_CACHE"])

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if event not in EVENTS or (event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        path = str(args[EVENTS[event]])
        if not path.startswith(roots) or path.endswith(".lock"):
            return
        seen["all"] += 1
        events.write(f"{event} {Path(path).name}\n")
        if seen["all"] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    if kind == "evaluation":
        textdistill.evaluate(folder)
    elif kind == "judging":
        judge_again(folder)
    else:
        textdistill.run(settings, folder, resume=resume)


def artifacts(folder: Path) -> dict[str, str]:
    """A digest of everything that a run leaves, by the name of the file; times and reports, which tell them, left out.

    Of figures and notes what does not tell a time, of safetensors the tensors (their header has no order of its own).
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix in (".jsonl", ".bib", ".txt"):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.suffix == ".json":
            found[name] = json.dumps(_timeless(json.loads(path.read_text())), sort_keys=True)
        elif path.suffix == ".safetensors" and not path.name.startswith("checkpoint"):
            tensors = sorted(load_file(path).items())
            found[name] = "".join(hashlib.sha256(value.numpy().tobytes()).hexdigest() for _, value in tensors)
        elif path.suffix in (".html", ".md"):
            found[name] = "is there"
        elif path.name.endswith(".tmp"):
            found[name] = "half a file"
    return found


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if not any(word in key for word in TIMES)}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


@dataclass
class Row:
    """What became of the kills of a kind."""

    kills: int = 0
    identical: int = 0
    where: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@dataclass
class Bench:
    """Where runs are killed."""

    place: Path
    dice: random.Random
    by_clock: bool = True

    def row(self, kind: str, kills: int) -> Row:
        """One run of a kind that is left alone, and so many that are killed and resumed."""
        settings, row = settings_of(kind), Row()
        before = self._before(kind)
        whole, began = self._folder(kind, "whole", before), time.monotonic()
        self._done(kind, settings, whole)
        lasted = time.monotonic() - began
        expected = artifacts(whole)
        events = whole.with_suffix(".events").read_text().splitlines()
        for number in range(kills):
            folder = self._folder(kind, str(number), before)
            at: int | None = self.dice.randrange(len(events)) + 1
            if self.by_clock and number % 3 == 2:
                at, process = None, self._start(kind, settings, folder, None)
                process.join(self.dice.random() * lasted)
                process.kill()
            else:
                process = self._start(kind, settings, folder, at)
            process.join()
            if process.exitcode != -signal.SIGKILL:
                continue  # it was over before the clock struck
            row.kills += 1
            log = folder.with_suffix(".events")
            last = log.read_text().splitlines() if log.exists() else []
            row.where[_room(last[-1] if last else "begun")] += 1
            self._done(kind, settings, folder)
            found = artifacts(folder)
            other = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
            row.identical += not other
            if other:
                row.faults.append(f"{kind}, killed at {at or 'a time'} ({last[-1:]}): {', '.join(sorted(other))}")
            shutil.rmtree(folder.parent)
        return row

    def _before(self, kind: str) -> Path | None:
        """The finished run that is evaluated or judged again."""
        of = {"evaluation": "tdd", "judging": "readable"}.get(kind)
        if of is None:
            return None
        folder = self._folder(of, f"before-{kind}", None)
        self._done(of, settings_of(of), folder)
        return folder

    def _folder(self, kind: str, name: str, before: Path | None) -> Path:
        """A run's folder, with a cache of its own beside it; from a finished run where one is given."""
        place = self.place / f"{kind}-{name}"
        place.mkdir()
        if before is not None:
            shutil.copytree(before, place / "run")
        return place / "run"

    def _start(self, kind: str, settings: Mapping[str, Any], folder: Path, at: int | None) -> BaseProcess:
        cache = str(folder.parent / "cache")
        resume = folder.with_suffix(".events").exists()
        told = folder.with_suffix(".log")
        args = (kind, copy.deepcopy(settings), folder, at, resume)
        return warm.start(work, *args, told=told, TEXTDISTILL_CACHE=cache, TEXTDISTILL_PRECISION="float32")

    def _done(self, kind: str, settings: Mapping[str, Any], folder: Path) -> None:
        process = self._start(kind, settings, folder, None)
        process.join()
        if process.exitcode:
            raise RuntimeError(f"{folder}: ended with {process.exitcode}\n{folder.with_suffix('.log').read_text()}")


def _room(event: str) -> str:
    """A file event without the numbers in its file's name."""
    name = event.split()[-1].removeprefix(".").split(".tmp")[0]
    for part in (".json", ".jsonl", ".safetensors", ".npy", ".txt", ".html", ".md", ".bib"):
        if part in name:
            stem = name.split(part)[0]
            return ("features" if len(stem) > 40 else stem) + part
    return name


def main() -> None:
    """The table."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--kills", type=int, default=100)
    words.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--no-clock", action="store_true", help="all kills at file events, so that a seed says which")
    asked = words.parse_args()
    tiny.home()
    total = Row()
    with tempfile.TemporaryDirectory(prefix="textdistill-kills-") as place:
        bench = Bench(Path(place), random.Random(asked.seed), not asked.no_clock)
        print("kind         kills  identical  where, most often")
        for number, kind in enumerate(asked.only):
            kills = (number + 1) * asked.kills // len(asked.only) - number * asked.kills // len(asked.only)
            row = bench.row(kind, kills)
            total.kills, total.identical = total.kills + row.kills, total.identical + row.identical
            total.faults += row.faults
            often = ", ".join(f"{name} {count}" for name, count in row.where.most_common(6))
            print(f"{kind:12} {row.kills:5} {row.identical:10}  {often}", *row.faults, sep="\n", flush=True)
        print(f"{'all':12} {total.kills:5} {total.identical:10}")
    sys.exit(bool(total.faults))


if __name__ == "__main__":
    main()
