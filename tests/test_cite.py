"""BibTeX for the parts that a recipe uses."""

from __future__ import annotations

import re

import pytest

from textdistill.cite import BIBTEX, PARTS, cite, keys_for
from textdistill.errors import UserError


@pytest.mark.parametrize("key", BIBTEX)
def test_every_entry_is_whole_and_carries_its_own_key(key: str) -> None:
    entry = BIBTEX[key]
    assert re.match(rf"@(article|inproceedings)\{{{key},\n", entry)
    assert entry.count("{") == entry.count("}")
    fields = dict(re.findall(r"^  (\w+)\s*= \{(.+?)\},?$", entry, re.MULTILINE | re.DOTALL))
    assert {"title", "author", "year"} <= fields.keys()
    assert fields["year"] == re.sub(r"\D", "", key)
    assert key.startswith(fields["author"].split(",")[0].lower())
    assert ("journal" in fields) != ("booktitle" in fields)


def test_every_part_names_known_entries() -> None:
    assert {key for papers in PARTS.values() for keys in papers.values() for key in keys} <= BIBTEX.keys()


def test_entries_come_in_the_order_asked_each_once() -> None:
    text = cite(["kim2014", "maas2011", "kim2014"])
    assert re.findall(r"@\w+\{(\w+),", text) == ["kim2014", "maas2011"]
    assert text == f"{BIBTEX['kim2014']}\n\n{BIBTEX['maas2011']}\n"


def test_nothing_asked_gives_nothing() -> None:
    assert cite([]) == ""


def test_an_unknown_key_is_the_user_s_mistake_and_the_nearest_is_named() -> None:
    with pytest.raises(UserError, match=r"no BibTeX entry 'sucholutsky2020' \(did you mean 'sucholutsky2021'\?\)"):
        cite(["sucholutsky2020"])


def test_the_quickstart_s_parts_lead_to_their_papers() -> None:
    parts = {"paper": "sucholutsky2021", "data": "imdb", "vectors": "glove-6b-50d", "learner": "text_conv"}
    assert keys_for(parts) == ["sucholutsky2021", "maas2011", "pennington2014", "kim2014"]


@pytest.mark.parametrize(
    ("kind", "name", "keys"),
    [
        ("learner", "bi_rnn", ["schuster1997"]),
        ("learner", "bi_lstm", ["schuster1997", "hochreiter1997"]),
        ("vectors", "word2vec", ["mikolov2013"]),
        ("vectors", "word2vec-google-news-300", ["mikolov2013"]),
        ("objective", "unrolled", ["wang2018", "sucholutsky2021"]),
        ("data", "trec_coarse", ["voorhees2000", "li2002"]),
        ("data", "trec50", ["voorhees2000", "li2002"]),
        ("data", "rotten_tomatoes", ["pang2005"]),
        ("data", "SST2", ["socher2013", "wang2019glue"]),
        ("data", "glue/mrpc", ["wang2019glue"]),
        ("data", "glue/sst2", ["socher2013", "wang2019glue"]),
        ("paper", "sucholutsky2021, wang2018", ["sucholutsky2021", "wang2018"]),
        ("paper", "", []),
        ("data", "reviews.csv", []),
        ("data", "imdbish", []),
        ("learner", "mlp", []),
    ],
)
def test_a_part_leads_to_its_papers(kind: str, name: str, keys: list[str]) -> None:
    assert keys_for({kind: name}) == keys


def test_a_paper_shared_by_two_parts_comes_once() -> None:
    assert keys_for({"paper": "sucholutsky2021", "objective": "unrolled"}) == ["sucholutsky2021", "wang2018"]


@pytest.mark.parametrize("parts", [{"learnr": "text_conv"}, {"paper": "nobody1999"}])
def test_an_unknown_kind_or_paper_is_refused(parts: dict[str, str]) -> None:
    with pytest.raises(UserError, match="learnr|nobody1999"):
        keys_for(parts)
