"""Recipes: each one that comes with the package is sound and takes steps; bad ones end in a clear error."""

from __future__ import annotations

import copy
import datetime
import functools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from tests import tiny
from tests.learners import models
from textdistill.core.bounds import settings_in
from textdistill.core.errors import RecipeError, UserError
from textdistill.data.known import KNOWN
from textdistill.recipe.cite import BIBTEX
from textdistill.recipe.read import (
    KEYS,
    Recipe,
    find_recipe,
    list_recipes,
    load_recipe,
    precisions,
    read_yaml,
    resolve,
)
from textdistill.recipe.show import as_yaml, settings_of
from textdistill.representations.wordpieces import Wordpieces
from textdistill.runs import pipeline
from textdistill.runs.readable.run import run_texts

FILES = sorted((tiny.ROOT / "recipes").rglob("*.y*ml"))
BASE: dict[str, Any] = {"data": {"name": "imdb"}, "synthetic": {"per_class": 2}}
VARIANTS = [
    (name, variant) for name, path in list_recipes().items() for variant in read_yaml(path).get("variants") or [None]
]
# Two steps of a recipe in little, on a few of its rows.
SMALL = (
    *("outer.steps=2", "outer.validate_every=1", "checkpoint.every=1", "evaluate.validation_rows=10"),
    "evaluate.validation_nets=1",
)
FEW_ROWS = "objective.batch=4"
# Vectors at random are no match for learning rates that suit real ones.
SMALL_TEXT = (*SMALL, "synthetic.lr=0.02", "representation.length=6", "representation.max_words=300")
SMALL_TRAINED = ("representation.word2vec.dimension=8", "representation.word2vec.epochs=1")
SIDES = {"mnist": (28, 1), "cifar10": (32, 3)}  # of the images that recipes name: pixels a side, channels


@functools.cache
def mirror() -> Path:
    """A folder of local data in place of every data set that the recipes name: real sentences with made-up labels."""
    folder = tiny.home() / "mirror"
    for known in KNOWN.values():
        first, second = known.columns[0]
        for split, start, rows in (("train", 0, 160), ("validation", 160, 60), ("test", 220, 60)):
            path = folder / (known.folder or _name(known)) / f"{split}.csv"
            texts = [text for text, _ in tiny.sentences()[start : start + rows]]
            table = pd.read_csv(path) if path.is_file() else pd.DataFrame({first: texts})
            if second is not None:
                table[second] = texts[::-1]
            table[known.label] = [number % len(known.classes) for number in range(rows)]
            path.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(path, index=False)
    texts = [text for text, _ in tiny.sentences()]
    labels = [("negative", "neutral", "positive")[number % 3] for number in range(len(texts))]
    pd.DataFrame({"text": texts, "label": labels}).to_csv(folder / "tweets.csv", index=False)
    for name, (side, channels) in SIDES.items():
        for split, rows in (("train", 240), ("test", 20)):
            for number in range(rows):
                path = folder / name / split / str(number % 10) / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                rng = np.random.default_rng((number, rows))
                pixels = rng.integers(0, 256, (side, side, channels), dtype=np.uint8)
                Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(path)
    return folder


def _name(known: Any) -> str:
    return next(name for name, one in KNOWN.items() if one is known)


