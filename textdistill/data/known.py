"""The data sets that are known by name: where they are, which columns and splits they have, how they are scored."""

from __future__ import annotations

from dataclasses import dataclass

from textdistill.core.errors import DataError, did_you_mean

Pair = tuple[str, str | None]  # the columns of the first and the second text


@dataclass(frozen=True)
class KnownData:
    """A data set known by name.

    `columns` are the text columns it may have, by source, the first that is there counts; `classes` the class names in
    the order in which we count; `metrics` the task's own, first the one that is headed by (QQP and MRPC: accuracy and
    F1, of which QQP's mean is reported, as in GLUE); `validation` and `test` the split names, the first that is there.
    """

    hub: str
    config: str | None
    columns: tuple[Pair, ...]
    classes: tuple[str, ...]
    label: str = "label"
    metrics: tuple[str, ...] = ("accuracy",)
    validation: tuple[str, ...] = ("validation",)
    test: tuple[str, ...] = ("test",)
    folder: str | None = None


_TREC6 = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
_TREC50 = (
    *("ABBR:abb", "ABBR:exp", "DESC:def", "DESC:desc", "DESC:manner", "DESC:reason", "ENTY:animal", "ENTY:body"),
    *("ENTY:color", "ENTY:cremat", "ENTY:currency", "ENTY:dismed", "ENTY:event", "ENTY:food", "ENTY:instru"),
    *("ENTY:lang", "ENTY:letter", "ENTY:other", "ENTY:plant", "ENTY:product", "ENTY:religion", "ENTY:sport"),
    *("ENTY:substance", "ENTY:symbol", "ENTY:techmeth", "ENTY:termeq", "ENTY:veh", "ENTY:word", "HUM:desc", "HUM:gr"),
    *("HUM:ind", "HUM:title", "LOC:city", "LOC:country", "LOC:mount", "LOC:other", "LOC:state", "NUM:code"),
    *("NUM:count", "NUM:date", "NUM:dist", "NUM:money", "NUM:ord", "NUM:other", "NUM:perc", "NUM:period"),
    *("NUM:speed", "NUM:temp", "NUM:volsize", "NUM:weight"),
)
_SENTIMENT = ("negative", "positive")
_NLI = ("entailment", "neutral", "contradiction")
_F1 = ("accuracy", "f1")
_TEXT: tuple[Pair, ...] = (("text", None),)
_SENTENCE: tuple[Pair, ...] = (("sentence", None),)
_SENTENCES: tuple[Pair, ...] = (("sentence1", "sentence2"),)
_GLUE = "nyu-mll/glue"

KNOWN: dict[str, KnownData] = {
    "imdb": KnownData("stanfordnlp/imdb", None, _TEXT, _SENTIMENT),
    "rotten_tomatoes": KnownData("cornell-movie-review-data/rotten_tomatoes", None, _TEXT, _SENTIMENT),
    "sst2": KnownData(_GLUE, "sst2", _SENTENCE, _SENTIMENT),
    "sst5": KnownData(
        "SetFit/sst5", None, _TEXT, ("very negative", "negative", "neutral", "positive", "very positive")
    ),
    "trec6": KnownData("CogComp/trec", None, _TEXT, _TREC6, label="coarse_label", folder="trec"),
    "trec50": KnownData("CogComp/trec", None, _TEXT, _TREC50, label="fine_label", folder="trec"),
    "cola": KnownData(_GLUE, "cola", _SENTENCE, ("unacceptable", "acceptable"), metrics=("matthews", "accuracy")),
    "mrpc": KnownData(_GLUE, "mrpc", _SENTENCES, ("not_equivalent", "equivalent"), metrics=_F1),
    "qqp": KnownData(_GLUE, "qqp", (("question1", "question2"),), ("not_duplicate", "duplicate"), metrics=_F1),
    "mnli": KnownData(
        _GLUE,
        "mnli",
        (("premise", "hypothesis"),),
        _NLI,
        validation=("validation_matched", "validation"),
        test=("test_matched", "test"),
    ),
    "qnli": KnownData(_GLUE, "qnli", (("question", "sentence"),), ("entailment", "not_entailment")),
    "rte": KnownData(_GLUE, "rte", _SENTENCES, ("entailment", "not_entailment")),
    "wnli": KnownData(_GLUE, "wnli", _SENTENCES, ("not_entailment", "entailment")),
    "ag_news": KnownData("fancyzhx/ag_news", None, _TEXT, ("World", "Sports", "Business", "Sci/Tech")),
    "sick": KnownData("RobZamp/sick", None, (("premise", "hypothesis"), ("sentence_A", "sentence_B")), _NLI),
}
ALIASES = {"rt": "rotten_tomatoes"}
_REGRESSION = frozenset({"stsb", "sts-b", "sts_b", "glue:stsb", f"{_GLUE}:stsb"})


def find_known(name: str) -> tuple[str, KnownData] | None:
    """The data set of this name or alias with its proper name, `None` for an unknown name; STS-B is refused."""
    plain = name.strip().lower()
    if plain in _REGRESSION:
        raise DataError(f"{name}: STS-B is regression (scores from 0 to 5), which is not supported; take a class task")
    proper = ALIASES.get(plain, plain)
    return (proper, KNOWN[proper]) if proper in KNOWN else None


def names_help(name: str) -> str:
    """The known names, and the one that was perhaps meant."""
    return f"known: {', '.join(KNOWN)}{did_you_mean(name, [*KNOWN, *ALIASES])}"
