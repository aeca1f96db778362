"""Several runs or judgements beside each other: budgets aligned, unlike protocols refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from textdistill.core.errors import ArtifactError, UserError
from textdistill.core.file_names import MANIFEST, METRICS
from textdistill.core.json_files import existing, facts_in, required
from textdistill.core.manifest import KINDS, Manifest, manifest_of
from textdistill.core.streams import Streams
from textdistill.evaluation.statistics import Comparison, bootstrap_difference, interval, summarise, welch, welch_of
from textdistill.evaluation.text_baselines import method_of
from textdistill.reports.run_folder import Metrics, Score
from textdistill.reports.text_folder import TextMetrics
from textdistill.reports.text_tables import summary_of

NETWORKS = "networks"  # the judge of runs on vectors and pixels: the recipe's own learner


@dataclass(frozen=True)
class Entry:
    """One run's score by one judge at one budget."""

    run: str
    method: str
    score: Score
    samples: int
    full: float | None

    @property
    def scores(self) -> list[float]:
        """The score of every set, where the file tells them."""
        scores = (self.score.model_extra or {}).get("scores")
        if not isinstance(scores, list) or not all(isinstance(score, int | float) for score in scores):
            return []
        return [float(score) for score in scores]


@dataclass(frozen=True)
class Read:
    """What one folder tells: its entries by (judge, size), and the protocol of each judge."""

    name: str
    test: dict[str, Any]
    classes: int
    judges: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: dict[tuple[str, float], Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """A less B by one judge at one size; the interval is missing where a side tells no scores of single sets."""

    judge: str
    size: float
    a: str
    b: str
    test: Comparison
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Compared:
    """All runs in one table: `entries[judge][size][run]`, sizes in samples a class."""

    runs: list[str]
    entries: dict[str, dict[float, dict[str, Entry]]]
    differences: list[Difference]
    skipped: list[str]

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "runs": self.runs,
            "judges": {
                judge: {
                    f"{size:g}": {
                        run: {
                            "method": entry.method,
                            "samples": entry.samples,
                            "full": entry.full,
                            **{key: getattr(entry.score, key) for key in ("mean", "sd", "n")},
                            "interval": interval(summary_of(entry.score)),
                        }
                        for run, entry in runs.items()
                    }
                    for size, runs in sizes.items()
                }
                for judge, sizes in self.entries.items()
            },
            "differences": [
                {
                    **{"judge": gap.judge, "size": gap.size, "claim": f"{gap.a} - {gap.b}"},
                    **gap.test.as_dict(),
                    **{"low": gap.low, "high": gap.high},
                }
                for gap in self.differences
            ],
            "skipped": self.skipped,
        }


def compare_runs(folders: Sequence[Path], seed: int = 0) -> Compared:
    """The headlines of two or more folders (runs of any kind, or judgements of sets) in one table.

    Only what was measured alike is compared: on the same test rows, by the same learner with the same settings, with
    the same recipe of labels, at the same number of samples a class. What not all runs have is left out and told
    (`skipped`); where nothing is left, `UserError` says why. Raises `ArtifactError` for a folder that is no run.
    """
    if len(folders) < 2:
        raise UserError("compare: give two folders or more")
    names = _names(folders)
    return compare_read([read_run(Path(folder), name) for folder, name in zip(folders, names, strict=True)], seed)


def compare_read(runs: Sequence[Read], seed: int = 0, least: int = 2) -> Compared:
    """What `compare_runs` gives, of what the folders tell; sizes that fewer than `least` runs have are left out."""
    names, first = [run.name for run in runs], runs[0]
    for other in runs[1:]:
        _same_rows(first, other)
    skipped: list[str] = []
    judges = [judge for judge in first.judges if _shared(judge, runs, skipped)]
    for other in runs[1:]:
        skipped += [f"{judge}: only in {other.name}" for judge in other.judges if judge not in first.judges]
    if not judges:
        raise UserError("\n  ".join(["compare: no two figures were measured alike", *skipped]))
    entries: dict[str, dict[float, dict[str, Entry]]] = {}
    for judge in judges:
        sizes = sorted({size for run in runs for (name, size) in run.entries if name == judge})
        aligned = [size for size in sizes if sum((judge, size) in run.entries for run in runs) >= least]
        if not aligned:
            budgets = "; ".join(
                f"{run.name} has {', '.join(f'{size:g}' for name, size in run.entries if name == judge)}"
                for run in runs
            )
            skipped.append(f"{judge}: no samples a class in common ({budgets})")
            continue
        entries[judge] = {
            size: {run.name: run.entries[judge, size] for run in runs if (judge, size) in run.entries}
            for size in aligned
        }
    if not entries:
        raise UserError("\n  ".join(["compare: the budgets differ", *skipped]))
    streams = Streams(seed, ("compare",))
    return Compared(names, entries, _differences(entries, streams), skipped)


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, or as much of their paths as tells them apart."""
    paths = [Path(folder).resolve() for folder in folders]
    if len(set(paths)) != len(paths):
        raise UserError("compare: the same folder is given twice; give different ones")
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def pooled(runs: Sequence[Read], name: str) -> Read:
    """Runs that differ in their seed alone as one: each score is the mean over them, with the spread between them."""
    first = runs[0]
    entries = {}
    for place, entry in first.entries.items():
        found = [run.entries[place] for run in runs if place in run.entries]
        means = [one.score.mean for one in found]
        full = [one.full for one in found if one.full is not None]
        score = Score.model_validate({**summarise(means).as_dict(), "scores": means})
        entries[place] = replace(entry, run=name, score=score, full=summarise(full).mean if full else None)
    return replace(first, name=name, entries=entries)


def read_run(folder: Path, name: str) -> Read:
    """What a finished run's folder tells, under this name; `ArtifactError` for one that is none."""
    stored, metrics = facts_in(existing(folder), MANIFEST), facts_in(folder, METRICS)
    for file, facts in ((MANIFEST, stored), (METRICS, metrics)):
        if not facts:
            raise ArtifactError(f"{folder / file}: missing, so this is no finished run; evaluate it first")
    manifest = manifest_of(stored, folder / MANIFEST, "run it again")
    if manifest.kind in KINDS:
        return _textual(folder, name, manifest)
    return _tensors(folder, name, manifest)


