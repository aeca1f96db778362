"""Whether an accelerator computes what the CPU does, and how fast: `make device-check`, six minutes on one GPU.

`python -m tests.device_check [--device cuda] [--only NAME ...] [--out FILE]` takes one outer step by each objective and
representation on the CPU and on the device, in float64 to 1e-6, in float32 and bfloat16 to the bounds below; the steps
of DiLM (GPT-2 and BERT base, random weights), TDD, DC and DM beside plain autograd, with their share of what the device
reaches in a product; the encoder's texts a second; a run by `accelerate launch`. A table on the terminal, the same as
JSON. The exit status is 1 where something failed or is out of its bounds; one that fails keeps no other back.

Nothing is downloaded: weights and data are random. A machine without this project's environment needs torch for its
card and, beside it, wheels: what is missing is said first, with the command that fetches it where there is a network.
Without a GPU the CPU is held against itself in two types, with smaller shapes; the table says so.
"""

from __future__ import annotations

import argparse
import copy
import gc
import importlib.metadata
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT = Path("runs/device-check.json")
# Relative differences of loss and gradient (in norm) from the CPU's float64.
BOUNDS = {"float64": 1e-6, "float32": 5e-3, "bfloat16": 0.15}
SPEEDS = ("dilm", "tdd", "dc", "dm")
ACCELERATE = 180.0  # seconds
Row = dict[str, Any]


def missing() -> list[str]:
    """The packages of the lock that pyproject.toml asks for and this interpreter lacks, as pip is asked for them."""
    wanted = re.findall(
        r'^    "([A-Za-z0-9_.-]+)[><=]', (ROOT / "pyproject.toml").read_text().split("[project.opt")[0], re.M
    )
    pinned = dict(
        line.split("==") for line in (ROOT / "requirements-lock.txt").read_text().splitlines() if "==" in line
    )
    pinned = {name.lower(): version for name, version in pinned.items()}
    out = []
    for name in wanted:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            out.append(f"{name}=={pinned[name.lower()]}" if name.lower() in pinned else name)
    return out


def alike(case: str, kind: str, device: Any, types: Iterable[str]) -> Row:
    """One outer step of an objective: how far the device is from the CPU's float64 in each type."""
    import torch

    wanted = _outer_step(case, kind, "cpu", torch.float64)
    off: dict[str, float] = {}
    for name in types:
        if name == "bfloat16":
            if _precision(case) is None:
                continue
            found = _outer_step(case, kind, device, torch.float32, precision="bfloat16")
        else:
            found = _outer_step(case, kind, device, getattr(torch, name), precision="float32")
        off[name] = _distance(found, wanted)
    if _precision(case) == "bfloat16":  # the case itself asks for it, of the CPU too
        off = {name: value for name, value in off.items() if name == "bfloat16"}
    return {"off": off, "ok": all(value <= BOUNDS[name] for name, value in off.items())}


def _precision(case: str) -> str | None:
    from tests.core.cases import OBJECTIVE_CASES

    return getattr(OBJECTIVE_CASES[case], "precision", None)


def _outer_step(case: str, kind: str, device: Any, dtype: Any, precision: str | None = None) -> tuple[float, Any]:
    import torch

    from tests.core.cases import OBJECTIVE_CASES, generator, learner_of, real_rows, taught
    from textdistill.core.starts import Start
    from textdistill.core.streams import Streams

    objective: Any = OBJECTIVE_CASES[case]
    if precision is not None and _precision(case) is not None:
        objective = replace(objective, precision=precision)
    elif _precision(case) == "bfloat16":
        objective = replace(objective, precision="float32")
    learner = learner_of("text_conv" if kind == "words" else "convnet", torch.float64, kind)
    params = learner.init(generator())  # drawn once, in one type: what is compared begins alike
    learner.to(device, dtype)
    params = {name: value.to(device, dtype) for name, value in params.items()}
    synthetic: Any = taught(objective, dtype=dtype, kind=kind).to(device)
    real = _Moved(real_rows(dtype=dtype, kind=kind), device)
    (outcome,) = objective.evaluate(synthetic, real, learner, [Start(params)], Streams(4).child(0))
    synthetic.pullback(outcome.gradients)
    found = [value.grad.double().cpu().flatten() for value in synthetic.parameters().values() if value.grad is not None]
    return outcome.loss, torch.cat(found)


