"""Every reader of files that strangers write, with valid files to begin from: a case changes one of them."""

from __future__ import annotations

import functools
import gzip
import io
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import embeddings
from tests import tiny
from textdistill.core.checkpoint import load_checkpoint, save_checkpoint
from textdistill.data import DataSettings, load
from textdistill.data.images.sources import find_images
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import read_text_sets

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Reader:
    """Valid files (a folder of them by name), several of a kind, and what reads such a folder."""

    valid: Callable[[], list[Files]]
    read: Callable[[Path], object]
    changed: tuple[str, ...] = ("*",)  # which of the files are changed


ROWS = [
    (f"{text} {number}", label)
    for number in range(4)
    for text, label in [
        ("a moving, funny film", "good"),
        ('it says "no" twice', "bad"),
        ("dull; long", "bad"),
        ("naïve", "good"),
    ]
]


def _table(path: Path) -> object:
    [file] = path.iterdir()
    return load(DataSettings(name=str(file), text="review", label="stars"))


def _csv(sign: str = ",") -> bytes:
    lines = [f"review{sign}stars", *('"' + text.replace('"', '""') + f'"{sign}{label}' for text, label in ROWS)]
    return ("\n".join(lines) + "\n").encode()


def _jsonl() -> bytes:
    return "".join(json.dumps({"review": text, "stars": label}) + "\n" for text, label in ROWS).encode()


def _parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table({"review": [text for text, _ in ROWS], "stars": [label for _, label in ROWS]}), out)
    return out.getvalue()


def _recipes() -> list[Files]:
    from textdistill.core.paths import recipes_dir

    names = (
        "quickstart",
        "text/textdistill_ld_trec6_10",
        "text/textdistill_kip_trec6_60",
        "image/zhao2023_dm_mnist_10",
    )
    kept = [(recipes_dir() / f"{name}.yaml").read_bytes() for name in names]
    dilm = sorted((recipes_dir() / "dilm").glob("*.yaml"))[0].read_bytes()
    return [{"recipe.yaml": text} for text in (*kept, dilm)]


def _recipe(path: Path) -> object:
    from textdistill.recipe.read import load_recipe
    from textdistill.recipe.show import settings_of

    return settings_of(load_recipe(str(path / "recipe.yaml")))


def _vectors(binary: bool, header: bool) -> bytes:
    values = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    words = [f"w{place}" for place in range(12)]
    head = b"12 5\n" if header else b""
    if binary:
        rows = [word.encode() + b" " + row.tobytes() + b"\n" for word, row in zip(words, values, strict=True)]
    else:
        rows = [
            " ".join([word, *(f"{x:.3f}" for x in row)]).encode() + b"\n"
            for word, row in zip(words, values, strict=True)
        ]
    return head + b"".join(rows)


def _embeddings(path: Path) -> object:
    [file] = path.iterdir()
    return embeddings.load(str(file), cache_dir=path.parent / "cache")


@functools.cache
def _run() -> dict[str, bytes]:
    """What a run into tensors leaves."""
    return _content(tiny.finished())


@functools.cache
def _text_run() -> dict[str, bytes]:
    """What a run for readable sets leaves, without a generator."""
    import textdistill
    from tests import kills

    tiny.home()
    folder = tiny.home() / "finished-texts"
    if not folder.exists():
        textdistill.run(kills.settings_of("readable"), folder)
    return _content(folder)


