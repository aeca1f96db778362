"""The trials of a sweep: every recipe with every seed and every combination of values, each an ordinary run folder."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import RecipeError, UserError
from textdistill.recipe.read import Recipe, load_recipe
from textdistill.runs.stages import fingerprint

State = Literal["new", "interrupted", "finished", "failed"]
NOTES = "trials"  # the folder, within the sweep's, of what became of each trial
MOST_TRIALS = 10_000
LONGEST_NAME = 120
_SEEDS = re.compile(r"(\d+)(?:\.\.(\d+))?")
_UNSAFE = re.compile(r"[^\w.,=+-]+")
# What says nothing of the figures: with other words here a trial is the same.
_ASIDE = ("title", "notes", "command", "checkpoint")


@dataclass(frozen=True)
class Trial:
    """One run of a sweep. `overrides` are all of it, `values` those that differ between trials; paths are absolute.

    `identity` is the digest of what its figures depend on: a finished trial stays finished while that is the same.
    `place` is the folder that the command is given in, `options` are further ones of `run`.
    """

    name: str
    group: str
    recipe: str
    overrides: tuple[str, ...]
    values: tuple[str, ...]
    seed: int
    variant: str | None
    folder: Path
    identity: str
    options: tuple[str, ...]
    place: Path

    @property
    def note(self) -> Path:
        """What became of it."""
        return self.folder.parent / NOTES / f"{self.name}.json"

    @property
    def log(self) -> Path:
        """What it said."""
        return self.folder.parent / NOTES / f"{self.name}.log"

    @property
    def words(self) -> list[str]:
        """The words after `textdistill` that make this run, or go on with it."""
        words = ["run", self.recipe, *self.overrides, "--seed", str(self.seed), "--out", str(self.folder), "--resume"]
        return [*words, *(("--variant", self.variant) if self.variant else ()), *self.options]

    def told(self) -> dict[str, Any]:
        """The note; empty where there is none that can be read, for then the trial has not ended."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def state(self) -> State:
        """Where it stands; `UserError` where the folder holds a trial of other settings."""
        told = self.told()
        if told and told.get("identity") != self.identity:
            raise UserError(
                f"--out: {self.folder} is a trial of other settings; choose another --out, or remove it and {self.note}"
            )
        if told.get("state") in ("finished", "failed"):
            return "finished" if told["state"] == "finished" else "failed"
        return "interrupted" if self.folder.is_dir() and any(self.folder.iterdir()) else "new"

    def end(self, state: State, reason: str | None, seconds: float) -> None:
        """Note what became of it."""
        note = {"identity": self.identity, "state": state, "reason": reason, "seconds": round(seconds, 1)}
        write_atomic(self.note, json.dumps({**note, "command": ["textdistill", *self.words]}, indent=1) + "\n")


def seeds_of(text: str) -> list[int]:
    """The seeds that `0..9`, `0,3,7` or `0..4,8` names, none twice. `UserError` for anything else."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        found = _SEEDS.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first or last - first >= MOST_TRIALS:
            raise UserError(f"--seeds: {text!r}; allowed: numbers and ranges upwards, such as 0..9 or 0,3,7")
        seeds |= dict.fromkeys(range(first, last + 1))
    return list(seeds)


def values_of(word: str) -> tuple[str, list[str]]:
    """`key=a,b,c` as the key and its values; a comma within brackets, braces or quotes parts nothing."""
    key, _, text = word.partition("=")
    values, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += 0 if quote else (letter in "[{") - (letter in "]}")
        if letter == "," and not quote and depth == 0:
            values.append("")
        else:
            values[-1] += letter
    if not key.strip() or (len(values) > 1 and not all(value.strip() for value in values)):
        raise UserError(f"{word!r}: allowed: key=value or key=a,b,c, such as outer.lr=0.01,0.1")
    return key.strip(), list(dict.fromkeys(value.strip() for value in values))


def grid(
    recipes: Sequence[str],
    words: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    variant: str | None = None,
    data_dir: str | None = None,
    options: Sequence[str] = (),
) -> list[Trial]:
    """Every trial, group by group. All recipes are read first: `RecipeError` tells the faults of all at once."""
    axes = dict(values_of(word) for word in words)
    if len(axes) < len(words):
        raise UserError("sweep: a key is given twice; give all its values at once, key=a,b,c")
    swept = [key for key, values in axes.items() if len(values) > 1]
    combinations = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    if (count := len(recipes) * len(combinations) * len(seeds)) > MOST_TRIALS:
        raise UserError(f"sweep: {count:,} trials; allowed: up to {MOST_TRIALS:,}; give fewer values or seeds")
    given = ("--data-dir", str(Path(data_dir).absolute())) if data_dir is not None else ()
    out, trials, faults = out.absolute(), list[Trial](), dict[str, None]()
    for name in recipes:
        for combination in combinations:
            overrides = tuple(f"{key}={value}" for key, value in combination.items())
            try:
                recipe = load_recipe(name, overrides=overrides, variant=variant, data_dir=data_dir)
            except RecipeError as error:
                faults |= dict.fromkeys(f"{name}: {fault}" for fault in error.faults)
                continue
            values = tuple(f"{key}={combination[key]}" for key in swept)
            group = _group(recipe, values)
            trials += [
                Trial(
                    f"{_safe(group)}-seed-{seed}", group, _source(name), overrides, values, seed, variant,
                    out / f"{_safe(group)}-seed-{seed}", _identity(recipe, seed), (*given, *options), Path.cwd(),
                )
                for seed in seeds
            ]  # fmt: skip
    if faults:
        raise RecipeError(faults, "sweep")
    twice = [name for name, same in itertools.groupby(sorted(trial.name for trial in trials)) if len(list(same)) > 1]
    if twice:
        raise UserError(f"sweep: two trials would be called {twice[0]}; give recipes of different names, each once")
    return trials


def _source(name: str) -> str:
    """The recipe as a trial names it, wherever that is started."""
    return str(Path(name).absolute()) if Path(name).is_file() else name


def _group(recipe: Recipe, values: Sequence[str]) -> str:
    """What the trials that differ in their seed alone are called in tables."""
    stem = recipe.name.rpartition("/")[2]
    return " ".join([f"{stem}-{recipe.variant}" if recipe.variant else stem, *values])


def _identity(recipe: Recipe, seed: int) -> str:
    settings = {key: value for key, value in recipe.raw.items() if key not in _ASIDE}
    settings["data"] = {key: value for key, value in recipe.raw["data"].items() if key != "data_dir"}
    return fingerprint(settings, recipe.variant, seed)


def _safe(label: str) -> str:
    """A name for files; where letters had to go, a digest keeps two names apart."""
    plain = _UNSAFE.sub("_", label.replace(" ", "-"))[:LONGEST_NAME]
    same = plain == label.replace(" ", "-")
    return plain if same else f"{plain}-{hashlib.sha256(label.encode()).hexdigest()[:6]}"


def by_group(trials: Sequence[Trial]) -> Mapping[str, list[Trial]]:
    """The trials that differ in their seed alone, in order."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.group, []).append(trial)
    return groups