class _Moved:
    """Real rows on a device, as a run gives them to an objective."""

    def __init__(self, rows: Any, device: Any):
        self._rows, self._device = rows, device
        self.classes, self.shape, self.labels = rows.classes, rows.shape, rows.labels

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, rows: Any) -> Any:
        return self._rows.batch(rows.cpu()).to(self._device)


def _distance(found: tuple[float, Any], wanted: tuple[float, Any]) -> float:
    loss = abs(found[0] - wanted[0]) / max(abs(wanted[0]), 1e-12)
    return max(loss, float((found[1] - wanted[1]).norm() / wanted[1].norm().clamp_min(1e-12)))


def pairs() -> list[tuple[str, str]]:
    """Every case of every objective with the kinds of input that it takes."""
    from tests.core.cases import OBJECTIVE_CASES, SHAPES

    return [(case, kind) for case, objective in OBJECTIVE_CASES.items() for kind in SHAPES if kind in _takes(objective)]


def _takes(objective: Any) -> Iterable[str]:
    from textdistill.recipe.works_with import KINDS

    told = getattr(objective, "takes", None)
    return KINDS if told is None else told


def milliseconds(call: Callable[[], object], device: Any, seconds: float) -> tuple[float, float]:
    """The median of a call's milliseconds, the first left out, and the most MiB that it has had on a GPU."""
    import torch

    on_gpu = device.type == "cuda"
    call()
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    times: list[float] = []
    while not times or (sum(times) < seconds and len(times) < 50):
        began = time.perf_counter()
        call()
        if on_gpu:
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times), torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else 0.0


def product_rate(device: Any, dtype: str, seconds: float = 2.0) -> float:
    """10¹² operations a second in a product of square matrices."""
    import torch

    size = 8192 if device.type == "cuda" else 768
    left, right = (torch.randn(size, size, device=device, dtype=getattr(torch, dtype)) for _ in range(2))
    taken, _ = milliseconds(lambda: left @ right, device, seconds)
    return 2 * size**3 / taken / 1e9


def speeds(name: str, device: Any, seconds: float) -> dict[str, tuple[Callable[[], object], str]]:
    """The ways of one step, each with the type of its products: ours, ours in bfloat16 where it has such, and plain."""
    import torch

    full = device.type == "cuda"
    if name == "tdd":
        from tests.benchmarks.oracle import outer_step
        from tests.benchmarks.problem import make_problem, our_step

        learner, one = make_problem(
            "text_conv", 10 if full else 3, 20 if full else 6, 100 if full else 20, 100, 256 if full else 32
        )
        learner.to(device)
        values = {key: _to(value, device) for key, value in vars(one).items()}
        moved = replace(one, **values)
        return {
            "ours": (lambda: our_step(learner, moved), "float32"),
            "plain": (lambda: outer_step(moved, "text_conv"), "float32"),
        }
    if name in ("dc", "dm"):
        from tests.benchmarks.dc_oracle import dc_step
        from tests.benchmarks.dm_oracle import dm_step
        from tests.benchmarks.matching import Problem
        from textdistill.objectives import DistributionMatching
        from textdistill.objectives.gradient_matching import GradientMatching

        parts: Any = (GradientMatching, dc_step) if name == "dc" else (DistributionMatching, dm_step)
        step = Problem(*parts, 128 if full else 16, 28, 10 if full else 1, 256 if full else 8, torch.float32)
        step.learner.to(device)
        step.params, step.inputs = _to(step.params, device), step.inputs.to(device)
        step.module.to(device)
        plain = copy.copy(step)
        plain.labels = step.labels.to(device)
        plain.real = replace(step.real, inputs=step.real.inputs.to(device), labels=step.real.labels.to(device))
        step.labels = step.labels.to(device)
        step.real = _Moved(step.real, device)  # type: ignore[assignment]

        def ours(precision: str) -> object:
            with torch.device(device):
                return step.ours(precision)

        def oracle() -> object:
            with torch.device(device):
                return plain.oracle()

        return {
            "ours": (lambda: ours("float32"), "float32"),
            **({"ours, bfloat16": (lambda: ours("bfloat16"), "bfloat16")} if full else {}),
            "plain": (oracle, "float32"),
        }
    from tests.benchmarks.dilm import Problem as Dilm
    from tests.benchmarks.dilm import Size

    problem = Dilm(16, Size()) if full else Dilm(2, Size(width=64, layers=2, heads=2, words=500, tokens=800))
    problem.generator.model.to(device)
    problem.learner.to(device)
    problem.params = _to(problem.params, device)
    whole = copy.copy(problem)
    whole.read, whole.ids, whole.labels = (value.to(device) for value in (problem.read, problem.ids, problem.labels))
    whole.real = replace(problem.real, inputs=problem.real.inputs.to(device), labels=problem.real.labels.to(device))
    problem.real = _Moved(problem.real, device)  # type: ignore[assignment]
    problem.read = problem.read.to(device)

    def by_autograd() -> object:
        with torch.device(device):
            return whole.oracle()

    return {
        "ours": (problem.ours, "float32"),
        **({"ours, bfloat16": (lambda: problem.ours("bfloat16"), "bfloat16")} if full else {}),
        "plain": (by_autograd, "float32"),
    }