def _content(folder: Path) -> dict[str, bytes]:
    kept = (".json", ".jsonl", ".safetensors", ".bib", ".html", ".md")
    files = [path for path in folder.rglob("*") if path.suffix in kept and not path.name.startswith("checkpoint")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


def _artifact(path: Path) -> object:
    from textdistill.runs.artifact import load

    stored = load(path)
    return stored.recipe(), stored.learner(), stored.distilled.pooled()


def _run_folder(path: Path) -> object:
    from textdistill.reports.run_folder import read_run

    return read_run(path)


def _text_folder(path: Path) -> object:
    from textdistill.reports.text_folder import read_folder

    return read_folder(path)


def _report(path: Path) -> object:
    from textdistill.reports.report import write_report

    return write_report(path)


def _text_report(path: Path) -> object:
    from textdistill.reports.text_report import write_text_page

    return write_text_page(path)


@functools.cache
def _exports() -> list[Files]:
    """A set in every format, as the folder or the file that the format makes."""
    from tests.export.samples import material, plain
    from textdistill.export import FORMATS

    made: list[Files] = []
    for name in FORMATS:
        kind = FORMATS[name]
        files = kind().files(material(plain(6)))
        if name not in ("prompt", "dspy", "langchain"):  # which are written, and not read as sets
            made.append({(file if kind.folder else f"set{Path(file).suffix}"): files[file] for file in files})
    soft = TextSet(["a film", "dull"], np.array([0, 1]), ("bad", "good"), soft=np.array([[0.8, 0.2], [0.4, 0.6]]))
    lines = [
        {"text": text, "label": soft.classes[label], "labels": dict(zip(soft.classes, values, strict=True))}
        for text, label, values in zip(soft.texts, soft.labels.tolist(), soft.targets.tolist(), strict=True)
    ]
    return [*made, {"samples.jsonl": "".join(json.dumps(line) + "\n" for line in lines).encode()}]


def _set(path: Path) -> object:
    files = [file for file in path.rglob("*") if file.is_file()]
    return read_text_sets(files[0] if files[0].stem == "set" else path)


def _templates() -> list[Files]:
    told = (
        "Text: {{ text }}\nLabel: {{ label }}",
        "{% if text|length > 3 %}{{ text }}{% endif %} {{ labels|join(', ') }}: {{ label }}",
        "{% for one in labels %}- {{ one|upper }}\n{% endfor %}{{ text }} => {{ label }}",
        "{{ text.split()|first }} {% set x = 3 %}{{ text[:40] }} {{ label }}",
    )
    instruction = (
        "Classify as one of {% for one in labels %}{{ one }}{{ ', ' if not loop.last }}{% endfor %}. {{ paired }}"
    )
    return [*({"template": text.encode()} for text in told), {"instruction": instruction.encode()}]


def _template(path: Path) -> object:
    from tests.export.samples import plain
    from textdistill.export.wording import Wording

    [file] = path.iterdir()
    source = file.read_bytes().decode("utf-8", "replace")
    return Wording(("negative", "positive"), **{file.name: source}).shots(plain(4))


def _idx() -> list[Files]:
    rng, plain = np.random.default_rng(0), {}
    for split, count in (("train", 12), ("t10k", 6)):
        images = rng.integers(0, 256, (count, 6, 6), dtype=np.uint8)
        plain[f"{split}-images-idx3-ubyte"] = struct.pack(">4B3I", 0, 0, 8, 3, count, 6, 6) + images.tobytes()
        labels = bytes(place % 2 for place in range(count))
        plain[f"{split}-labels-idx1-ubyte"] = struct.pack(">4BI", 0, 0, 8, 1, count) + labels
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in plain.items()}
    return [plain, packed]


def _cifar() -> list[Files]:
    rng, files = np.random.default_rng(0), {"batches.meta.txt": b"cat\ndog\n"}
    for name in ("data_batch_1.bin", "test_batch.bin"):
        rows = rng.integers(0, 256, (4, 3073), dtype=np.uint8)
        rows[:, 0] = [0, 1, 0, 1]
        files[name] = rows.tobytes()
    return [files]


def _pictures() -> list[Files]:
    from PIL import Image

    rng, every = np.random.default_rng(0), []
    for kind, suffix in (
        ("PNG", "png"),
        ("JPEG", "jpg"),
        ("GIF", "gif"),
        ("TIFF", "tif"),
        ("BMP", "bmp"),
        ("WEBP", "webp"),
    ):
        files = {}
        for label in ("cat", "dog"):
            for number in range(2):
                out = io.BytesIO()
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(out, kind)
                files[f"{label}/{number}.{suffix}"] = out.getvalue()
        every.append(files)
    return every


def _images(path: Path) -> object:
    return find_images(DataSettings(name=str(path)))


def _picture_rows() -> list[Files]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pictures = [content for name, content in sorted(_pictures()[0].items())]
    column = pa.array([{"bytes": content, "path": None} for content in pictures])
    pq.write_table(pa.table({"image": column, "label": pa.array([0, 0, 1, 1])}), out)
    return [{"train.parquet": out.getvalue()}]


def _picture_table(path: Path) -> object:
    from textdistill.data.files import read_file
    from textdistill.data.images.labelled import image_split

    return image_split(read_file(path / "train.parquet"), None, None, None)


