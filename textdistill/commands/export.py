"""The command `export`: a finished set as other people's tools read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textdistill.commands.options import DataDir, OptionGroup, grouped, one_of
from textdistill.commands.wording import TEMPLATE_HELP, PromptWords, left_out, order_scorer, template_of
from textdistill.core.errors import ArtifactError, UserError
from textdistill.core.file_names import DECODED, MANIFEST, METRICS, SAMPLES
from textdistill.export import FORMATS

if TYPE_CHECKING:
    from textdistill.data.sets.text_set import TextSet
    from textdistill.export import Format, Scorer, Shots
    from textdistill.export.shots import Counter

_LISTED = "\n".join(f"  [bold]{name}[/bold]{' ' * (16 - len(name))}{FORMATS.about(name)}" for name in FORMATS)
EXPORT_HELP = f"""Export a set of texts for language models, trainers and hubs.

SET is a run's folder, or a file of labelled texts (CSV, JSON lines, Parquet). Formats of one file go to standard output
unless --out names a file. FORMAT is one of

{_LISTED}

[bold]textdistill export runs/ld --format prompt --k 6 --order interleaved[/bold]

[bold]textdistill export runs/ld --format huggingface --out my-set[/bold]

[bold]textdistill export set.csv --format lm-eval --test test.csv --out task[/bold]"""

ORDER_HELP = "as_selected, interleaved, shuffled, or best: by --model on labelled rows."
MODEL_HELP = "best: a causal language model (a hub id, a folder, a .gguf file or smollm2)."
VALIDATION_HELP = "best: a file of labelled rows, none of which is tested on; else the run's own."
MOST_VALIDATION = 100  # rows that an order is judged by
SET_HELP = "A run's folder, or a file of labelled texts."
_NAMED_OTHERWISE = {"providers": "provider", "licence": "license"}  # settings whose option is called otherwise


@dataclass(frozen=True)
class Selection(OptionGroup):
    """Which samples are exported, in which order, and what becomes of soft labels."""

    panel = "Samples and their order"
    k: Annotated[int | None, typer.Option("--k", help="Samples in total, balanced by class; all if not given.")] = None
    order: Annotated[str, typer.Option("--order", help=ORDER_HELP)] = "as_selected"
    model: Annotated[str | None, typer.Option("--model", help=MODEL_HELP)] = None
    validation: Annotated[Path | None, typer.Option("--validation", help=VALIDATION_HELP)] = None
    seed: Annotated[int, typer.Option("--seed", help="Of the shuffled order, and of --test-rows.")] = 0
    token_budget: Annotated[
        int | None, typer.Option("--token-budget", help="Take as many samples as fit, instruction included.")
    ] = None
    tokenizer: Annotated[
        str | None, typer.Option("--tokenizer", help="Whose tokens: a hub id, a folder, a .gguf file or smollm2.")
    ] = None
    labels: Annotated[
        str | None, typer.Option("--labels", help="hard, soft (probabilities) or weights (a row for each class).")
    ] = None


@dataclass(frozen=True)
class AskedRows(OptionGroup):
    """The rows that a task asks a model about."""

    panel = "Rows to ask about"
    test: Annotated[
        Path | None, typer.Option("--test", help="Labelled rows to ask about (lm-eval, promptfoo); else the run's own.")
    ] = None
    test_rows: Annotated[int | None, typer.Option("--test-rows", min=1, help="Draw this many of them.")] = None
    data_dir: DataDir = None


@dataclass(frozen=True)
class OwnSettings(OptionGroup):
    """Settings that one format has; each is called as in the format's dataclass."""

    panel = "Settings of one format"
    style: Annotated[str | None, typer.Option("--style", help="openai: few-shot or fine-tune.")] = None
    predictor: Annotated[str | None, typer.Option("--predictor", help="dspy: where in the program; self.")] = None
    providers: Annotated[list[str] | None, typer.Option("--provider", help="promptfoo: a model; repeat it.")] = None
    licence: Annotated[str | None, typer.Option("--license", help="huggingface: that of the source data.")] = None
    language: Annotated[list[str] | None, typer.Option("--language", help="huggingface: such as en.")] = None
    safe_cells: Annotated[bool, typer.Option("--safe-cells", help="csv: no cell that a spreadsheet computes.")] = False

    def given(self) -> dict[str, Any]:
        """Those that were given."""
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in settings.items()
            if value not in (None, False, [])
        }