def _to(value: Any, device: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _to(one, device) for key, one in value.items()}
    return value.to(device)


def timed(name: str, device: Any, rates: Mapping[str, float], seconds: float) -> Row:
    """The milliseconds of each way of a step, its share of the rate of a product, and the memory."""
    from tests.benchmarks.measure import counted

    row: Row = {"ways": {}, "ok": True}
    values = {}
    for way, (call, dtype) in speeds(name, device, seconds).items():
        outcome = call()
        values[way] = float(outcome[0])  # type: ignore[index]
        _, gflop = counted(lambda call=call: call()[0])  # type: ignore[misc]
        taken, mib = milliseconds(call, device, seconds)
        share = gflop / taken / rates[dtype] if rates.get(dtype) else None
        row["ways"][way] = {
            "ms": round(taken, 3), "gflop": round(gflop, 3), "mib": round(mib, 1),
            "share_of_product": None if share is None else round(share, 4),
        }  # fmt: skip
    row["times_faster"] = round(row["ways"]["plain"]["ms"] / row["ways"]["ours"]["ms"], 2)
    row["losses"] = values
    row["ok"] = all(
        abs(value - values["plain"])
        <= (BOUNDS["bfloat16"] if "bfloat16" in way else BOUNDS["float32"]) * abs(values["plain"])
        for way, value in values.items()
    )
    return row


def encoder(device: Any, seconds: float) -> Row:
    """Texts a second of an encoder as large as MiniLM, with random weights."""
    from tests.learners import models
    from textdistill.learners.pretrained.frozen_encoder import Encoder

    full = device.type == "cuda"
    folder = models.bert(384, 6, 12, 128) if full else models.bert(32, 2, 2, 64)
    words = [word for word in models.WORDS if word.isalpha()]
    texts = [
        " ".join(words[(row + at) % len(words)] for at in range(8 + row % 24)) for row in range(2048 if full else 128)
    ]
    made = Encoder(folder, device=device)
    taken, mib = milliseconds(lambda: made._encode(texts, None, lambda done: None), device, seconds)
    shape = "6 × 384, as MiniLM" if full else "2 × 32"
    return {"texts_a_second": round(1000 * len(texts) / taken), "mib": round(mib, 1), "shape": shape, "ok": True}


def by_accelerate(device: Any) -> Row:
    """A small run that `accelerate launch` starts with one process: made-up sentences, made-up vectors."""
    import numpy as np
    import yaml

    from tests.tiny import SETTINGS

    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(60)]
    with tempfile.TemporaryDirectory(prefix="textdistill-device-") as place:
        folder = Path(place)
        lines = ["review,stars"]
        for row in range(120):
            own = rng.choice(words[:30] if row % 2 else words[20:], 8)
            lines.append(f"{' '.join(own)},{'good' if row % 2 else 'bad'}")
        (folder / "reviews.csv").write_text("\n".join(lines) + "\n")
        vectors = (f"{word} {' '.join(f'{value:.3f}' for value in rng.normal(size=8))}" for word in words)
        (folder / "vectors.txt").write_text("\n".join(vectors) + "\n")
        recipe = json.loads(json.dumps(SETTINGS))
        recipe["data"] = {"name": str(folder / "reviews.csv"), "text": "review", "label": "stars"}
        recipe["representation"]["vectors"] = str(folder / "vectors.txt")
        recipe["evaluate"] |= {"baselines": ["random_real"], "snapped": False}
        (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe))
        command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "1", "--num_machines", "1"]
        command += ["--mixed_precision", "no", "--dynamo_backend", "no"]
        command += ["--cpu"] if device.type == "cpu" else []
        command += ["-m", "textdistill", "run", str(folder / "tiny.yaml"), "--out", str(folder / "run")]
        command += ["--device", device.type]
        began = time.monotonic()
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "TEXTDISTILL_CACHE": str(folder / "cache"), "PYTHONPATH": paths}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=ACCELERATE, check=False
        )
        ok = done.returncode == 0 and (folder / "run" / "metrics.json").is_file()
        told = {} if ok else {"fault": done.stderr[-600:]}
        return {"seconds": round(time.monotonic() - began, 1), "ok": ok, **told}