def test_every_file_of_the_folder_is_a_recipe_that_is_listed_and_tried_here() -> None:
    assert FILES
    assert sorted(list_recipes().values()) == FILES
    assert {name for name, _ in VARIANTS} == set(list_recipes())


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_a_recipe_is_sound_in_every_variant_and_says_where_it_comes_from(name: str, variant: str | None) -> None:
    recipe = load_recipe(name, variant=variant)
    assert recipe.title != name
    assert all(key.strip() in BIBTEX for key in recipe.paper.split(","))
    assert "paper" in read_yaml(list_recipes()[name])
    assert list(read_yaml(list_recipes()[name]))[-1] == "results" or "results" not in read_yaml(list_recipes()[name])


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_a_recipe_takes_two_small_steps(name: str, variant: str | None, tmp_path: Path) -> None:
    full = load_recipe(name, variant=variant)
    if full.text is not None:
        small_run = _a_small_choice if full.text.generator is None else _two_small_steps_of_a_generator
        return small_run(name, variant, tmp_path)
    small = [*SMALL]
    rows = [FEW_ROWS] if "batch" in settings_in(full.objective.type) else []
    if isinstance(full.representation, Wordpieces):
        narrow = models.bert()
        small = [*SMALL, f"representation.model={narrow}", "representation.length=10", f"learner.model={narrow}"]
    elif full.representation.kind == "words":
        # Trained vectors stay trained, others are those of the sentences at hand.
        vectors = full.representation.vectors
        sources = [one if one.startswith("word2vec") else str(tiny.home() / "vectors.txt") for one in vectors]
        small = [*SMALL_TEXT, *SMALL_TRAINED, f"representation.vectors={json.dumps(sources)}"]
    if full.synthetic.steps > 2 and full.synthetic.per_class:
        small += ["synthetic.steps=2", f"synthetic.per_class={2 * full.synthetic.per_class // full.synthetic.steps}"]
    if "steps" in full.starts.settings:
        small.append("starts.steps=2")  # of training between two outer steps
    if getattr(full.representation, "scale", None) == "zca":
        small.append("representation.size=8")  # whitening takes the cube of the pixels
    if full.train.epochs:
        small.append("train.epochs=2")
    if full.data.name.endswith(".csv"):
        small.append(f"data.name={mirror() / full.data.name}")
    recipe = load_recipe(name, [*small, *rows], variant, str(mirror()))
    task = pipeline.prepare_task(recipe)
    made = pipeline.distill_into(tmp_path, recipe, task, seed=0)
    if not hasattr(recipe.objective.type, "solve"):  # a closed form takes no steps
        records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
        assert [record["step"] for record in records] == [0, 1]
    assert made.inputs.isfinite().all()
    assert made.samples == (recipe.synthetic.samples or (recipe.synthetic.per_class or 0) * len(task.classes))


def _two_small_steps_of_a_generator(name: str, variant: str | None, folder: Path) -> None:
    """The stages of a text-level recipe up to its sets and their scores, with a narrow generator and encoder."""
    encoder = models.bert()
    small = [
        *("outer.steps=2", "checkpoint.every=1", FEW_ROWS),
        *("generator={model: small, layers: 1, width: 32, heads: 2, vocabulary: 300, longest: 8, dropout: 0}",),
        "language_model={steps: 80, batch: 32, lr: 0.01, validation_rows: 20}",
        *("sampling={length: 8, retries: 300}", "pool={batch: 2, factor: 2, every: 2}", "teacher={sets: 1, rows: 4}"),
        *(f"learner.model={encoder}", f"representation.encoder={encoder}", f"judge={{encoder: {encoder}}}"),
        *("starts.steps=2", "starts.batch=4"),
        "choose={sizes: [1], size: 1, sets: 1, over: 2, pool: 4, consistent: false, near_copies: false, "
        f"views: [{encoder}], methods: [k_centers, dilm], headline: dilm}}",
    ]
    recipe = load_recipe(name, small, variant, str(mirror()))
    made = run_texts(recipe, folder)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [0, 1]
    assert set(made.metrics["variants"]) == {"frozen@1"}
    assert len(made.headline) == len(made.headline.classes)


def _a_small_choice(name: str, variant: str | None, folder: Path) -> None:
    """A recipe without a generator up to its sets and their scores, with a narrow encoder."""
    encoder = models.bert()
    small = [
        *(f"representation.encoder={encoder}", f"judge={{encoder: {encoder}}}", "data.train_rows=60"),
        f"choose={{sizes: [1], size: 1, sets: 1, views: [{encoder}], methods: [k_centers, search_real], "
        "headline: search_real, search: {sweeps: 1, rows: 30, screen: 10, compare: 3}}",
    ]
    made = run_texts(load_recipe(name, small, variant, str(mirror())), folder)
    assert set(made.metrics["variants"]) == {"frozen@1"}
    assert len(made.headline) == len(made.headline.classes)


def test_a_resolved_recipe_as_text_is_the_same_recipe() -> None:
    for name, variant in VARIANTS:
        recipe = load_recipe(name, variant=variant)
        again = resolve(yaml.safe_load(as_yaml(recipe)))
        assert settings_of(again) == settings_of(recipe)


def test_settings_that_are_switched_off_stay_off_in_the_resolved_recipe() -> None:
    recipe = resolve(BASE, ["outer.clip=null", "representation.max_words=null"])
    again = resolve(settings_of(recipe))
    assert (again.outer.clip, again.representation.max_words) == (None, None)


