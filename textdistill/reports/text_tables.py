"""Methods beside each other as a page shows them: by judge and size, with intervals, bars and tests of significance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textdistill.evaluation.reference import ratio_told
from textdistill.evaluation.statistics import Summary, holm, interval, welch_of
from textdistill.reports.names import judge_name, method_name
from textdistill.reports.run_folder import Score
from textdistill.reports.sections import Bar, bar, track
from textdistill.reports.templates import minus
from textdistill.reports.text_folder import Claim, Variant

UNSEEN = "set_without_test_copies"  # the judged set, not a method beside it: it is tested against nothing


@dataclass(frozen=True)
class Cell:
    """One score; `sign` marks methods that differ from the headline."""

    score: Score
    best: bool = False
    sign: str = ""


@dataclass(frozen=True)
class Test:
    """One claim that two methods differ; `p` is Holm's among the claims of its table."""

    claim: str
    size: str
    difference: str
    interval: str
    p: str
    test: str
    clear: bool = False
    own: bool = False


@dataclass(frozen=True)
class JudgeTable:
    """Everything that one judge found."""

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
    def against(self) -> str:
        """What the headline's ratio is taken against, and why where it is above 100."""
        return "" if self.block.ratio is None else ratio_told(self.block.ratio.mean, self.block.protocol)

    @property
    def headline_name(self) -> str:
        """What its headline is called before people."""
        return method_name(self.headline)


def judge_tables(variants: Mapping[str, Variant], size: int) -> list[JudgeTable]:
    """A table for each judge in the order of `variants` (`JUDGE@SIZE`); the chart is of `size` where it was judged."""
    judges: dict[str, dict[str, Variant]] = {}
    for name, block in variants.items():
        judge, _, samples = name.rpartition("@")
        judges.setdefault(judge or name, {})[samples] = block
    return [_table(judge, blocks, str(size)) for judge, blocks in judges.items()]


def summary_of(score: Score) -> Summary:
    """A score of a file as a summary; one of a single set varies by nothing that is known."""
    return Summary(score.mean, None if score.n is None or score.n < 2 else score.sd, score.n or 1)


def p_values(block: Variant) -> dict[str, float | None]:
    """Holm's p of every claim of a block, and of its headline against whatever method no claim was written of."""
    ps = {name: claim.p for name, claim in block.comparisons.items()}
    for method, scored in block.methods().items():
        names = (f"{block.headline} - {method}", f"{method} - {block.headline}")
        if method not in (block.headline, UNSEEN) and not set(names) & set(ps):
            ps[names[0]] = welch_of(summary_of(block.distilled.accuracy), summary_of(scored.accuracy)).p
    return dict(zip(ps, holm(list(ps.values())), strict=True))


def p_shown(p: float | None) -> str:
    """A p-value as people read it."""
    return "–" if p is None else "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def test_called(p: float | None, paired: bool) -> str:
    """Which test a p-value is of."""
    return "–" if p is None else "paired" if paired else "Welch"


def between(low: float | None, high: float | None) -> str:
    """An interval of a difference, as people read it."""
    return "–" if low is None or high is None else minus(f"{low:+.1f} to {high:+.1f}")


def _table(judge: str, blocks: dict[str, Variant], size: str) -> JudgeTable:
    shown = size if size in blocks else list(blocks)[-1]
    main = blocks[shown]
    ps = {at: p_values(block) for at, block in blocks.items()}
    cells = {(method, at): _cell(method, block, ps[at]) for at, block in blocks.items() for method in block.methods()}
    methods = list(dict.fromkeys(method for method, _ in cells))
    methods.sort(key=lambda method: -(cells[method, shown].score.mean if (method, shown) in cells else -1.0))
    rows = [
        (
            method_name(method),
            "main" if method == main.headline else "distilled" if method == UNSEEN else "baseline",
            [cells.get((method, at)) for at in blocks],
        )
        for method in methods
    ]
    full = [None if block.full is None else Cell(_counted(block.full.accuracy)) for block in blocks.values()]
    if any(full):
        rows.insert(0, (method_name("full"), "full", full))
    bars, scale = bars_of(main)
    return JudgeTable(
        name=judge_name(judge),
        learner=main.learner,
        headline=main.headline,
        sizes=list(blocks),
        rows=rows,
        bars=bars,
        bar_size=shown,
        scale=scale,
        tests=[
            _test(name, claim, ps[at][name], at, block)
            for at, block in blocks.items()
            for name, claim in block.comparisons.items()
        ],
        block=main,
    )


def _counted(score: Score) -> Score:
    """The score of one set where the file does not say of how many."""
    return Score(mean=score.mean, sd=score.sd, n=score.n or 1)


def _cell(method: str, block: Variant, ps: Mapping[str, float | None]) -> Cell:
    score = block.methods()[method].accuracy
    best = score.mean >= max(other.accuracy.mean for other in block.methods().values())
    sign = ""
    if method != block.headline:
        p = ps.get(f"{block.headline} - {method}", ps.get(f"{method} - {block.headline}"))
        sign = "" if p is None or p >= 0.05 else "**" if p < 0.01 else "*"
    return Cell(_counted(score), best, sign)


def bars_of(block: Variant) -> tuple[list[Bar], float]:
    """Every method at one size, best first, on a track that ends at the returned number of percent.

    Beside them all training data, the one set that the run keeps, and naming the most frequent class whatever the text.
    """
    scores = {method: scored.accuracy for method, scored in block.methods().items()}
    kinds = dict.fromkeys(scores, "baseline") | {block.headline: "main", UNSEEN: "distilled"}
    if block.full is not None:
        scores["full"], kinds["full"] = block.full.accuracy, "full"
    if block.kept is not None:
        scores["kept"], kinds["kept"] = Score(mean=block.kept, n=1), "distilled"
    if block.usual is not None:
        scores["most_frequent"], kinds["most_frequent"] = Score(mean=block.usual.accuracy, n=1), "baseline"
    names = {} if block.usual is None else {"most_frequent": block.usual.told}
    ends = {method: interval(summary_of(score)) for method, score in scores.items()}
    scale = track(max(max(score.mean, *(ends[method] or (0.0,))) for method, score in scores.items()))
    ranked = sorted(scores.items(), key=lambda item: -item[1].mean)
    bars = [
        bar(names.get(method, method_name(method)), kinds[method], _counted(score), ends[method], scale)
        for method, score in ranked
    ]
    return bars, scale


def _test(name: str, claim: Claim, p: float | None, size: str, block: Variant) -> Test:
    first, _, second = name.partition(" - ")
    known = claim.low is not None and claim.high is not None
    return Test(
        claim=f"{method_name(first)} − {method_name(second)}",
        size=size,
        difference=minus(f"{claim.difference:+.1f}"),
        interval=between(claim.low, claim.high),
        p=p_shown(p),
        test=test_called(p, claim.paired),
        clear=known and p is not None and p < 0.05 and (claim.low or 0) * (claim.high or 0) > 0,
        own=first == block.headline,
    )
