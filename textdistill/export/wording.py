"""How a sample is worded for a language model: a sandboxed Jinja template, label words, an instruction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.nodes import Node
from jinja2.sandbox import ImmutableSandboxedEnvironment

from textdistill.core.errors import UserError, did_you_mean
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.worded import PAIR, SINGLE

INSTRUCTION = "Classify the {{ 'pair of texts' if paired else 'text' }} as one of: {{ labels | join(', ') }}."
SEPARATOR = "\n\n"
MOST_MADE = 100_000  # characters or items that an expression may repeat a value to
MOST_DEPTH = 50  # of expressions within expressions
# What a template may do wrong as it is filled in.
FAULTS = (
    TemplateError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
    NameError,  # of 1e999, which is written into code as inf
    SyntaxError,  # of signs by the hundred, each of which becomes a bracket in code
)


@dataclass(frozen=True)
class Wording:
    """Texts in, words for a language model out: instruction, question + gap + label word, …, joined by `separator`.

    `template` words one sample with the variables `text`, `text_pair` (of pairs), `labels` (all label words) and
    `label`, which comes last: what stands before it is the question, the white space between is `gap`, and a model is
    to go on with `gap` and the label word. `words` are the label words in the order of `classes`; `instruction` is a
    template of `labels` and `paired`. Templates run in a sandbox and insert texts as they are: nothing is escaped, and
    template syntax inside a text is text.

    Raises `UserError` for a template that cannot be read (with the line) or filled in, and for unfit label words.
    """

    classes: tuple[str, ...]
    paired: bool = False
    template: str | None = None
    words: tuple[str, ...] | None = None
    instruction: str | None = None
    separator: str = SEPARATOR
    gap: str = field(init=False)

    def __post_init__(self) -> None:
        words = self.classes if self.words is None else self.words
        if len(words) != len(self.classes):
            raise UserError(f"label words: {len(words)} for {len(self.classes)} classes; give one for each")
        for name, word in zip(self.classes, words, strict=True):
            if not word.strip():
                raise UserError(f"label words: class {name!r} has an empty one; give it a word")
            if words.count(word) > 1:
                raise UserError(f"label words: {word!r} stands for two classes; give each its own")
        if self.template is None:
            object.__setattr__(self, "template", PAIR if self.paired else SINGLE)
        object.__setattr__(self, "words", words)
        _ = self.prelude  # a fault in the instruction is told here too
        # White space at a text's own end is the text's: a text without any shows what is the template's.
        head, _ = self._halves("x", "x" if self.paired else None)
        object.__setattr__(self, "gap", head[len(head.rstrip()) :])

    @property
    def label_words(self) -> tuple[str, ...]:
        """The label words, in the order of the classes."""
        return self.words or self.classes

    @cached_property
    def prelude(self) -> str:
        """The instruction as text; empty if there is none."""
        source = INSTRUCTION if self.instruction is None else self.instruction
        return self._filled(_compiled(source, "instruction"), "instruction", {"paired": self.paired}).strip()

    def question(self, text: str, pair: str | None = None) -> str:
        """The sample up to its label, without the gap."""
        head, _ = self._halves(text, pair)
        if not head.endswith(self.gap):
            raise UserError("template: the white space before {{ label }} must not depend on the text")
        return head[: len(head) - len(self.gap)]

    def questions(self, samples: TextSet) -> list[str]:
        """The questions of a set."""
        return [self.question(text, pair) for text, pair in samples.parts]

    def answers(self, samples: TextSet) -> list[str]:
        """The label words of a set's samples."""
        return [self.label_words[label] for label in samples.labels.tolist()]

    def shots(self, samples: TextSet) -> list[str]:
        """The samples as demonstrations: question, gap, label word."""
        answered = zip(self.questions(samples), self.answers(samples), strict=True)
        return [question + self.gap + word for question, word in answered]

    def prefix(self, samples: TextSet) -> str:
        """All that stands before the question asked: the instruction and the demonstrations, each with a separator."""
        return "".join(part + self.separator for part in (self.prelude, *self.shots(samples)) if part)

    def skeleton(self, sets: Sequence[TextSet], text: str, pair: str, escape: Callable[[str], str]) -> str:
        """The question as a template of another engine: `text` and `pair` are its slots, `escape` guards the rest.

        Raises `UserError` if the template does more with a text than insert it, as any sample of `sets` shows.
        """
        marks = ("\ue000aText\ue001", "\ue000aPair\ue001" if self.paired else None)
        pieces = _split(self.question(*marks), marks)
        for samples in sets:
            for (first, second), asked in zip(samples.parts, self.questions(samples), strict=True):
                texts = {marks[0]: first, marks[1]: second}
                if "".join(str(texts.get(piece, piece)) for piece in pieces) != asked:
                    raise UserError(
                        "template: this format can only insert texts as they are; "
                        "leave filters and conditions on text and text_pair out, or choose prompt or openai"
                    )
        slots = {marks[0]: text, marks[1]: pair}
        return "".join(slots.get(piece) or escape(piece) for piece in pieces)

    @cached_property
    def _template(self) -> Template:
        return _compiled(self.template or "", "template")

    def _halves(self, text: str, pair: str | None) -> tuple[str, str]:
        """What stands before the label and after it (white space alone)."""
        number = 0  # letters of both cases in the mark show a filter, which the words of shots would not go through
        while (mark := f"\ue000aB{number}\ue001") in text or mark in (pair or ""):
            number += 1
        given = {"text": text, "label": mark, **({} if pair is None else {"text_pair": pair})}
        head, marked, tail = self._filled(self._template, "template", given).rpartition(mark)
        if not marked or tail.strip() or mark in head:
            raise UserError("template: {{ label }} must stand in it once, bare and at its end, after the question")
        return head, tail

    def _filled(self, template: Template, what: str, given: Mapping[str, object]) -> str:
        given = {"labels": list(self.label_words), **given}
        try:
            return template.render(given)
        except UndefinedError as error:
            unknown = str(error).split("'")[1] if "'" in str(error) else ""
            hint = "the set has no second texts; " if unknown == "text_pair" else ""
            near = did_you_mean(unknown, given)
            raise UserError(f"{what}: {error.message}; {hint}allowed: {', '.join(sorted(given))}{near}") from None
        except FAULTS as error:
            raise UserError(f"{what}: cannot be filled in ({error}); mend the expression") from None


