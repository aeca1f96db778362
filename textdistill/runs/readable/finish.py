"""How a run for readable sets ends, at first and whenever it is judged again: judgement, figures, report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textdistill.core.checkpoint import write_atomic
from textdistill.core.file_names import LOOK, METRICS
from textdistill.core.streams import Streams
from textdistill.data import Splits, TextTable
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.recipe.text_settings import TextLevel
from textdistill.reports.headline import write_look
from textdistill.representations.texts import TextTask
from textdistill.runs.progress import Reporter
from textdistill.runs.readable.judge import Sets, judged
from textdistill.runs.readable.report import write_text_report

SEEN_ROWS = 300  # training rows whose words are looked up in the encoder's vocabulary


def judge_sets(
    sets: Sets, task: TextTask, settings: TextLevel, seed: int, reporter: Reporter
) -> tuple[dict[str, Any], float]:
    """The figures of `judged`, whose streams follow from the run's `seed`, and the seconds that they took."""
    began = time.perf_counter()
    streams = Streams(seed, ("text",)).child("judge")
    with reporter.stage("judging", None) as bar:
        metrics = judged(sets, task.splits, settings.choose, settings.judge, task.metrics, streams, bar.advance)
    metrics["protocol"] |= {"seed": seed, "seeds": [seed], "train_rows": len(task.splits.train)}
    metrics["protocol"] |= {"most_frequent": most_frequent(task.splits), **_reading(task, settings, streams)}
    return metrics, round(time.perf_counter() - began, 1)


def most_frequent(splits: Splits[TextTable]) -> dict[str, Any]:
    """The class with most training rows, and the percent of the test rows that are right if it is always named."""
    label = int(splits.train.counts().argmax())
    share = float((splits.test.labels == label).mean())
    classes = splits.train.classes
    return {"class": classes[label], "of": len(classes), "accuracy": round(100 * share, 4)}


def _reading(task: TextTask, settings: TextLevel, streams: Streams) -> dict[str, float]:
    """How well the encoder by which sets are chosen knows the words of some training rows."""
    train, encoder = task.splits.train, Encoder(settings.choose.views[0])
    rows = streams.numpy("pieces").permutation(len(train))[:SEEN_ROWS]
    seen = [train.texts[row] for row in sorted(rows.tolist())]
    return {"pieces_a_word": round(encoder.pieces_a_word(seen), 2), "unread": round(100 * encoder.unread(seen), 2)}


def finish(
    folder: Path,
    metrics: dict[str, Any],
    look: Callable[[], dict[str, Any]],
    report: Callable[[Path], object] = write_text_report,
) -> None:
    """Leave `metrics.json`, `headline.json` (what `look` gives; see `reports.headline`) and the report in `folder`.

    The figures come first: they have taken longest, and what fails afterwards can be made from them.
    """
    write_atomic(folder / METRICS, json.dumps(metrics, indent=1) + "\n")
    write_look(folder / LOOK, look())
    report(folder)
