"""BibTeX for the parts that a recipe uses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from textdistill.api import load_recipe
from textdistill.core.errors import UserError
from textdistill.data import IMAGE_DATA
from textdistill.objectives.augment import AUGMENTATIONS
from textdistill.recipe import cite as cite_module
from textdistill.recipe.cite import BIBTEX, PARTS, cite, keys_for
from textdistill.recipe.parts import PARTS as KNOWN
from textdistill.recipe.references import references


@pytest.mark.parametrize("key", BIBTEX)
def test_every_entry_is_whole_and_carries_its_own_key(key: str) -> None:
    entry = BIBTEX[key]
    assert re.match(rf"@(article|inproceedings|techreport)\{{{key},\n", entry)
    assert entry.count("{") == entry.count("}")
    fields = dict(re.findall(r"^  (\w+)\s*= \{(.+?)\},?$", entry, re.MULTILINE | re.DOTALL))
    assert {"title", "author", "year"} <= fields.keys()
    assert fields["year"] == re.sub(r"\D", "", key)
    assert key.startswith(fields["author"].split(",")[0].lower())
    assert len({"journal", "booktitle", "institution"} & fields.keys()) == 1


def test_every_entry_of_the_file_is_read() -> None:
    text = Path(cite_module.__file__).with_name("papers.bib").read_text(encoding="utf-8")
    assert len(re.findall(r"^@", text, re.MULTILINE)) == len(BIBTEX)


@pytest.mark.parametrize("kind", sorted(PARTS.keys() & KNOWN.keys()))
def test_only_parts_that_a_recipe_can_name_have_papers(kind: str) -> None:
    assert PARTS[kind].keys() <= KNOWN[kind].keys()


def test_transformations_and_image_data_are_called_as_recipes_call_them() -> None:
    assert PARTS["augment"].keys() == {name for known in AUGMENTATIONS.values() for name in known}
    assert [name for name in IMAGE_DATA if name != "digits" and not keys_for({"data": name})] == []


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
        ("data", "rt", ["pang2005"]),
        ("data", "emnist:letters", ["cohen2017"]),
        ("data", "Fashion-MNIST", ["xiao2017"]),
        ("data", "cifar100:coarse", ["krizhevsky2009"]),
        ("objective", "gradient_matching", ["zhao2021"]),
        ("kernel", "text_conv_ntk", ["arora2019"]),
        ("norm", "batch-statistics", ["ioffe2015"]),
        ("encoder", "minilm", ["wang2020minilm", "reimers2019"]),
        ("encoder", "sentence-transformers/all-mpnet-base-v2", ["reimers2019"]),
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


def keys_of(text: str) -> list[str]:
    return re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("recipe", "overrides", "keys"),
    [
        ("quickstart", [], ["sucholutsky2021", "kim2014", "wang2018", "maas2011", "pennington2014"]),
        (
            "zhao2021_dc_mnist_1",
            ["objective.augment=[crop, scale]"],
            ["zhao2021", "gidaris2018", "ulyanov2016", "zhao2021dsa", "lecun1998"],
        ),
        ("zhao2021_dc_mnist_1", ["train.augment=[crop]"], ["zhao2021", "gidaris2018", "ulyanov2016", "lecun1998"]),
        (
            "nguyen2021_kip_mnist_10",
            ["objective.kernel=conv_ntk"],
            ["nguyen2021", "arora2019", "nguyen2021infinite", "lecun1998"],
        ),
        (
            "textdistill_ld_rt-to-trec6",
            [],
            [
                *("bohdal2020", "kim2014", "wang2018", "sucholutsky2021", "voorhees2000", "li2002", "pang2005"),
                "pennington2014",
            ],
        ),
        (
            "textdistill_hybrid_trec6_60",
            [],
            ["zhao2021", "zhao2023", "kim2014", "voorhees2000", "li2002", "pennington2014"],
        ),
    ],
)
def test_a_recipe_leads_to_the_papers_of_all_that_it_uses(recipe: str, overrides: list[str], keys: list[str]) -> None:
    assert keys_of(references(load_recipe(recipe, overrides=overrides))) == keys


def test_a_run_leads_to_its_encoder_too(tmp_path: Path) -> None:
    (tmp_path / "analysis").mkdir()
    path = tmp_path / "analysis" / "transfer.json"
    path.write_text(json.dumps({"settings": {"encoder": "minilm"}}), encoding="utf-8")
    recipe = load_recipe("quickstart")
    assert keys_of(references(recipe, tmp_path)) == [*keys_of(references(recipe)), "wang2020minilm", "reimers2019"]
    path.write_text(json.dumps({"settings": {"encoder": None}}), encoding="utf-8")
    assert references(recipe, tmp_path) == references(recipe)