def label_words(classes: tuple[str, ...], chosen: Mapping[str, str]) -> tuple[str, ...]:
    """A word for every class: the chosen one, else the class's name. Raises `UserError` for a class not in the set."""
    for name in chosen:
        if name not in classes:
            raise UserError(
                f"label word for {name!r}: no such class; allowed: {', '.join(classes)}{did_you_mean(name, classes)}"
            )
    return tuple(chosen.get(name, name) for name in classes)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Where a template can reach nothing, and make nothing large, but what it is given."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """A product of numbers, or a short text or list some times over; `ValueError` for a larger one."""
        size = max((len(value) for value in (left, right) if hasattr(value, "__len__")), default=0)  # 0: numbers
        numbers = [abs(value) for value in (left, right) if isinstance(value, int)]
        if operator == "*" and size * max(numbers, default=0) > MOST_MADE:
            raise ValueError(f"more than {MOST_MADE:,} characters or items")
        if operator == "**" and any(number > 1000 for number in numbers):
            raise ValueError("a power of a number above 1,000")
        if operator == "%" and isinstance(left, str):
            raise ValueError("% on a text; write {{ … }}")
        return super().call_binop(context, operator, left, right)


def _compiled(source: str, what: str) -> Template:
    environment = _Sandbox(autoescape=False, undefined=StrictUndefined, keep_trailing_newline=True)
    try:
        _check_depth(environment.parse(source))
        return environment.from_string(source)
    except TemplateSyntaxError as error:
        raise UserError(f"{what}, line {error.lineno}: {error.message}; mend the Jinja syntax") from None
    except FAULTS as error:  # a number of thousands of digits, brackets by the thousand
        raise UserError(f"{what}: cannot be read ({error}); mend the Jinja syntax") from None


def _check_depth(template: Node) -> None:
    """`ValueError` for what is nested too deep: the time to compile it grows with the third power of the depth."""
    level, depth = [template], 0
    while level:
        if depth > MOST_DEPTH:
            raise ValueError(f"nested more than {MOST_DEPTH} deep")
        level, depth = [child for node in level for child in node.iter_child_nodes()], depth + 1


def _split(text: str, marks: tuple[str, str | None]) -> list[str]:
    """The text cut at the marks, which stay as pieces of their own."""
    pieces = [text]
    for mark in filter(None, marks):
        cut: list[str] = []
        for piece in pieces:
            if piece in marks:
                cut.append(piece)
                continue
            for number, part in enumerate(piece.split(mark)):
                cut.extend([mark] if number else [])
                cut.append(part)
        pieces = cut
    return [piece for piece in pieces if piece]
