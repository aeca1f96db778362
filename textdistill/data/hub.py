"""Data sets of the hub, and a folder that mirrors some of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textdistill.core.errors import DataError, OfflineError
from textdistill.data import files
from textdistill.data.columns import Records

PROBE_SECONDS = 5.0
_CONVERTED = "refs/convert/parquet"  # where the hub keeps a plain copy of data that need a loading script


def read_mirror(folder: Path, split_names: Mapping[str, tuple[str, ...]], **reading: Any) -> dict[str, Records]:
    """The splits of a folder that holds `train`, `validation` and `test` files; train must be there.

    A split may be several Parquet files: `train-00000-of-00002.parquet` as the hub writes them, there or in `data/`, or
    a folder `train`.
    """
    splits = {}
    for split, names in split_names.items():
        paths = [folder / f"{name}{suffix}" for name in names for suffix in files.suffixes()]
        path = next((path for path in paths if path.is_file()), None)
        if path is not None:
            splits[split] = files.read_file(path, **reading)
        elif parts := next(filter(None, (parquet_files(folder, name) for name in names)), None):
            splits[split] = files.read_parts(parts, f"{folder} [{split}]")
    if "train" not in splits:
        has = ", ".join(sorted(path.name for path in folder.iterdir())[:20]) or "nothing"
        raise DataError(f"{folder}: no train file ({', '.join(files.suffixes())}); it has {has}")
    return splits


def parquet_files(folder: Path, name: str) -> list[Path]:
    """The Parquet files of the split of this name: one, or its parts in their order."""
    if (alone := folder / f"{name}.parquet").is_file():
        return [alone]
    for place in (folder, folder / "data"):
        if parts := sorted(place.glob(f"{name}-*-of-*.parquet")):
            return parts
    return files.parts_of(folder / name)


def mirror_folder(data_dir: str, names: tuple[str, ...]) -> tuple[Path | None, str]:
    """The folder of a data set in `data_dir`, or `None`, and what `data_dir` has instead."""
    base = Path(data_dir).expanduser()
    if not base.is_dir():
        raise DataError(f"data_dir: {base} is not a folder; give a folder with one folder for each data set")
    for name in names:
        if (base / name).is_dir():
            return base / name, ""
    has = ", ".join(sorted(path.name for path in base.iterdir() if path.is_dir())[:20]) or "no folders"
    return None, f"{base} has no folder {names[0]!r}; it has {has}"


def read_hub(
    hub_id: str, config: str | None, split_names: Mapping[str, tuple[str, ...]], remedy: str
) -> dict[str, Records]:
    """The splits of a data set of the hub, from its cache if the hub cannot be reached.

    Code of a data set is never run. Raises `OfflineError` within seconds when the hub cannot be reached and the cache
    has nothing, `DataError` for an unknown id, configuration or a data set without a train split.
    """
    import datasets  # late: it takes a second, and most data come without it

    called = hub_id if config is None else f"{hub_id}:{config}"
    with _fast_when_offline():
        try:
            try:
                loaded = datasets.load_dataset(hub_id, config)
            except RuntimeError as error:
                if "script" not in str(error):
                    raise
                loaded = datasets.load_dataset(hub_id, config, revision=_CONVERTED)
        except ConnectionError:
            raise OfflineError(f"{called}: the hub cannot be reached and the cache has no copy; {remedy}") from None
        except datasets.exceptions.DatasetNotFoundError:
            raise DataError(f"{called}: the hub has no such data set, or it is private; {remedy}") from None
        except Exception as error:  # whatever the hub's client meets, the user can only choose other data
            raise DataError(f"{called}: cannot be loaded: {(str(error).splitlines() or [repr(error)])[0]}") from error
    splits = {}
    for split, names in split_names.items():
        name = next((name for name in names if name in loaded), None)
        if name is not None:
            splits[split] = _rows(loaded[name], f"{called} [{name}]")
    if "train" not in splits:
        raise DataError(f"{called}: no split 'train'; it has {', '.join(map(str, loaded))}")
    return splits


def _rows(split: Any, source: str) -> Records:
    classes = {
        column: tuple(feature.names) for column, feature in split.features.items() if hasattr(feature, "str2int")
    }

    def read(column: str) -> list[Any]:
        return list(split.with_format(None)[column])

    def stream(column: str) -> Iterator[Any]:
        return (row[column] for row in split.with_format(None).select_columns([column]))

    return Records(source, tuple(split.column_names), read, "row", range(1, len(split) + 1), classes, stream=stream)


@contextmanager
def _fast_when_offline() -> Iterator[None]:
    """Ask the hub once, and work offline if it does not answer: its client would try again for half a minute."""
    import datasets
    import huggingface_hub
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    reachable = not any(before)
    if reachable:
        try:
            answer = huggingface_hub.get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS)
            reachable = answer.status_code < 500
        except Exception:  # no name, no route, no proxy, no certificate: all the same here
            reachable = False
    try:
        if not reachable:
            constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
        yield
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before