def test_a_variant_is_laid_over_and_overrides_over_it() -> None:
    values = {
        **BASE,
        "starts": {"name": "fixed", "nets": 3},
        "variants": {
            "fixed": {},
            "fresh": {"starts": {"name": "fresh"}, "outer": {"steps": 7}, "learner": {"filters": 5}},
        },
    }
    assert resolve(values).variant == "fixed"
    fresh = resolve(values, ["outer.steps=9"], "fresh")
    assert (fresh.variant, fresh.outer.steps, fresh.outer.lr) == ("fresh", 9, 0.01)
    assert fresh.starts.type.__name__ == "Fresh"
    assert fresh.starts.settings == {}  # the old part's settings went with it
    assert fresh.learner.settings == {"filters": 5}
    assert resolve(values, variant="fixed").starts.settings == {"nets": 3}


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("outer.steps=30", lambda r: r.outer.steps == 30),
        ("outer.optimizer=sgd", lambda r: r.outer.optimizer == "sgd"),
        ("outer.scale={lr: 0.5}", lambda r: r.outer.scale == {"lr": 0.5}),
        ("learner=bi_lstm", lambda r: r.learner.type.__name__ == "BiLSTM"),
        ("learner.filters=7", lambda r: r.learner.settings == {"filters": 7}),
        ("objective.optimizer=adam", lambda r: type(r.objective.settings["optimizer"]).__name__ == "Adam"),
        ("objective.gradient={name: sweep, window: 3}", lambda r: r.objective.settings["gradient"].window == 3),
        ("evaluate.baselines=herding", lambda r: r.evaluate.baselines == ("herding",)),
        ("evaluate.full.epochs=2", lambda r: r.evaluate.full.epochs == 2),
        ("data=sst5", lambda r: r.data.name == "sst5"),
        ("data.text='1'", lambda r: r.data.text == "1"),
    ],
)
def test_an_override_reaches_its_setting(override: str, read: Any) -> None:
    assert read(resolve(BASE, [override]))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("outr.steps=3", "outr: unknown; allowed: .* .did you mean 'outer'"),
        ("outer.stepz=3", "outer.stepz: unknown; allowed: .* .did you mean 'steps'"),
        ("outer.steps=1.5", "outer.steps: found 1.5"),
        ("outer.schedule=cosin", "outer.schedule: 'cosin'; allowed: constant, cosine, step .did you mean 'cosine'"),
        ("outer.lr=.inf", "outer.lr: inf; allowed: finite"),
        ("outer.betas=[0.9, 1]", "outer.betas: 1.0; allowed: below 1"),
        ("outer.scale={inpts: 2}", "outer.scale: 'inpts'; .*did you mean 'inputs'"),
        ("learner=text_cnn", "learner.name: 'text_cnn'; .*did you mean 'text_conv'"),
        ("learner.filters=0", "learner.filters: 0; allowed: 1 or more"),
        ("learner.dropout=1", "learner.dropout: 1.0; allowed: below 1"),
        ("starts={name: fresh, nets: 0}", "starts.nets: 0"),
        ("objective.gradient={name: graph, window: 0}", "objective.gradient.window: 0"),
        ("synthetic.samples=4", "either samples .* or per_class"),
        ("synthetic.steps=3", "synthetic.per_class: 2; allowed: a multiple of synthetic.steps"),
        ("synthetic.learn=[inputs, weight]", "synthetic.learn: 'weight'"),
        ("evaluate.baselines=[herdin]", "did you mean 'herding'"),
        ("data.test_fraction=2", "data.test_fraction: 2.0"),
        ("paper=sucholutsky2020", "did you mean 'sucholutsky2021'"),
        ("learner={name: 'json:dumps'}", "not a class whose settings can be read"),
        ("learner={name: 'nosuch.module:X'}", "cannot be imported"),
        ("results=3", "results: 3"),
        ("variants=3", "variants: 3|variants: unknown"),
    ],
)
def test_a_fault_names_the_key_the_value_and_what_is_allowed(override: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        resolve(BASE if not override.startswith("variants") else {**BASE, "variants": 3}, [override])


def test_all_faults_come_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        resolve({"outer": {"steps": 0, "stepz": 1}, "learner": "x", "nme": 1, "synthetic": {}}, variant="fresh")
    told = str(caught.value)
    assert len(caught.value.faults) == 7
    for words in (
        "--variant",
        "nme: unknown",
        "data.name: missing",
        "outer.stepz",
        "outer.steps: 0",
        "learner.name",
        "either samples",
    ):
        assert words in told


def test_no_recipe_asks_for_a_type_of_its_own_and_a_word_counts() -> None:
    """What a recipe was measured with stands in its results; what it is computed with next is the machine's matter."""
    for file in list_recipes().values():
        assert "precision" not in re.sub(r"(?s)\nresults:.*", "", file.read_text()), file
    cpu = torch.device("cpu")
    textual = load_recipe("textdistill_dilm_trec6", ["pool.precision=bfloat16"])
    assert precisions(textual, cpu) == {
        "objective": "float32",
        "starts": "float32",
        "language_model": "float32",
        "pool": "bfloat16",
        "judge": "float32",
    }
    assert precisions(load_recipe("zhao2023_dm_mnist_10", ["objective.precision=bfloat16"]), cpu) == {
        "objective": "bfloat16"
    }
    assert precisions(load_recipe("quickstart"), cpu) == {}


def test_names_of_older_versions_are_read_as_todays() -> None:
    old = {**read_yaml(find_recipe("textdistill_dilm_trec6")), "results": {}}
    old["pool"] = {**old.get("pool", {}), "dtype": "bfloat16"}
    old["starts"] = {"name": "on_real", "dtype": "bfloat16"}
    old["objective"] = {"name": "gradient_matching", "real_dtype": "bfloat16"}
    recipe = resolve(old)
    assert recipe.text is not None
    assert (
        recipe.text.pool.precision
        == recipe.starts.settings["precision"]
        == recipe.objective.settings["precision"]
        == "bfloat16"
    )


def test_an_unknown_recipe_and_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'quickstart'"):
        load_recipe("quickstrt")
    for text, told in (("a: [", "not YAML"), ("- 1", "holds list"), ("", "holds NoneType"), ("[" * 5000, "nested")):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(RecipeError, match=told):
            load_recipe(str(tmp_path / "x.yaml"))


def test_a_data_folder_reaches_a_recipe_that_names_its_data_in_one_word() -> None:
    assert resolve({**BASE, "data": "sst5"}, data_dir="here").data.data_dir == "here"


@pytest.mark.parametrize("key", [0, None, True, 2.5, datetime.date(2026, 1, 1)])
def test_a_key_that_is_no_word_is_told_at_every_depth(key: object) -> None:
    assert any(fault.startswith(f"{key}: unknown; allowed: ") for fault in told_or_resolved({**BASE, key: 1}))
    for section in ("data", "outer", "checkpoint", "evaluate", "synthetic"):
        told = told_or_resolved({**BASE, section: {**BASE.get(section, {}), key: 1}})
        assert any(fault.startswith(f"{section}.{key}: unknown; allowed: ") for fault in told)


def told_or_resolved(values: dict[str, Any], *overrides: str) -> Recipe | list[str]:
    """The recipe, or its faults; anything else that is raised goes through."""
    try:
        return resolve(values, overrides)
    except RecipeError as error:
        return error.faults


def paths(value: Any, here: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every place of a nested mapping."""
    below = (
        [path for key, item in value.items() for path in paths(item, (*here, key))] if isinstance(value, dict) else []
    )
    return [*([here] if here else []), *below]


FULL = settings_of(resolve({**BASE, "variants": {"a": {}}}))
WORDS = st.sampled_from(
    [*KEYS, "name", "text_conv", "adam", "sweep", ":x", "os:path", "json:JSONDecoder", "a..b:c", ".:x", "-1", "", "é"]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(width=16), WORDS, st.text(max_size=4))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(WORDS, st.integers(0, 3)), inner, max_size=3)
    ),
    max_leaves=6,
)


@hypothesis_settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.lists(st.tuples(st.sampled_from(paths(FULL)), VALUES), max_size=4),
    more=st.dictionaries(WORDS, VALUES, max_size=2),
)
def test_whatever_a_recipe_holds_it_is_valid_or_a_recipe_error(
    changes: list[tuple[tuple[str, ...], Any]], more: dict[str, Any]
) -> None:
    values = copy.deepcopy({**FULL, **more})
    for path, value in changes:
        place = values
        for key in path[:-1]:
            place = place[key] if isinstance(place.get(key), dict) else place
        place[path[-1]] = value
    found = told_or_resolved(values)
    if isinstance(found, Recipe):
        assert settings_of(found)["title"] == found.title
        assert as_yaml(found).startswith("# recipe")
    else:
        assert found
        assert all(isinstance(fault, str) and fault for fault in found)


@hypothesis_settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=30))
def test_whatever_an_override_says_it_is_taken_or_told(text: str) -> None:
    for override in (text, f"outer.{text}"):
        assert told_or_resolved(BASE, override)
