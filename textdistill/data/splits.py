"""Train, validation and test texts."""

from __future__ import annotations

from dataclasses import replace

from textdistill.core.bounds import faults_of
from textdistill.core.errors import DataError
from textdistill.data import sources
from textdistill.data.contradictions import settled
from textdistill.data.cuts import Nouns, Source, Splits, cut
from textdistill.data.label_names import alike
from textdistill.data.sentences import shortened
from textdistill.data.settings import DataSettings
from textdistill.data.summary import Reader, Summary, alike_told, summarise
from textdistill.data.table import TextTable

_NOUNS = Nouns("rows", "texts", "a file ({split}: FILE)")


def load(settings: DataSettings) -> Splits[TextTable]:
    """The splits that `settings` ask for, by the rules of `cut`; rows with equal normalised texts are duplicates.

    Labels that look alike and texts under several labels are told in the report. Raises `DataError` or `OfflineError`.
    """
    return _cut(_found(settings), settings)


def check(
    settings: DataSettings, asked: int | None = None, reader: Reader | None = None
) -> tuple[Summary, Splits[TextTable] | DataError]:
    """What the data hold, and the splits that `load` makes of them or why it cannot; errors in reading as `load`."""
    source = _found(settings)
    try:
        splits = _cut(source, settings)
    except DataError as error:
        return summarise(source, asked, reader=reader), error
    return summarise(source, asked, splits.train, reader), splits


def _cut(source: Source[TextTable], settings: DataSettings) -> Splits[TextTable]:
    groups = alike(source.train.classes)
    if groups:
        rows = dict(zip(source.train.classes, source.train.counts().tolist(), strict=True))
        source = replace(source, notes=[*source.notes, *(alike_told(group, rows) for group in groups)])
    return cut(settled(source, settings.contradictions), settings, _NOUNS)


def _found(settings: DataSettings) -> Source[TextTable]:
    if faults := faults_of(settings):
        raise DataError("data: " + "; ".join(faults))
    source = sources.find(settings)
    if (count := settings.sentences) is not None:
        whole = (source.train, source.validation, source.test)
        train, validation, test = (None if table is None else shortened(table, count) for table in whole)
        assert train is not None
        source = replace(source, train=train, validation=validation, test=test)
    return source
