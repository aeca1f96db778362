"""How samples are worded: templates, label words, the sandbox, and what other engines can be told."""

from __future__ import annotations

import numpy as np
import pytest

from tests.export.samples import hostile, plain
from textdistill.core.errors import UserError
from textdistill.export import Shots, Wording
from textdistill.export.literal import for_format, for_jinja
from textdistill.export.wording import label_words

CLASSES = ("negative", "positive")


def test_a_prompt_is_instruction_shots_and_then_the_question() -> None:
    wording, samples = Wording(CLASSES), plain(2)
    assert wording.prefix(samples) + wording.question("and this?") == (
        "Classify the text as one of: negative, positive.\n\n"
        "Text: sentence 0 is negative\nLabel: negative\n\n"
        "Text: sentence 1 is positive\nLabel: positive\n\n"
        "Text: and this?\nLabel:"
    )


def test_pairs_have_a_template_of_their_own() -> None:
    wording = Wording(("no", "yes"), paired=True)
    assert wording.question("a", "b") == "Text 1: a\nText 2: b\nLabel:"
    assert wording.prelude == "Classify the pair of texts as one of: no, yes."


@pytest.mark.parametrize(
    ("template", "question", "gap"),
    [
        ("{{ text }} => {{ label }}", "a  =>", " "),
        ("{{ text }}\n{{ label }}", "a ", "\n"),
        ("{{ text }}={{ label }}\n\n", "a =", ""),
        ("{# of {{ label }} #}{{ labels | join('|') }}: {{ text }}: {{ label }}", "negative|positive: a :", " "),
        ("{% if text | length > 1 %}long{% endif %} {{ text }}? {{ label }}", "long a ?", " "),
    ],
)
def test_a_template_of_one_s_own(template: str, question: str, gap: str) -> None:
    wording = Wording(CLASSES, template=template)
    assert (wording.question("a "), wording.gap) == (question, gap)  # the text's own space at its end stays the text's


def test_no_instruction_leaves_no_empty_line() -> None:
    assert Wording(CLASSES, instruction="").prefix(plain(1)).startswith("Text: sentence 0")


def test_an_instruction_may_name_the_label_words() -> None:
    wording = Wording(CLASSES, words=("bad", "good"), instruction="Say {{ labels | join(' or ') }}.")
    assert wording.prelude == "Say bad or good."


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{ text }}\n{{ label }", r"template, line 2: .*mend the Jinja syntax"),
        ("{% if %}{{ label }}", r"template, line 1: "),
        ("{{ txt }} {{ label }}", r"template: 'txt' is undefined; allowed: label, labels, text \(did you mean 'text'"),
        ("{{ text_pair }} {{ label }}", r"'text_pair' is undefined; the set has no second texts"),
        ("{{ text }}", r"\{\{ label \}\} must stand in it once, bare and at its end"),
        ("{{ label }}: {{ text }}", r"\{\{ label \}\} must stand in it once, bare and at its end"),
        ("{{ label }} {{ text }} {{ label }}", r"\{\{ label \}\} must stand in it once, bare and at its end"),
        ("{{ text }} {{ label | upper }}", r"\{\{ label \}\} must stand in it once, bare"),
        ("{{ 1 / 0 }} {{ label }}", r"template: cannot be filled in \(division by zero\)"),
        ("{{ ''.__class__.__mro__ }} {{ label }}", r"cannot be filled in .*unsafe"),
        ("{{ labels.append(text) }} {{ label }}", r"cannot be filled in .*unsafe"),
        ("{% include '/etc/passwd' %} {{ label }}", r"cannot be filled in"),
    ],
)
def test_a_template_s_fault_is_told_in_a_line(template: str, fault: str) -> None:
    with pytest.raises(UserError, match=fault) as caught:
        Wording(CLASSES, template=template)
    assert "\n" not in str(caught.value)


def test_a_fault_in_the_instruction_is_the_instruction_s() -> None:
    with pytest.raises(UserError, match=r"instruction: 'text' is undefined; allowed: labels, paired"):
        Wording(CLASSES, instruction="Classify {{ text }}")


@pytest.mark.parametrize(
    ("words", "fault"),
    [(("a",), "1 for 2 classes"), (("a", " "), "'positive' has an empty one"), (("a", "a"), "'a' stands for two")],
)
def test_label_words_must_tell_the_classes_apart(words: tuple[str, ...], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        Wording(CLASSES, words=words)


def test_classes_without_a_word_keep_their_name_and_unknown_ones_are_refused() -> None:
    assert label_words(CLASSES, {"positive": "great"}) == ("negative", "great")
    with pytest.raises(UserError, match=r"'positiv': no such class; allowed: negative, positive \(did you mean 'posit"):
        label_words(CLASSES, {"positiv": "great"})


def test_template_syntax_inside_texts_and_label_words_is_text() -> None:
    samples = hostile(pairs=True)
    wording = Shots(template="{{ text }}|{{ text_pair }}|{{ label }}").wording(samples)
    shots = [
        f"{text}|{pair}|{samples.classes[label]}"
        for text, pair, label in zip(samples.texts, samples.pairs or [], samples.labels, strict=True)
    ]
    assert wording.shots(samples) == shots


def test_a_text_with_the_very_marks_that_stand_for_the_label_is_no_trouble() -> None:
    wording = Wording(CLASSES, template="{{ text }} {{ label }}")
    for text in ("\ue000aB0\ue001", "\ue000aB0\ue001\ue000aB1\ue001", "\ue000"):
        assert wording.question(text) == text


def test_the_question_as_another_engine_s_template() -> None:
    wording = Wording(CLASSES, template="{{ '{{' }} {x} {{ text }}: {{ label }}")
    assert wording.skeleton([plain(2)], "{text}", "", for_format) == "{{{{ {{x}} {text}:"
    assert wording.skeleton([plain(2)], "{{text}}", "", for_jinja) == '{{ "{{" }} {x} {{text}}:'


def test_what_other_engines_cannot_be_told_is_refused() -> None:
    wording = Wording(CLASSES, template="{{ text | upper }}: {{ label }}")
    with pytest.raises(UserError, match="can only insert texts as they are"):
        wording.skeleton([plain(2)], "{text}", "", for_format)


def test_all_samples_count_when_a_template_looks_at_their_length() -> None:
    wording = Wording(CLASSES, template="{% if text | length > 30 %}long {% endif %}{{ text }}: {{ label }}")
    samples = plain(2)
    assert wording.skeleton([samples], "{text}", "", for_format) == "{text}:"
    longer = plain(1).take(np.array([0]))
    longer.texts[0] = "x" * 40
    with pytest.raises(UserError, match="can only insert"):
        wording.skeleton([samples, longer], "{text}", "", for_format)