@functools.cache
def _models() -> list[Files]:
    from tests.learners import models

    return [{path.name: path.read_bytes() for path in Path(models.bert()).iterdir()}]


def _model(path: Path) -> object:
    from textdistill.learners.pretrained.encoder_files import load_model, longest_of, model_folder

    folder = model_folder(str(path))
    return load_model(str(path), folder), longest_of(folder)


@functools.cache
def _generators() -> list[Files]:
    from tests.synthetic.generator.small import fresh

    folder = tiny.home() / "generator"
    fresh().save(folder)
    return [{path.name: path.read_bytes() for path in folder.iterdir()}]


def _generator(path: Path) -> object:
    from textdistill.synthetic.generator import Generator

    return Generator.load(path)


@functools.cache
def _checkpoints() -> list[Files]:
    file = tiny.home() / "some" / "checkpoint.safetensors"
    save_checkpoint(file, {"a": torch.arange(12.0).view(3, 4), "b": torch.tensor(3)}, {"step": 3, "identity": "x"})
    return [{file.name: file.read_bytes()}]


def _checkpoint(path: Path) -> object:
    tensors, meta = load_checkpoint(path / "checkpoint.safetensors")
    assert torch.equal(tensors["a"], torch.arange(12.0).view(3, 4)), "a change went unseen"
    return meta["step"]


def _notes() -> list[Files]:
    return [{"cost.json": json.dumps({"identity": "x", "cost": {"distill_seconds": 3.0}}).encode()}]


def _note(path: Path) -> object:
    from textdistill.runs.stages import Stage

    return Stage.distillation(path, "x").found()


def _one(name: str, *contents: bytes) -> Callable[[], list[Files]]:
    return lambda: [{name: content} for content in contents]


READERS: dict[str, Reader] = {
    "recipe": Reader(_recipes, _recipe),
    "csv": Reader(
        lambda: [{"t.csv": _csv()}, {"t.csv": _csv(";")}, {"t.csv.gz": gzip.compress(_csv(), mtime=0)}], _table
    ),
    "tsv": Reader(lambda: [{"t.tsv": _csv("\t")}], _table),
    "jsonl": Reader(lambda: [{"t.jsonl": _jsonl()}, {"t.jsonl.gz": gzip.compress(_jsonl(), mtime=0)}], _table),
    "json": Reader(lambda: [{"t.json": b"[" + b",".join(_jsonl().splitlines()) + b"]"}], _table),
    "parquet": Reader(lambda: [{"t.parquet": _parquet()}], _table),
    "vectors of text": Reader(
        lambda: [
            *({"glove.txt": _vectors(False, False)}, {"w2v.txt": _vectors(False, True)}),
            {"w2v.txt.gz": gzip.compress(_vectors(False, True), mtime=0)},
        ],
        _embeddings,
    ),
    "vectors of bytes": Reader(lambda: [{"w2v.bin": _vectors(True, True)}], _embeddings),
    "artifact": Reader(lambda: [_run()], _artifact, ("manifest.json", "distilled.safetensors")),
    "run folder": Reader(
        lambda: [_run()],
        _run_folder,
        ("metrics.json", "metrics.jsonl", "manifest.json", "decoded.json", "picture.json"),
    ),
    "run folder of texts": Reader(
        lambda: [_text_run()], _text_folder, ("metrics.json", "manifest.json", "headline.json", "samples.jsonl")
    ),
    "readable set": Reader(_exports, _set),
    "template": Reader(_templates, _template),
    "idx images": Reader(_idx, _images),
    "cifar images and label names": Reader(_cifar, _images),
    "pictures": Reader(_pictures, _images),
    "pictures in parquet": Reader(_picture_rows, _picture_table),
    "model folder": Reader(
        _models, _model, ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
    ),
    "generator": Reader(_generators, _generator),
    "checkpoint": Reader(_checkpoints, _checkpoint),
    "stage note": Reader(_notes, _note),
}
SLOW = {
    "report": Reader(
        lambda: [_run()], _report, ("metrics.json", "metrics.jsonl", "manifest.json", "decoded.json", "picture.json")
    ),
    "report of texts": Reader(
        lambda: [_text_run()], _text_report, ("metrics.json", "manifest.json", "headline.json", "samples.jsonl")
    ),
}
