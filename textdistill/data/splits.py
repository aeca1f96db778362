"""Train, validation and test texts."""

from __future__ import annotations

from dataclasses import replace

from textdistill.core.bounds import faults_of
from textdistill.core.errors import DataError
from textdistill.data import sources
from textdistill.data.cuts import Nouns, Splits, cut
from textdistill.data.sentences import shortened
from textdistill.data.settings import DataSettings
from textdistill.data.table import TextTable

_NOUNS = Nouns("rows", "texts", "a file ({split}: FILE)")


def load(settings: DataSettings) -> Splits[TextTable]:
    """The splits that `settings` ask for, by the rules of `cut`; rows with equal normalised texts are duplicates.

    Raises `DataError` or `OfflineError`.
    """
    if faults := faults_of(settings):
        raise DataError("data: " + "; ".join(faults))
    source = sources.find(settings)
    if (count := settings.sentences) is not None:
        whole = (source.train, source.validation, source.test)
        train, validation, test = (None if table is None else shortened(table, count) for table in whole)
        assert train is not None
        source = replace(source, train=train, validation=validation, test=test)
    return cut(source, settings, _NOUNS)
