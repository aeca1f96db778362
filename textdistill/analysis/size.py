"""The A% distillation size d_A: the smallest number of samples whose set reaches A percent of the full data's accuracy.

d_A = min {M : r_M >= A}, with r_M the distillation ratio (Sucholutsky & Schonlau 2019, section 3). M is doubled until
r_M reaches A, then bisected between the last M that did not and the first that did. That takes r_M to rise with M,
which holds but for noise: the table of tries shows where it does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import ArtifactError, UserError
from textdistill.core.file_names import LEDGER
from textdistill.recipe.read import Recipe
from textdistill.recipe.told import TOLD
from textdistill.runs import pipeline
from textdistill.runs.lock import held
from textdistill.runs.progress import Reporter
from textdistill.runs.run_files import check_claim, claim

# A try is scored by few networks and nothing else: what is looked for is r_M alone.
FEW = ("evaluate.nets=5", "evaluate.baselines=[]", "evaluate.traditional=false", "evaluate.snapped=false")


@dataclass(frozen=True)
class Try:
    """One M with its ratio in percent: mean, standard deviation (`None` of one network) and number of networks."""

    samples: int
    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Search:
    """What was tried, in order, and d_A: `None` when no M up to the largest allowed reaches the ratio."""

    ratio: float
    size: int | None
    tries: list[Try]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def search(attempt: Callable[[int], Try], ratio: float, most: int, unit: int = 1) -> Search:
    """The smallest multiple of `unit` up to `most` whose try reaches `ratio` percent, by doubling and bisection.

    `attempt(M)` distils and scores M samples. Raises `UserError` for a ratio that is not above 0,
    or a `most` below `unit`.
    """
    if not ratio > 0:
        raise UserError(f"--ratio: {ratio:g}; allowed: a percentage above 0, such as 90")
    if most < unit:
        raise UserError(f"--most: {most}; allowed: {unit} or more, since the recipe's {unit} steps take a sample each")
    tries: list[Try] = []

    def reaches(units: int) -> bool:
        tries.append(attempt(units * unit))
        return tries[-1].mean >= ratio

    largest = most // unit
    below, units = 0, 1
    while not reaches(units):
        if units == largest:
            return Search(ratio, None, tries)
        below, units = units, min(2 * units, largest)
    while units - below > 1:
        middle = (below + units) // 2
        below, units = (below, middle) if reaches(middle) else (middle, units)
    return Search(ratio, units * unit, tries)


def runner(
    recipe_of: Callable[[int], Recipe],
    out: Path,
    *,
    unit: int = 1,
    seed: int = 0,
    device: str | None = None,
    reporter: Reporter | None = None,
    distil: Callable[..., pipeline.Run] = pipeline.run,
    prepare: Callable[[Recipe], Any] = pipeline.prepare_task,
) -> Callable[[int], Try]:
    """An attempt for `search`: distils `recipe_of(M)` into `out/M-…` unless `out/size.json` has its result.
    `unit` is a number of samples that the recipe allows.

    Raises `ArtifactError` when the ledger is damaged, or is of a search with other settings.
    """
    identity = _identity(recipe_of(unit), seed)
    known = _read(out / LEDGER, identity)
    task: list[Any] = []

    def attempt(samples: int) -> Try:
        if samples in known:
            return known[samples]
        recipe = recipe_of(samples)
        if not task:  # the data are read once, and not at all when every try is known
            task.append(prepare(recipe))
        folder = out / f"M-{samples:04d}"
        check_claim(folder, resume=True)
        with held(folder):
            claim(folder, resume=True)
            if reporter is not None:
                reporter.say(f"M = {samples}")
            run = distil(recipe, folder, seed=seed, resume=True, device=device, reporter=reporter, task=task[0])
        ratio = run.metrics["ratio"]
        known[samples] = Try(samples, float(ratio["mean"]), ratio["sd"], int(ratio["n"]))
        tries = [asdict(known[each]) for each in sorted(known)]
        write_atomic(out / LEDGER, json.dumps({"identity": identity, "tries": tries}, indent=1) + "\n")
        return known[samples]

    return attempt


def _identity(recipe: Recipe, seed: int) -> str:
    """What a try depends on beside M; as for checkpoints, settings that were left to their defaults are left out."""
    settings = {key: value for key, value in recipe.raw.items() if key not in ("checkpoint", "title", *TOLD)}
    for section, key in (("synthetic", "samples"), ("data", "data_dir")):
        settings[section] = {name: value for name, value in recipe.raw[section].items() if name != key}
    return hashlib.sha256(
        json.dumps([settings, recipe.variant, seed], sort_keys=True, default=str).encode()
    ).hexdigest()


def _read(ledger: Path, identity: str) -> dict[int, Try]:
    if not ledger.exists():
        return {}
    try:
        stored = json.loads(ledger.read_text(encoding="utf-8"))
        tries = [
            Try(
                int(tried["samples"]),
                float(tried["mean"]),
                None if tried["sd"] is None else float(tried["sd"]),
                int(tried["n"]),
            )
            for tried in stored["tries"]
        ]
        same = stored["identity"] == identity
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{ledger}: not readable ({error}); choose another --out, or delete it") from None
    if not same:
        raise ArtifactError(f"{ledger}: of a search with other settings or another seed; choose another --out")
    return {tried.samples: tried for tried in tries}
