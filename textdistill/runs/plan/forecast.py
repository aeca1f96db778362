"""What the units of a recipe add up to: time, operations, memory and disk; what shortens it; what fits into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from textdistill.core.errors import RecipeError, UserError
from textdistill.recipe.read import Recipe
from textdistill.runs.plan import readable_counts, tensors
from textdistill.runs.plan.accelerators import ACCELERATORS, seconds_on
from textdistill.runs.plan.probe import Measured, measure

PAGES_MIB = 0.5  # report, figures, samples
# Settings of which half is tried; those that a kind of recipe does not have are passed over.
HALVED = {
    "outer.steps": ("outer", "steps"),
    "evaluate.nets": ("evaluate", "nets"),
    "evaluate.draws": ("evaluate", "draws"),
    "evaluate.repeats": ("evaluate", "repeats"),
    "evaluate.full_nets": ("evaluate", "full_nets"),
    "evaluate.full.epochs": ("evaluate", "full", "epochs"),
    "evaluate.label_steps": ("evaluate", "label_steps"),
    "choose.sets": ("text", "choose", "sets"),
    "choose.pool": ("text", "choose", "pool"),
    "choose.prompted.samples": ("text", "choose", "prompted", "samples"),
    "language_model.epochs": ("text", "language_model", "epochs"),
    "language_model.steps": ("text", "language_model", "steps"),
    "pool.factor": ("text", "pool", "factor"),
}
# Ways to need less memory, in the order in which they are tried.
BLOCKS = (256, 64, 16)
FULL_ROWS = (4000, 1000)  # of a full-data score by a kernel
ROWS_AT_ONCE = 64  # of the evaluation
WINDOWS = (0.5, 0.25)  # shares of the inner steps; this one is another gradient, and is tried last
# What an override changes of the result.
ROUNDING = "the result is the same but for rounding"
FEWER_ROWS = "what is distilled is the same but for rounding; the full-data score comes from fewer rows"
LAST_STEPS = "the gradient is that of the last steps"


@dataclass(frozen=True)
class Line:
    """One unit: how many, and what all of them take."""

    stage: str
    name: str
    count: float
    seconds: float
    operations: float


@dataclass(frozen=True)
class Forecast:
    """What a run will take here. `shorter` is the setting whose half saves most, with the seconds saved."""

    lines: list[Line]
    seconds: float
    operations: float
    peak_mib: float
    disk_mib: float
    shorter: tuple[str, str, float] | None

    def stages(self) -> dict[str, tuple[float, float]]:
        """Seconds and operations by stage."""
        out: dict[str, tuple[float, float]] = {}
        for line in self.lines:
            seconds, operations = out.get(line.stage, (0.0, 0.0))
            out[line.stage] = (seconds + line.seconds, operations + line.operations)
        return out

    def on(self, precision: str = "float32") -> dict[str, float]:
        """The seconds of all operations on each accelerator."""
        return {name: seconds_on(name, self.operations, precision) for name in ACCELERATORS}

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "seconds": round(self.seconds, 1),
            "operations": self.operations,
            "peak_mib": round(self.peak_mib, 1),
            "disk_mib": round(self.disk_mib, 1),
            "stages": {name: {"seconds": round(s, 2), "operations": o} for name, (s, o) in self.stages().items()},
            "units": [vars(line) for line in self.lines],
            "accelerators": {
                kind: {name: round(seconds, 2) for name, seconds in self.on(kind).items()}
                for kind in ("float32", "tf32", "bfloat16")
            },
            "shorter": None
            if self.shorter is None
            else dict(zip(("setting", "value", "seconds_saved"), self.shorter, strict=True)),
        }


def forecast(recipe: Recipe, measured: Measured) -> Forecast:
    """What the recipe will take, by units that were measured of it."""
    lines = _lines(recipe, measured)
    seconds = measured.ready_seconds + sum(line.seconds for line in lines)
    kept = (
        readable_counts.sizes(recipe, measured.facts)
        if recipe.text is not None
        else measured.facts.get("stored_mib", 0.0)
    )
    disk = measured.disk_mib + PAGES_MIB + recipe.evaluate.repeats * kept
    operations = sum(line.operations for line in lines)
    return Forecast(lines, seconds, operations, peak_of(measured), disk, _shorter(recipe, measured))


def peak_of(measured: Measured) -> float:
    """The most memory that a run has: what the steps had, and what only the whole run holds."""
    return measured.peak_mib + float(measured.facts.get("further_mib", 0.0))


def _lines(recipe: Recipe, measured: Measured) -> list[Line]:
    counts = (tensors if recipe.text is None else readable_counts).counts(recipe, measured.facts)
    return [
        Line(unit.stage, name, counts[name], unit.seconds * counts[name], unit.operations * counts[name])
        for name, unit in measured.units.items()
        if counts.get(name)
    ]


def _shorter(recipe: Recipe, measured: Measured) -> tuple[str, str, float] | None:
    whole, best = sum(line.seconds for line in _lines(recipe, measured)), None
    for key, path in HALVED.items():
        value: Any = recipe
        for name in path:
            value = getattr(value, name, None)
        if not isinstance(value, int) or value < 2:
            continue
        saved = whole - sum(line.seconds for line in _lines(_with(recipe, path, value // 2), measured))
        if saved > 0.01 * whole and (best is None or saved > best[2]):
            best = (key, str(value // 2), saved)
    return best


def _with(settings: Any, path: Sequence[str], value: Any) -> Any:
    from dataclasses import replace

    name, *rest = path
    return replace(settings, **{name: _with(getattr(settings, name), rest, value) if rest else value})


@dataclass(frozen=True)
class Fit:
    """Overrides with which a recipe fits into so much memory, the most that it then takes, and what they change."""

    overrides: list[str]
    peak_mib: float
    changes: str = ROUNDING


def fitting(
    recipe_of: Callable[[Sequence[str]], Recipe],
    mib: float,
    measure_of: Callable[[Recipe], Measured] = measure,
    told: Callable[[str], None] = lambda line: None,
) -> tuple[Fit, Measured]:
    """The first of the ways to need less memory that fits into `mib`, tried on the recipe itself.

    `recipe_of` gives the recipe with some overrides. Errors: `UserError` with the least that any of them took.
    """
    least: Fit | None = None
    for overrides, changes in _ladder(recipe_of([])):
        try:
            recipe = recipe_of(overrides)
        except RecipeError:
            continue
        measured = measure_of(recipe)
        found = Fit(overrides, peak_of(measured), changes)
        told(f"{found.peak_mib:,.0f} MiB {'with ' + ' '.join(overrides) if overrides else 'as it is'}")
        if found.peak_mib <= mib:
            return found, measured
        least = found if least is None or found.peak_mib < least.peak_mib else least
    assert least is not None
    raise UserError(
        f"--memory: {mib:,.0f} MiB; the least that was found is {least.peak_mib:,.0f} MiB, "
        f"{'with ' + ' '.join(least.overrides) if least.overrides else 'as it is'}; give fewer samples, shorter inputs "
        "or a smaller objective.batch"
    )


def _ladder(recipe: Recipe) -> list[tuple[list[str], str]]:
    """Overrides from none to the most sparing, and what they change of the result."""
    steps: list[tuple[list[str], str]] = [([], ROUNDING)]
    if recipe.text is not None:
        micro = recipe.text.pool.micro_batch
        return steps + [
            ([f"pool.micro_batch={size}"], ROUNDING) for size in (8, 4) if recipe.text.generator and size < micro
        ]
    rows = [f"evaluate.batch={ROWS_AT_ONCE}"] if recipe.evaluate.batch > ROWS_AT_ONCE else []
    blocks = getattr(recipe.objective.type, "__dataclass_fields__", {})
    steps += [(rows, ROUNDING)] if rows else []
    if "memory_mib" in blocks:
        steps += [([*rows, f"objective.memory_mib={size}"], ROUNDING) for size in BLOCKS]
        # the square kernel of all rows that a full-data score takes is larger than any block
        least = [*rows, f"objective.memory_mib={BLOCKS[-1]}"]
        steps += [([*least, f"evaluate.full.rows={few}"], FEWER_ROWS) for few in FULL_ROWS]
    if "gradient" in blocks:
        sweep = [*rows, "objective.gradient.name=sweep"]
        steps.append((sweep, ROUNDING))
        length = recipe.synthetic.steps * recipe.synthetic.epochs
        steps += [([*sweep, f"objective.gradient.window={max(1, int(length * part))}"], LAST_STEPS) for part in WINDOWS]
    return steps