def _textual(folder: Path, name: str, manifest: Manifest) -> Read:
    metrics = required(folder / METRICS, "judge it again: textdistill evaluate", TextMetrics)
    classes = len(manifest.class_names)
    if not classes:
        raise ArtifactError(f"{folder / MANIFEST}: data.classes is missing; judge it again")
    run = Read(name, _rows_of(metrics.protocol, manifest.data), classes)
    for key, block in metrics.variants.items():
        judge, _, _ = key.rpartition("@")
        kind, _, recipe = judge.partition("/")
        method = method_of(block.headline)
        recipe = recipe or ("distilled" if method is not None and method.soft else "hard")
        label = f"{kind}/{recipe}"
        learner = block.protocol.get("learner")
        facts = dict(learner) if isinstance(learner, dict) else {"name": block.learner}
        run.judges[label] = {**facts, "nets": block.protocol.get("nets")}
        full = None if block.full is None else block.full.accuracy.mean
        entry = Entry(name, block.headline, block.distilled.accuracy, block.samples, full)
        run.entries[label, block.samples / classes] = entry
    return run


def _tensors(folder: Path, name: str, manifest: Manifest) -> Read:
    """A run on vectors, word pieces or pixels: one figure, by networks of its recipe's learner."""
    metrics = required(folder / METRICS, "evaluate the run, which writes it", Metrics)
    recipe, data, classes = manifest.recipe, manifest.data, manifest.classes
    if not recipe or not data or not classes:
        raise ArtifactError(f"{folder / MANIFEST}: recipe, data or classes are missing; run it again")
    run = Read(name, _rows_of(metrics.protocol, data), len(classes))
    label = f"{NETWORKS}/own"
    run.judges[label] = {
        **{"learner": recipe.get("learner"), "representation": recipe.get("representation")},
        **{"start": metrics.protocol.get("start"), "nets": metrics.protocol.get("nets")},
    }
    entry = Entry(name, "distilled", metrics.distilled.accuracy, metrics.samples, metrics.full.accuracy.mean)
    run.entries[label, metrics.samples / len(classes)] = entry
    return run


def _rows_of(protocol: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "test": protocol.get("test_fingerprint"),
        "data": data.get("fingerprint"),
        "rows": protocol.get("test_rows"),
        "name": data.get("name"),
    }


def _same_rows(first: Read, other: Read) -> None:
    """The same test rows, by their fingerprint, else by that of all splits."""
    key = "test" if first.test["test"] and other.test["test"] else "data"
    ours, theirs = first.test[key], other.test[key]
    if not ours or not theirs:
        lacking = first.name if not ours else other.name
        raise UserError(f"compare: {lacking} does not tell which test rows it was judged by; evaluate it again")
    if ours != theirs or first.classes != other.classes:
        raise UserError(
            f"compare: other test rows: {first.name} was judged by {first.test['rows']} of {first.test['name']}, "
            f"{other.name} by {other.test['rows']} of {other.test['name']} ({ours[:8]} and {theirs[:8]})"
        )


def _shared(judge: str, runs: Sequence[Read], skipped: list[str]) -> bool:
    """Whether all runs were judged so; if not, the reason goes to `skipped`."""
    kind, _, recipe = judge.partition("/")
    first = runs[0]
    for other in runs[1:]:
        if judge not in other.judges:
            recipes = [name.partition("/")[2] for name in other.judges if name.partition("/")[0] == kind]
            if recipes:
                skipped.append(f"{kind}: other labels: {first.name} has {recipe}, {other.name} {', '.join(recipes)}")
            else:
                learners = ", ".join(dict.fromkeys(name.partition("/")[0] for name in other.judges))
                skipped.append(f"{judge}: other learner: {other.name} was judged by {learners}")
            return False
        ours, theirs = first.judges[judge], other.judges[judge]
        unlike = [key for key in dict.fromkeys([*ours, *theirs]) if key != "nets" and ours.get(key) != theirs.get(key)]
        if unlike:
            key = unlike[0]
            difference = f"{key} is {ours.get(key)!r} in {first.name}, {theirs.get(key)!r} in {other.name}"
            skipped.append(f"{judge}: other learner: {difference}")
            return False
    return True


def _differences(entries: Mapping[str, Mapping[float, Mapping[str, Entry]]], streams: Streams) -> list[Difference]:
    """Every pair of runs, by judge and size."""
    out = []
    for judge, sizes in entries.items():
        for size, runs in sizes.items():
            entered = list(runs.values())
            for place, a in enumerate(entered):
                for b in entered[place + 1 :]:
                    low = high = None
                    if min(len(a.scores), len(b.scores)) > 1:
                        test = welch(a.scores, b.scores)
                        rng = streams.child(judge, f"{size:g}", a.run, b.run).numpy("bootstrap")
                        low, high = (round(end, 4) for end in bootstrap_difference(a.scores, b.scores, rng))
                    else:
                        test = welch_of(summary_of(a.score), summary_of(b.score))
                    out.append(Difference(judge, size, a.run, b.run, test, low, high))
    return out
