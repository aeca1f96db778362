"""The ONE outer loop: every method of this package is a call of `distill` with other parts."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from textdistill.core import step_log, stopping
from textdistill.core.batch import RealData
from textdistill.core.checkpoint import is_there, load_checkpoint, remove_checkpoint, save_checkpoint
from textdistill.core.errors import ArtifactError, DivergenceError, RecipeError
from textdistill.core.file_names import CHECKPOINT, STEPS
from textdistill.core.learner import Learner
from textdistill.core.outer import Outer, learning_rate, make_optimizer
from textdistill.core.processes import any_process, count
from textdistill.core.schedule import DistilledSet, Outcome, Remembers, Synthetic
from textdistill.core.spread import over_processes
from textdistill.core.starts import SeesReal, Start, Starts
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner


@runtime_checkable
class Objective(Protocol):
    """What is minimised. It sends gradients to the fields in `trains`, and to no other."""

    @property
    def trains(self) -> frozenset[str]:
        """Which of inputs, targets, weights and lr it can teach."""
        ...

    def inner(self, learner: Learner, streams: Streams) -> Inner:
        """How networks are trained on the distilled set here: starts that train need to know."""
        ...

    def evaluate(
        self, synthetic: Synthetic, real: RealData, learner: Learner, starts: Sequence[Start], streams: Streams
    ) -> list[Outcome]:
        """One outcome for each start: the loss, and its gradients at the leaves that `synthetic` drew."""
        ...


@runtime_checkable
class ClosedForm(Protocol):
    """An objective whose minimum is known: nothing is iterated."""

    def solve(self, synthetic: Synthetic, real: RealData, learner: Learner, streams: Streams) -> dict[str, Tensor]:
        """The value of each learned field, shaped as in `synthetic.parameters()`."""
        ...


Validate = Callable[[DistilledSet], float]
OnStep = Callable[[int, dict[str, float]], None]


@dataclass
class Checkpoint:
    """Where the loop keeps its state and metrics, how often, and whether to go on from there.

    `identity` names the run (recipe, seed, data): going on with another is refused. `made_of` has a digest of each of
    these by its name, so that the refusal can say which of them differs.
    """

    folder: Path
    every: int = 50
    resume: bool = False
    identity: str = ""
    made_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The newest state."""
        return self.folder / CHECKPOINT

    @property
    def log(self) -> Path:
        """The metrics, one JSON object a line."""
        return self.folder / STEPS


@dataclass
class _Memory:
    """What the loop carries from step to step beside the synthetic set, the optimiser and the starts."""

    step: int = 0
    seconds: float = 0.0
    first_loss: float | None = None
    best: float = -math.inf
    best_step: int = -1
    best_tensors: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class _Running:
    """All that changes from step to step, and that a checkpoint holds."""

    synthetic: Synthetic
    optimizer: torch.optim.Optimizer
    starts: Starts
    memory: _Memory