def attempt(work: Callable[[], Row]) -> Row:
    """What a check found; a fault is one of its own, and the next check goes on."""
    try:
        return work()
    except Exception as error:  # whatever a device does not bear is what is asked here
        return {"ok": False, "fault": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    finally:
        gc.collect()


def check(device: Any, only: Iterable[str] = (), seconds: float = 3.0) -> dict[str, Any]:
    """All rows by name, or those whose name begins with one of `only`."""
    import torch

    full = device.type == "cuda"
    wanted = tuple(only)

    def asked(name: str) -> bool:
        return not wanted or name.startswith(wanted)

    types = ("float64", "float32", "bfloat16") if full else ("float32", "bfloat16")
    rows: dict[str, Row] = {}
    for case, kind in pairs():
        if asked(name := f"{case} × {kind}"):
            rows[name] = attempt(lambda case=case, kind=kind: alike(case, kind, device, types))  # type: ignore[misc]
            _say(name, rows[name])
    rates: dict[str, float] = {}
    for dtype in ("float32", "bfloat16") if full else ("float32",):
        if any(asked(name) for name in ("product", *SPEEDS)):
            rates[dtype] = product_rate(device, dtype, min(seconds, 2.0))
            rows[f"product, {dtype}"] = {"tflops": round(rates[dtype], 3), "ok": True}
            _say(f"product, {dtype}", rows[f"product, {dtype}"])
    further: dict[str, Callable[[], Row]] = {
        **{name: lambda name=name: timed(name, device, rates, seconds) for name in SPEEDS},  # type: ignore[misc]
        "encoder": lambda: encoder(device, seconds),
        "accelerate launch": lambda: by_accelerate(device),
    }
    for name, work in further.items():
        if asked(name):
            rows[name] = attempt(work)
            _say(name, rows[name])
    card = torch.cuda.get_device_name(device) if full else "no GPU: the CPU in float32 beside float64, smaller shapes"
    return {
        "device": card,
        "torch": torch.__version__,
        "rows": rows,
        "failed": [k for k, r in rows.items() if not r["ok"]],
    }


def _say(name: str, row: Row) -> None:
    if "fault" in row:
        told = row["fault"]
    elif "off" in row:
        told = ", ".join(f"{kind} {value:.1e}" for kind, value in row["off"].items())
    elif "ways" in row:
        ways = (
            f"{way} {found['ms']:.1f} ms"
            + ("" if found["share_of_product"] is None else f" ({found['share_of_product']:.0%} of a product)")
            + (f" {found['mib']:.0f} MiB" if found["mib"] else "")
            for way, found in row["ways"].items()
        )
        told = f"{', '.join(ways)}; {row['times_faster']:g} × as fast as plain"
    else:
        told = ", ".join(f"{key} {value}" for key, value in row.items() if key != "ok")
    print(f"{'  ' if row['ok'] else '! '}{name:<46}{told}", flush=True)


def main() -> int:
    """The command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.device_check", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", help="cuda where there is one, else cpu")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="checks whose names begin so")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each way of a step")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    lacking = missing()
    if lacking:
        print(
            f"missing here: {' '.join(lacking)}\nwith a network: pip download --no-deps -d wheels {' '.join(lacking)}"
        )
        print("here: pip install --no-index --no-deps wheels/*.whl")
        return 2
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    device = torch.device(asked.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    began = time.monotonic()
    found = check(device, asked.only, asked.seconds)
    found["seconds"] = round(time.monotonic() - began, 1)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(
        f"{found['device']}: {len(found['rows'])} checks in {found['seconds']:.0f} s, {len(found['failed'])} failed; "
        f"{asked.out}"
    )
    return int(bool(found["failed"]))


if __name__ == "__main__":
    raise SystemExit(main())
