"""Several runs or judgements beside each other: budgets aligned, unlike protocols refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from textdistill.core.errors import ArtifactError, UserError
from textdistill.core.file_names import MANIFEST, METRICS
from textdistill.core.json_files import existing, facts_in, required
from textdistill.core.manifest import KINDS, Manifest, manifest_of
from textdistill.core.streams import Streams
from textdistill.evaluation.statistics import Difference, difference, holm, interval, summarise, welch_of
from textdistill.evaluation.text_baselines import method_of
from textdistill.reports.run_folder import Metrics, Score
from textdistill.reports.text_folder import TextMetrics
from textdistill.reports.text_tables import summary_of

NETWORKS = "networks"  # the judge of runs on vectors and pixels: the recipe's own learner


@dataclass(frozen=True)
class Entry:
    """One run's score by one judge at one budget.

    `draws` are what was drawn at random, one list for each way of telling it (the sets' texts, what their networks
    began with), as long as `scores`: entries that agree in one of them are compared draw by draw.
    """

    run: str
    method: str
    score: Score
    samples: int
    full: float | None
    scores: list[float] = field(default_factory=list)
    draws: tuple[list[str], ...] = ()

    def same_draws(self, other: Entry) -> bool:
        """Whether score i of both is of the same draw."""
        return any(own and own == theirs for own, theirs in zip(self.draws, other.draws, strict=False))


@dataclass(frozen=True)
class Read:
    """What one folder tells: its entries by (judge, size), and the protocol of each judge."""

    name: str
    test: dict[str, Any]
    classes: int
    judges: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: dict[tuple[str, float], Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class Gap:
    """A less B by one judge at one size; the interval is missing where a side tells no scores of single draws.

    `p_holm` is corrected for all gaps that this judge is asked about.
    """

    judge: str
    size: float
    a: str
    b: str
    found: Difference
    p_holm: float | None = None


@dataclass(frozen=True)
class Compared:
    """All runs in one table: `entries[judge][size][run]`, sizes in samples a class."""

    runs: list[str]
    entries: dict[str, dict[float, dict[str, Entry]]]
    differences: list[Gap]
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
                    **gap.found.as_dict(),
                    "p_holm": None if gap.p_holm is None else float(f"{gap.p_holm:.4g}"),
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
        mean = summarise(full).mean if full else None
        entries[place] = replace(entry, run=name, score=score, full=mean, scores=means, draws=())
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
        drawn = block.protocol.get("drawn")
        drawn = drawn if isinstance(drawn, dict) else {}
        draws = tuple([str(draw) for draw in drawn.get(key) or []] for key in ("texts", "nets"))
        score = block.distilled.accuracy
        entry = Entry(name, block.headline, score, block.samples, full, _scores_in(score), draws)
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
    score, scores, draws = _by_draw(metrics)
    entry = Entry(name, "distilled", score, metrics.samples, metrics.full.accuracy.mean, scores, (draws,))
    run.entries[label, metrics.samples / len(classes)] = entry
    return run


def _scores_in(score: Score) -> list[float]:
    """The scores that a mean is of, where the file tells them."""
    scores = (score.model_extra or {}).get("scores")
    if not isinstance(scores, list) or not all(isinstance(score, int | float) for score in scores):
        return []
    return [float(score) for score in scores]


def _by_draw(metrics: Metrics) -> tuple[Score, list[float], list[str]]:
    """What a run on tensors reached, by what was drawn at random: distillations where there are several, or the start
    is fixed; else networks. The draws are named by the seeds that they follow from."""
    score, protocol = metrics.distilled.accuracy, metrics.protocol
    scores, seeds = _scores_in(score), protocol.get("seeds")
    if not scores or not isinstance(seeds, list) or not seeds or len(scores) % len(seeds):
        return score, scores, []
    if protocol.get("start") == "fixed" or len(seeds) > 1:
        each = len(scores) // len(seeds)
        scores = [sum(scores[at : at + each]) / each for at in range(0, len(scores), each)]
        return Score.model_validate(summarise(scores).as_dict()), scores, [f"distillation {seed}" for seed in seeds]
    return score, scores, [f"network {number} of seed {seeds[0]}" for number in range(len(scores))]


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


def _differences(entries: Mapping[str, Mapping[float, Mapping[str, Entry]]], streams: Streams) -> list[Gap]:
    """Every pair of runs, by judge and size."""
    out = []
    for judge, sizes in entries.items():
        gaps = []
        for size, runs in sizes.items():
            for a, b in combinations(runs.values(), 2):
                if min(len(a.scores), len(b.scores)) > 1:
                    rng = streams.child(judge, f"{size:g}", a.run, b.run).numpy("bootstrap")
                    found = difference(a.scores, b.scores, rng, a.same_draws(b))
                else:
                    found = Difference(welch_of(summary_of(a.score), summary_of(b.score)), None, None)
                gaps.append(Gap(judge, size, a.run, b.run, found))
        ps = holm([gap.found.test.p for gap in gaps])
        out += [replace(gap, p_holm=p) for gap, p in zip(gaps, ps, strict=True)]
    return out
