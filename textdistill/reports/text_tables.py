"""Methods beside each other as a page shows them: by judge and size, with intervals, bars and tests of significance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textdistill.evaluation.statistics import Summary, interval, welch_of
from textdistill.evaluation.text_baselines import method_of
from textdistill.reports.run_folder import Score
from textdistill.reports.text_folder import Claim, Variant

_NAMES = {"nearest_real": "Nearest real rows of the samples", "set": "The set"}  # beside the methods
_JUDGES = {
    "frozen": "Frozen encoder, linear head",
    "finetuned": "Encoder trained as a whole",
    "text_conv": "Convolution on word vectors",
    "bi_lstm": "LSTM on word vectors",
}
_RECIPES = {"hard": "hard labels", "teacher": "the teacher's soft labels", "distilled": "distilled soft labels"}


@dataclass(frozen=True)
class Cell:
    """One score with Student's interval of its mean; `sign` marks methods that differ from the headline."""

    mean: float
    sd: float | None
    n: int
    best: bool
    sign: str

    @property
    def told(self) -> str:
        """`76.3 ± 1.2`, or only the mean of a single set."""
        return f"{self.mean:.1f}" + ("" if self.sd is None or self.n == 1 else f" ± {self.sd:.1f}")


@dataclass(frozen=True)
class Bar:
    """A bar of the chart; places are percents of its track, `left` and `right` the ends of the interval."""

    name: str
    kind: str
    told: str
    n: int
    width: float
    left: float | None
    right: float | None


@dataclass(frozen=True)
class Test:
    """One claim that two methods differ."""

    claim: str
    size: str
    difference: str
    interval: str
    p: str
    clear: bool
    own: bool


@dataclass(frozen=True)
class JudgeTable:
    """Everything that one judge found."""

    key: str
    name: str
    learner: str
    headline: str
    sizes: list[str]
    rows: list[tuple[str, str, list[Cell | None]]]
    bars: list[Bar]
    bar_size: str
    scale: float
    tests: list[Test]
    block: Variant

    @property
    def headline_name(self) -> str:
        """What its headline is called before people."""
        return named(self.headline)


def named(method: str) -> str:
    """What a method is called before people."""
    known = method_of(method)
    return _NAMES.get(method, method.replace("_", " ")) if known is None else known.title


def judge_name(key: str) -> str:
    """What a judge is called: `frozen`, or with a recipe of labels `frozen/hard`."""
    kind, _, recipe = key.partition("/")
    told = _JUDGES.get(kind, kind.replace("_", " "))
    return f"{told}, {_RECIPES.get(recipe, recipe)}" if recipe else told


def judge_tables(variants: Mapping[str, Variant], size: int) -> list[JudgeTable]:
    """A table for each judge in the order of `variants` (`JUDGE@SIZE`); the chart is of `size` where it was judged."""
    found: dict[str, dict[str, Variant]] = {}
    for name, block in variants.items():
        judge, _, samples = name.rpartition("@")
        found.setdefault(judge or name, {})[samples] = block
    return [_table(judge, blocks, str(size)) for judge, blocks in found.items()]


def summary_of(score: Score) -> Summary:
    """A score of a file as a summary; one of a single set varies by nothing that is known."""
    return Summary(score.mean, score.sd or 0.0, score.n or 1)


def _table(judge: str, blocks: dict[str, Variant], size: str) -> JudgeTable:
    shown = size if size in blocks else list(blocks)[-1]
    main = blocks[shown]
    cells = {(method, one): _cell(method, block) for one, block in blocks.items() for method in block.methods()}
    methods = list(dict.fromkeys(method for method, _ in cells))
    methods.sort(key=lambda method: -(cells[method, shown].mean if (method, shown) in cells else -1.0))
    rows = [
        (named(method), "main" if method == main.headline else "baseline", [cells.get((method, one)) for one in blocks])
        for method in methods
    ]
    full = [None if block.full is None else _plain(block.full.accuracy) for block in blocks.values()]
    if any(full):
        rows.insert(0, ("All training data", "full", full))
    bars, scale = _bars(main)
    tests = [
        _test(claim, told, one, block) for one, block in blocks.items() for claim, told in block.comparisons.items()
    ]
    return JudgeTable(
        key=judge,
        name=judge_name(judge),
        learner=main.learner,
        headline=main.headline,
        sizes=list(blocks),
        rows=rows,
        bars=bars,
        bar_size=shown,
        scale=scale,
        tests=tests,
        block=main,
    )


def _plain(score: Score) -> Cell:
    return Cell(score.mean, score.sd, score.n or 1, False, "")


def _cell(method: str, block: Variant) -> Cell:
    score = block.methods()[method].accuracy
    best = score.mean >= max(other.accuracy.mean for other in block.methods().values())
    sign = ""
    if method != block.headline:
        p = welch_of(summary_of(block.distilled.accuracy), summary_of(score)).p
        sign = "" if p is None or p >= 0.05 else "**" if p < 0.01 else "*"
    return Cell(score.mean, score.sd, score.n or 1, best, sign)


def _bars(block: Variant) -> tuple[list[Bar], float]:
    """Every method at one size, best first, on a track that ends at the returned number of percent."""
    every = [
        (method, "main" if method == block.headline else "baseline", one) for method, one in block.methods().items()
    ]
    if block.full is not None:
        every.append(("All training data", "full", block.full))
    known = []
    for method, kind, scored in every:
        score = scored.accuracy
        ends = interval(summary_of(score))
        known.append((method, kind, score, ends))
    highest = max(max(score.mean, *(ends or (0.0,))) for _, _, score, ends in known)
    scale = min(100.0, max(10.0, 10 * (highest // 10 + 1)))

    def spot(value: float) -> float:
        return round(min(100.0, max(0.0, 100 * value / scale)), 2)

    bars = [
        Bar(
            name=method if kind == "full" else named(method),
            kind=kind,
            told=_plain(score).told,
            n=score.n or 1,
            width=spot(score.mean),
            left=None if ends is None else spot(ends[0]),
            right=None if ends is None else spot(ends[1]),
        )
        for method, kind, score, ends in sorted(known, key=lambda one: -one[2].mean)
    ]
    return bars, scale


def _test(claim: str, told: Claim, size: str, block: Variant) -> Test:
    first, _, second = claim.partition(" - ")
    known = told.low is not None and told.high is not None
    return Test(
        claim=f"{named(first)} − {named(second)}",
        size=size,
        difference=f"{told.difference:+.1f}".replace("-", "−"),
        interval=f"{told.low:+.1f} to {told.high:+.1f}".replace("-", "−") if known else "–",
        p="–" if told.p is None else "< 0.0001" if told.p < 1e-4 else f"{told.p:.2g}",
        clear=known and told.p is not None and told.p < 0.05 and (told.low or 0) * (told.high or 0) > 0,
        own=first == block.headline,
    )