def export(
    source: Annotated[Path, typer.Argument(metavar="SET", help=SET_HELP, show_default=False)],
    format: Annotated[str, typer.Option("--format", "-f", help=", ".join(FORMATS) + ".", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file or folder to write.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an export that is there.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="What the consumer calls the set or task.")] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", metavar="A,B,…", help="The classes' names in order, for numbered labels.")
    ] = None,
    *,
    selection: Selection,
    template: Annotated[
        str | None, typer.Option("--template", help=TEMPLATE_HELP, rich_help_panel=PromptWords.panel)
    ] = None,
    words: PromptWords,
    ask: AskedRows,
    own: OwnSettings,
) -> None:
    """See EXPORT_HELP."""
    one_of("--format", format, tuple(FORMATS))
    chosen = _format(format, own.given())
    if out is None and chosen.folder:
        raise UserError(f"--out: {format} is a folder: say where it goes")
    from textdistill.core.json_files import facts_in
    from textdistill.core.manifest import manifest_in
    from textdistill.export import Material, Shots, arrange, write

    budget = {"token_budget": selection.token_budget, "tokenizer": selection.tokenizer}
    given = {"template": template_of(template), **words.chosen(), **budget}
    choices = {key: choice for key, choice in given.items() if choice is not None}
    _refuse_idle(format, chosen, choices)
    seed, labels = selection.seed, selection.labels
    shots = Shots(k=selection.k, order=selection.order, seed=seed, labels=labels, **choices)  # type: ignore[arg-type]
    _refuse_labels(format, chosen, shots)
    manifest, metrics = manifest_in(source), facts_in(source, METRICS)
    samples = _samples(source, manifest, metrics, None if classes is None else classes.split(","))
    count = None if shots.tokenizer is None else _counter(shots.tokenizer)
    picked = arrange(samples, shots, count, _scorer(selection, source, samples, ask.data_dir))
    if shots.token_budget is not None:
        _note(f"{len(picked)} of {shots.k or len(samples)} samples fit in {shots.token_budget} tokens")
    drawn = "label_words" in chosen.uses or len(picked) < len(samples)  # a prompt, or some of the samples
    if drawn and (line := left_out(picked, samples)) is not None:
        _note(line)
    material = Material(
        picked,
        shots.wording(picked),
        name or name_for(out or source),
        shots.labels or ("hard" if samples.soft is None else chosen.labels[0]),
        _asked(format, chosen, ask, source, samples, seed),
        manifest,
        metrics,
    )
    if out is None:
        typer.echo(chosen.files(material)[chosen.names[0]], nl=False)
        return
    write(out, chosen, material, force)
    _note(f"{len(picked)} samples as {format}: {out}")


def _format(name: str, settings: dict[str, Any]) -> Format:
    """The format with its settings; a setting of another format is the user's mistake."""
    for key in settings:
        owners = [other for other, kind in FORMATS.items() if key in {field.name for field in fields(kind)}]  # type: ignore[arg-type]
        if name not in owners:
            option = _NAMED_OTHERWISE.get(key, key).replace("_", "-")
            raise UserError(f"--{option}: goes with {', '.join(owners)}, not with {name}; leave it out")
    return FORMATS[name](**settings)


def _refuse_idle(name: str, chosen: Format, choices: dict[str, Any]) -> None:
    """Options that would do nothing in this format."""
    heeded = chosen.uses | ({"tokenizer"} if "token_budget" in chosen.uses else set())
    for key in choices:
        if key not in heeded:
            option = key.removesuffix("s").replace("_", "-")
            raise UserError(f"--{option}: means nothing to {name} as it is asked for here; leave it out")


def _refuse_labels(name: str, chosen: Format, shots: Shots) -> None:
    if shots.labels is not None and shots.labels not in chosen.labels:
        raise UserError(
            f"--labels: {name} has no place for {shots.labels!r}; allowed: {', '.join(chosen.labels)} "
            "(csv, jsonl and huggingface take all kinds)"
        )


def _samples(source: Path, manifest: dict[str, Any], metrics: dict[str, Any], order: Sequence[str] | None) -> TextSet:
    """The set: texts as they are, or the sentences that word vectors decode to."""
    from textdistill.data.sets.text_sets import read_text_set

    if order is None and isinstance(manifest.get("classes"), list):
        order = [str(name) for name in manifest["classes"]]
    if not (source / DECODED).is_file() or (source / SAMPLES).is_file():
        return read_text_set(source, order)
    samples = _decoded(source, order)
    scores = [
        f"{kind} {score['mean']:.1f} %"
        for key, kind in (("distilled_snapped", "snapped to words"), ("distilled", "as vectors"))
        if isinstance(score := metrics.get(key, {}).get("accuracy"), dict)
    ]
    measured = f" (test accuracy {', '.join(scores)})" if scores else ""
    _note(f"warning: {source} holds word vectors; exported are the sentences of their nearest words{measured}")
    return samples