@stopping.between_steps()
def distill(
    synthetic: Synthetic,
    objective: Objective,
    real: RealData,
    *,
    learner: Learner,
    starts: Starts,
    outer: Outer,
    seed: int = 0,
    validate: Validate | None = None,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep | None = None,
) -> DistilledSet:
    """Learn `synthetic` by `outer.steps` steps on `objective`, and return the set.

    With `validate` and `outer.keep = "best"`, the set with the highest validation score is returned, else the last one
    (or the exponential average of the parameters, with `outer.average`). Asked to stop, it ends after the step at hand,
    with a checkpoint, by `stopping.Stopped`. Errors: `RecipeError` when a learned field
    gets no gradient from the objective; `DivergenceError`, naming the step, on NaN, infinity or a runaway loss.
    """
    unreached = synthetic.learned - objective.trains
    if unreached:
        raise RecipeError(
            [
                f"synthetic.learn: {sorted(unreached)} get no gradient from {type(objective).__name__}, which trains "
                f"{sorted(objective.trains)}; learn only those, or choose another objective"
            ]
        )
    streams = Streams(seed, ("distill",))
    parameters = synthetic.parameters()
    if not parameters:
        raise RecipeError(["synthetic.learn: nothing is learned (hard labels never are); learn inputs, targets or lr"])
    if isinstance(objective, ClosedForm):
        return _solved(synthetic, objective, real, learner, starts, streams)
    if isinstance(starts, SeesReal):
        starts.see(real)
    optimizer = make_optimizer(parameters, outer)
    memory = _Memory()
    running = _Running(synthetic, optimizer, starts, memory)
    if outer.average:
        memory.average = {name: value.detach().clone() for name, value in parameters.items()}
    if checkpoint is not None:
        checkpoint.folder.mkdir(parents=True, exist_ok=True)
        if checkpoint.resume and is_there(checkpoint.file):
            _restore(checkpoint, running)
        else:
            remove_checkpoint(checkpoint.file)  # of a run that is begun anew: nobody goes on from it any more
        step_log.rewind(checkpoint.log, memory.step)

    began = time.perf_counter() - memory.seconds
    while memory.step < outer.steps:
        step = memory.step
        here = streams.child(step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(outer, step, group["name"])
        optimizer.zero_grad(set_to_none=True)
        begun = starts.next(step, synthetic, objective.inner(learner, here.child("start")))
        outcomes = _outcomes(objective, synthetic, real, learner, begun, here)
        loss = sum(o.loss for o in outcomes) / len(outcomes)
        scale = 1.0 / len(outcomes)
        for start, outcome in zip(begun, outcomes, strict=True):
            synthetic.pullback([(at, {n: g * scale for n, g in found.items()}) for at, found in outcome.gradients])
            starts.after_step(step, start, outcome)
        norm = float(torch.nn.utils.clip_grad_norm_(list(parameters.values()), outer.clip or math.inf))
        _check(step, loss, norm, memory, outer)
        optimizer.step()
        synthetic.project_()
        memory.step += 1
        reached = outer.stop_below is not None and loss < outer.stop_below
        if outer.average:
            _average(memory.average, parameters, outer.average, step)

        record: dict[str, float] = {"step": step, "loss": loss, "gradient_norm": norm, "lr": learning_rate(outer, step)}
        if validate is not None and (memory.step % outer.validate_every == 0 or memory.step == outer.steps):
            with _swapped(parameters, memory.average):
                score = validate(synthetic.export().lasting(starts.train_steps()))
                record["validation"] = score
                if score > memory.best:
                    memory.best, memory.best_step = score, memory.step
                    memory.best_tensors = {name: value.detach().clone() for name, value in parameters.items()}
        # a wish that comes later waits for the next step, which will then be kept
        asked = any_process(stopping.asked())
        if checkpoint is not None:
            due = memory.step % checkpoint.every == 0 or memory.step == outer.steps or reached or asked
            step_log.note(checkpoint.log, record, lasting=due)
            if due:
                memory.seconds = time.perf_counter() - began
                _save(checkpoint, running)
        if on_step is not None:
            on_step(step, record)
        if asked:
            stopping.end()
        if reached:
            break

    kept = memory.best_tensors if outer.keep == "best" and memory.best_tensors else memory.average
    with _swapped(parameters, kept):
        result = synthetic.export(
            {
                "outer_steps": memory.step,
                "kept_step": memory.best_step if kept is memory.best_tensors and kept else memory.step,
                "validation": memory.best if memory.best_step >= 0 else None,
            }
        )
    return _finished(result, starts, memory.step, time.perf_counter() - began)


def _outcomes(
    objective: Objective,
    synthetic: Synthetic,
    real: RealData,
    learner: Learner,
    starts: Sequence[Start],
    streams: Streams,
) -> list[Outcome]:
    """One outcome for each start; several starts are dealt out to the processes, a single one is computed by all."""
    if count() == 1 or len(starts) == 1:
        return objective.evaluate(synthetic, real, learner, starts, streams)

    def of_start(start: Start) -> Outcome:
        return objective.evaluate(synthetic, real, learner, [start], streams)[0].on(torch.device("cpu"))

    return [outcome.on(learner.device) for outcome in over_processes(of_start, starts)]


def _finished(result: DistilledSet, starts: Starts, steps: int, seconds: float) -> DistilledSet:
    cost = {"distill_seconds": seconds, "outer_steps": steps, "peak_rss_mib": peak_rss_mib()}
    result = result.lasting(starts.train_steps())
    return replace(result, theta0=starts.theta0(), meta={**result.meta, "cost": cost})


def _solved(
    synthetic: Synthetic, objective: ClosedForm, real: RealData, learner: Learner, starts: Starts, streams: Streams
) -> DistilledSet:
    began = time.perf_counter()
    solved = objective.solve(synthetic, real, learner, streams)
    with torch.no_grad():
        for name, value in synthetic.parameters().items():
            value.copy_(solved[name])
    synthetic.project_()
    result = synthetic.export({"outer_steps": 0, "kept_step": 0, "validation": None})
    return _finished(result, starts, 0, time.perf_counter() - began)


def peak_rss_mib() -> float:
    """The most memory this process has had, in MiB."""
    try:
        # Linux carries `ru_maxrss` over from the process that started this one; its own mark is here.
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _check(step: int, loss: float, norm: float, memory: _Memory, outer: Outer) -> None:
    if memory.first_loss is None:
        memory.first_loss = loss
    remedy = "lower synthetic.lr (the inner learning rate) or outer.lr, or set outer.clip"
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise DivergenceError(f"outer step {step}: the loss is {loss} and its gradient's norm {norm}; {remedy}")
    if loss > outer.runaway * max(memory.first_loss, 1.0):
        raise DivergenceError(
            f"outer step {step}: the loss {loss:.4g} is more than {outer.runaway:g} times the first "
            f"({memory.first_loss:.4g}); {remedy}"
        )


@torch.no_grad()
def _average(average: dict[str, Tensor], parameters: dict[str, Tensor], rate: float, step: int) -> None:
    # A young average would remember the initial values for too long: its memory grows with the step up to `rate`.
    keep = min(rate, (1 + step) / (10 + step))
    for name, value in parameters.items():
        average[name].lerp_(value, 1 - keep)


class _swapped:
    """Within the block the parameters hold `other` (when it holds anything)."""

    def __init__(self, parameters: dict[str, Tensor], other: dict[str, Tensor]):
        self.parameters, self.other = parameters, other

    @torch.no_grad()
    def __enter__(self) -> None:
        self.saved = {name: value.detach().clone() for name, value in self.parameters.items()} if self.other else {}
        for name, value in self.other.items():
            self.parameters[name].copy_(value)

    @torch.no_grad()
    def __exit__(self, *_: object) -> None:
        for name, value in self.saved.items():
            self.parameters[name].copy_(value)


def _save(checkpoint: Checkpoint, running: _Running) -> None:
    memory = running.memory
    tensors = {f"parameters.{name}": value for name, value in running.synthetic.parameters().items()}
    for index, value in running.optimizer.state_dict()["state"].items():
        tensors.update(
            {f"optimizer.{index}.{key}": torch.as_tensor(item) for key, item in value.items() if item is not None}
        )
    tensors.update({f"best.{name}": value for name, value in memory.best_tensors.items()})
    tensors.update({f"average.{name}": value for name, value in memory.average.items()})
    meta: dict[str, Any] = {
        "identity": checkpoint.identity,
        "made_of": dict(checkpoint.made_of),
        "step": memory.step,
        "seconds": memory.seconds,
        "first_loss": memory.first_loss,
        "best": memory.best if memory.best_step >= 0 else None,
        "best_step": memory.best_step,
    }
    for name, part in _remembering(running).items():
        remembered = part.state_dict()
        tensors.update({f"{name}.{key}": value for key, value in remembered.pop("tensors", {}).items()})
        meta[name] = remembered
    save_checkpoint(checkpoint.file, tensors, meta)


def _restore(checkpoint: Checkpoint, running: _Running) -> None:
    tensors, meta = load_checkpoint(checkpoint.file)
    if meta.get("identity") != checkpoint.identity:
        before = meta.get("made_of") or {}
        other = [name for name, digest in checkpoint.made_of.items() if before.get(name) not in (None, digest)]
        differ = " and ".join(other) or "recipe, seed or data"
        raise ArtifactError(
            f"{checkpoint.file}: belongs to another run ({differ} differ{'s' if len(other) == 1 else ''}); resume with "
            "what it was started with, choose another --out, or start anew with --force"
        )

    def part(prefix: str) -> dict[str, Tensor]:
        return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}

    parameters, memory = running.synthetic.parameters(), running.memory
    with torch.no_grad():
        for name, value in part("parameters.").items():
            parameters[name].copy_(value)
    state = running.optimizer.state_dict()
    state["state"] = {}
    for name, value in part("optimizer.").items():
        index, key = name.split(".", 1)
        state["state"].setdefault(int(index), {})[key] = value
    running.optimizer.load_state_dict(state)
    for name, one in _remembering(running).items():
        one.load_state_dict({**meta[name], "tensors": part(f"{name}.")})
    memory.step, memory.seconds, memory.first_loss = meta["step"], meta["seconds"], meta["first_loss"]
    memory.best = -math.inf if meta["best"] is None else meta["best"]
    memory.best_step = meta["best_step"]
    memory.best_tensors, memory.average = part("best."), part("average.")


def _remembering(running: _Running) -> dict[str, Remembers | Starts]:
    """What has a memory of its own, by the name under which a checkpoint keeps it."""
    own = {"synthetic": running.synthetic} if isinstance(running.synthetic, Remembers) else {}
    return {"starts": running.starts, **own}
