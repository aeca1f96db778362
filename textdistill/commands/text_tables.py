"""What a run for readable sets shows at its end: the set itself, what it reaches beside others, and what comes next."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from textdistill.commands.screen import screen
from textdistill.core.file_names import REPORT, SAMPLES

if TYPE_CHECKING:
    from rich.console import Console

    from textdistill.data.sets.text_set import TextSet
    from textdistill.runs.readable.run import TextRun

MOST_SAMPLES = 40  # of a set, shown in a terminal
UNREAD = 5.0  # percent of texts that the encoder does not know, from which on it is told
MANY_PIECES = 2.0  # tokens a word; English prose has 1.2 by an English tokenizer
LITTLE = 1.0  # points above the most frequent class that may be chance
MOST_LETTERS = 240  # of a text


def show_texts(run: TextRun) -> None:
    """The set that the run keeps, a table for each judge or size, what it cost, and the next commands."""
    from textdistill.reports.names import judge_name

    console, variants = screen(), run.metrics["variants"]
    of_judge: dict[str, dict[str, Any]] = {}
    for name, variant in variants.items():
        judge, _, size = name.partition("@")
        of_judge.setdefault(judge, {})[size] = variant
    _show_set(console, run.headline)
    if all(len(sizes) == 1 for sizes in of_judge.values()):
        console.print("Test accuracy in percent", style="italic")
        kept = run.metrics.get("kept")
        of_one_size = {judge: next(iter(sizes.values())) for judge, sizes in of_judge.items()}
        console.print(by_judge(of_one_size, None if kept is None else len(kept["reached"])))
    else:
        for judge, sizes in of_judge.items():
            title = f"{judge_name(judge)}: test accuracy in percent, by samples a class"
            console.print(title, style="italic", soft_wrap=True)
            console.print(_by_size(sizes))
    for line in _shares(variants):
        console.print(line, soft_wrap=True, markup=False)
    cost = run.metrics["cost"]
    console.print(
        f"distilled in {cost['distill_seconds'] / 60:.1f} minutes, judged in {cost['judging_seconds'] / 60:.1f}, "
        f"{cost['peak_rss_mib']:,.0f} MiB at most"
        if "peak_rss_mib" in cost
        else f"judged in {cost['judging_seconds'] / 60:.1f} minutes"
    )
    for line in [*_doubts(run), *_origin(run)]:
        console.print(line, soft_wrap=True, markup=False)
    folder = shlex.quote(str(run.folder))
    console.print(f"all sets: {run.folder / 'sets'}", soft_wrap=True, markup=False)
    console.print(f"report: {run.folder / 'report.html'}", soft_wrap=True, markup=False)
    console.print(f"next: textdistill export {folder} --format prompt", soft_wrap=True, markup=False)


def _shares(variants: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What every judge's share of all training rows is taken against, once; and where it is above 100, why."""
    from textdistill.evaluation.reference import ratio_told
    from textdistill.reports.names import judge_name

    lines: dict[str, None] = {}
    for name, variant in variants.items():
        told = ratio_told(variant["ratio"]["mean"], variant["protocol"]) if "ratio" in variant else ""
        if told:
            lines[f"{judge_name(name.partition('@')[0])}, all training rows: {told}"] = None
    return list(lines)


def _doubts(run: TextRun) -> list[str]:
    """What is told of the data, and why the figures may say less than they seem to."""
    from textdistill.core.manifest import manifest_in
    from textdistill.reports.names import judge_name

    manifest = manifest_in(run.folder)
    size, lines = manifest["headline"]["size"], [f"data: {manifest['data']['report']}"]
    kept, protocol = run.headline, run.metrics["protocol"]
    short = [
        f"{name} ({count})"
        for name, count in zip(
            kept.classes, np.bincount(kept.labels, minlength=len(kept.classes)).tolist(), strict=True
        )
        if count < size
    ]
    if short:
        lines.append(f"fewer than {size} rows: {', '.join(short)}")
    unread = protocol.get("unread", 0.0)
    if unread >= UNREAD:
        lines.append(
            f"{unread:.0f} % of the texts are signs that the encoder does not know: it sees hardly any difference "
            'between them; another may: "choose.views=[ENCODER]" judge.encoder=ENCODER, a folder or a hub id'
        )
    pieces = protocol.get("pieces_a_word", 1.0)
    if pieces > MANY_PIECES:
        lines.append(
            f"the encoder reads a word as {pieces:.1f} tokens: it hardly knows this language or these signs; another "
            'may do better: "choose.views=[ENCODER]" judge.encoder=ENCODER, a folder or a hub id'
        )
    for name, variant in run.metrics["variants"].items():
        judge, _, of_size = name.partition("@")
        if of_size == str(size):
            lines += verdicts(judge_name(judge), variant)
    return lines


def verdicts(judge: str, variant: Mapping[str, Any]) -> list[str]:
    """Where a judge's figures say less than they seem to: no better than naming one class, or than other real rows."""
    from textdistill.reports.names import method_name
    from textdistill.reports.text_folder import MostFrequent

    lines, usual = [], MostFrequent.told_in(variant.get("protocol", {}))
    own = variant.get("kept", variant["distilled"]["accuracy"]["mean"])
    if "full" in variant and variant["samples"] >= variant["protocol"].get("train_rows", math.inf):
        lines.append(f"{judge}: the set is all training rows; what it differs by is how the head is tuned")
    if usual is not None:
        always = f"{usual.told[0].lower()}{usual.told[1:]} ({usual.accuracy:.1f})"
        full = variant["full"]["accuracy"]["mean"] if "full" in variant else None
        if full is not None and full <= usual.accuracy + LITTLE:
            lines.append(
                f"{judge}: all training rows ({full:.1f}) do hardly better than {always}: there is nothing to learn "
                "here, or not in this way, and its other figures say nothing"
            )
        elif own <= usual.accuracy:
            lines.append(f"{judge}: the set ({own:.1f}) does no better than {always}: more samples a class may")
    others = {method: block["accuracy"]["mean"] for method, block in variant["baselines"].items()}
    best = max(others, key=lambda method: others[method], default=None)
    if best is not None and others[best] > variant["distilled"]["accuracy"]["mean"]:
        own_name, mean = method_name(variant["headline"]), variant["distilled"]["accuracy"]["mean"]
        lines.append(f"{judge}: {method_name(best)} ({others[best]:.1f}) is better than {own_name} ({mean:.1f}) here")
    return lines