def _decoded(source: Path, classes: Sequence[str] | None) -> TextSet:
    import numpy as np

    from textdistill.data.sets.text_set import TextSet
    from textdistill.reports.run_folder import decoded_in

    sentences = decoded_in(source).sentences
    if not sentences:
        raise ArtifactError(f"{source / DECODED}: no sentences; decode the run again: textdistill decode {source}")
    names = tuple(classes or sentences[0].label)
    if any(set(sentence.label) != set(names) for sentence in sentences):
        raise ArtifactError(f"{source / DECODED}: its labels are not of the classes {', '.join(names)}; decode again")
    soft = np.array([[sentence.label[name] for name in names] for sentence in sentences])
    texts = [" ".join(sentence.words) for sentence in sentences]
    return TextSet(texts, soft.argmax(1), names, soft=soft, meta={"source": str(source), "decoded": True})


def _asked(name: str, chosen: Format, ask: AskedRows, source: Path, samples: TextSet, seed: int) -> TextSet | None:
    """The rows to ask about: the file's, else the test rows of the run's own data."""
    if not chosen.asks:
        if ask.test is not None:
            raise UserError(f"--test: {name} asks about no rows; leave it out")
        return None
    rows = _rows("--test", f"{name} asks a model about rows", ask.test, source, samples, ask.data_dir)
    return rows if ask.test_rows is None else _drawn(rows, ask.test_rows, seed)


def _scorer(selection: Selection, source: Path, samples: TextSet, data_dir: Path | None) -> Scorer | None:
    """What judges orders, where the best is asked for: never by rows that are tested on."""
    model, validation = selection.model, selection.validation
    if selection.order != "best":
        for option, value in (("--model", model), ("--validation", validation)):
            if value is not None:
                raise UserError(f"{option}: goes with --order best alone; leave it out")
        return None
    if model is None:
        raise UserError("--model: the order best needs a language model to judge by; name one, such as smollm2")
    rows = _rows("--validation", "the best order is that on labelled rows", validation, source, samples, data_dir)
    return order_scorer(model, _drawn(rows, MOST_VALIDATION, selection.seed))


def _rows(option: str, why: str, file: Path | None, source: Path, samples: TextSet, data_dir: Path | None) -> TextSet:
    """Labelled rows of the set's task: the file's, else those of the run's own data."""
    from textdistill.data.sets.text_set import TextSet
    from textdistill.data.sets.text_sets import read_text_set

    if file is not None:
        rows = read_text_set(file, samples.classes)
    elif (source / MANIFEST).is_file():
        from textdistill.data import load
        from textdistill.runs.stored import data_of

        splits = load(data_of(source, data_dir))
        table = splits.test if option == "--test" else splits.validation
        rows = TextSet(table.texts, table.labels, table.classes, table.pairs)
    else:
        raise UserError(f"{option}: {why}: give a file of labelled texts")
    if (rows.pairs is None) != (samples.pairs is None) or rows.classes != samples.classes:
        raise UserError(f"{option}: {file or source}: its rows have other columns or classes than the set's samples")
    return rows


def _drawn(samples: TextSet, rows: int, seed: int) -> TextSet:
    from textdistill.core.streams import Streams

    drawn = Streams(seed, ("export", "test")).numpy().permutation(len(samples))[:rows]
    return samples.take(sorted(drawn.tolist()))


def _counter(name: str) -> Counter:
    """What counts the tokens of a text, special ones included, as the model called `name` does."""
    from textdistill.learners.pretrained.hub_models import quiet
    from textdistill.learners.pretrained.language_models import LANGUAGE_MODEL, PACKAGED, load_causal

    if name == PACKAGED or name.endswith(".gguf"):
        tokenizer = load_causal(name).tokenizer
    else:
        folder = Path(name).expanduser()
        folder = folder if (folder / "tokenizer.json").is_file() else LANGUAGE_MODEL.folder(name)
        with quiet() as transformers:
            try:
                tokenizer = transformers.AutoTokenizer.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )
            except Exception as error:  # whatever the library meets in these files, the user can only give others
                reason = " ".join(str(error).split())[:200]
                raise UserError(f"--tokenizer: {name}: cannot be read ({reason}); give another") from None
    return lambda text: len(tokenizer(text, verbose=False)["input_ids"])


def name_for(path: Path) -> str:
    """A name for consumers, which know many a data set by the name that the source has."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", path.resolve().name.split(".")[0]).strip("_-")
    return stem if stem.startswith("distilled") else f"distilled_{stem}".rstrip("_")


def _note(text: str) -> None:
    typer.echo(text, err=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", help=EXPORT_HELP)(grouped(export))