def _origin(run: TextRun) -> list[str]:
    """Of written sets: how many of their samples are copies of training rows all the same, and what shows such rows."""
    from textdistill.core.file_names import LOOK
    from textdistill.core.json_files import facts_in
    from textdistill.core.manifest import manifest_in

    method = manifest_in(run.folder)["headline"]["method"]
    if not run.written:
        return []
    lines = []
    if method in run.metrics["texts"]:
        exact, near = (run.metrics["texts"][method][f"{kind}_copies"]["mean"] for kind in ("exact", "near"))
        lines.append(f"written, not taken: {exact:.1f} % of the samples are copies of training rows, {near:.1f} % near")
    membership = facts_in(run.folder, LOOK).get("texts", {}).get("membership")
    if membership is not None:
        lines.append(membership_told(membership))
    lines.append(f"to be shared without the data: {SAMPLES} alone; sets/, {REPORT} and {LOOK} show training rows")
    return lines


def membership_told(near: Mapping[str, float]) -> str:
    """Whether samples lie where training rows do (`evaluation.copies.membership`), in a line."""
    return (
        f"nearer to training than to held-out rows: {near['nearer_train']:.1f} % "
        f"(by chance {near['expected']:.1f} %, p = {near['p']:.2g})"
    )


def _show_set(console: Console, kept: TextSet) -> None:
    classes = max(map(len, kept.classes))
    for row, text in enumerate(kept.texts[:MOST_SAMPLES]):
        pair = "" if kept.pairs is None else f"  |  {kept.pairs[row]}"
        label = kept.classes[int(kept.labels[row])]
        line = Text(f"{label:>{min(classes, 24)}}  ", style="bold")
        console.print(line.append(_shortened(text + pair), style="not bold"))
    if len(kept) > MOST_SAMPLES:
        console.print(f"… and {len(kept) - MOST_SAMPLES} more, in samples.jsonl")
    console.print()


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= MOST_LETTERS else flat[: MOST_LETTERS - 1] + "…"


def by_judge(variants: Mapping[str, Mapping[str, Any]], sets: int | None) -> Table:
    """One size: a column for each judge; `sets` is of how many the set above is the best, `None` of a first one."""
    from textdistill.reports.names import judge_name, method_name
    from textdistill.reports.text_folder import MostFrequent

    first = next(iter(variants.values()))
    table = Table()
    table.add_column(f"trained on {first['samples']} samples")
    own_row = "The set above" + ("" if sets is None else f", best of {sets} before the test")
    columns: list[dict[str, str]] = []
    rows: dict[str, None] = {}
    for judge, variant in variants.items():
        table.add_column(judge_name(judge), justify="right")
        blocks = {variant["headline"]: variant["distilled"], **variant["baselines"]}
        order = sorted(blocks, key=lambda method: -blocks[method]["accuracy"]["mean"])
        column = {
            f"{method_name(method)}, {_sets(blocks[method])}": _cell(blocks[method]["accuracy"]) for method in order
        }
        usual = MostFrequent.told_in(variant.get("protocol", {}))
        if usual is not None and usual.telling:
            column[usual.told] = f"{usual.accuracy:.1f}"
        if "full" in variant:
            column["All training rows"] = _cell(variant["full"]["accuracy"])
        own = variant.get("kept", variant["distilled"]["accuracy"].get("scores", [None])[0])
        if own is not None:
            column = {own_row: f"{own:.1f}", **column}
            if "full" in variant:
                column["  the set's share of that"] = f"{100 * own / variant['full']['accuracy']['mean']:.1f} %"
        columns.append(column)
        rows |= dict.fromkeys(column)
    for row in rows:
        table.add_row(row, *(column.get(row, "") for column in columns), style="bold" if row == own_row else None)
    return table


def _sets(block: Mapping[str, Any]) -> str:
    count = block["accuracy"].get("n", 1)
    return f"{count} set{'s' if count > 1 else ''}"


def _cell(score: Mapping[str, Any]) -> str:
    return f"{score['mean']:.1f} ± {score['sd']:.1f}" if score.get("n", 1) > 1 else f"{score['mean']:.1f}"


def _by_size(sizes: Mapping[str, Mapping[str, Any]]) -> Table:
    """Several sizes: methods by size."""
    from textdistill.reports.names import method_name

    table = Table()
    table.add_column("trained on")
    rows: dict[str, dict[str, str]] = {}
    for size, variant in sizes.items():
        table.add_column(size, justify="right")
        blocks = {variant["headline"]: variant["distilled"], **variant["baselines"]}
        blocks |= {"full": variant["full"]} if "full" in variant else {}
        for method, scores in blocks.items():
            rows.setdefault(method, {})[size] = _cell(scores["accuracy"])
    for method, cells in rows.items():
        best = any(variant["headline"] == method for variant in sizes.values())
        table.add_row(method_name(method), *(cells.get(size, "") for size in sizes), style="bold" if best else None)
    return table
