"""One run of a recipe, whatever kind of set it makes: its folder is claimed, trackers are told, the set is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textdistill.core.processes import end_processes, meet, rank, start_processes
from textdistill.recipe.read import Recipe
from textdistill.recipe.record import variant_name
from textdistill.runs import pipeline, trackers
from textdistill.runs.artifact import commit
from textdistill.runs.assist import assist
from textdistill.runs.lock import held
from textdistill.runs.pipeline import Run
from textdistill.runs.progress import Reporter
from textdistill.runs.readable.run import TextRun, run_texts
from textdistill.runs.run_files import check_claim, claim


def run(
    recipe: Recipe,
    out: str | Path,
    *,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    device: str | None = None,
    quiet: bool = False,
    track: Sequence[str] = (),
    claimed: Callable[[], None] = lambda: None,
) -> Run | TextRun:
    """Distil by `recipe` into the folder `out`, evaluate and report: a `Run`, or with a generator a `TextRun`.

    `resume` goes on where an earlier call was stopped, `force` starts anew in a folder that holds a run. `track` names
    trackers. `claimed` is called once the folder is this run's. The user's mistakes are `UserError`s.
    """
    trackers.check(track)
    out = Path(out)
    check_claim(out, resume, force)  # before a lock is put into somebody's folder
    with held(out):
        claim(out, resume, force)
        claimed()
        meet()  # now the other processes may look what there is to go on from
        meet()  # and have
        with trackers.opened(track, out, recipe.raw) as opened:
            reporter = Reporter(quiet=quiet, trackers=opened)
            done = _maker(recipe)(recipe, out, seed=seed, resume=resume, device=device, reporter=reporter)
            reporter.track("result", 0, trackers.results(done.metrics))
    return done


def run_in_processes(recipe: Recipe, out: Path, **asked: Any) -> Run | TextRun | None:
    """`run` by all the processes that a launcher started: the first makes the run, and `None` is what others return."""
    start_processes()
    done = None
    if rank():
        assist(_maker(recipe), recipe, out, **{key: asked[key] for key in ("seed", "resume", "device")})
    else:
        done = run(recipe, out, **asked)
    end_processes()
    return done


def _maker(recipe: Recipe) -> Callable[..., Run | TextRun]:
    return pipeline.run if recipe.text is None else run_texts


def variants(recipe: Recipe, done: Run | TextRun) -> Mapping[str, Mapping[str, Any]]:
    """The figures of a finished run by the names under which they are recorded."""
    if isinstance(done, TextRun):
        return done.metrics["variants"]  # type: ignore[no-any-return]
    return {variant_name(recipe, done.metrics): done.metrics}


def made_by(done: Run | TextRun) -> str | None:
    """The commit that made a run."""
    return done.commit if isinstance(done, TextRun) else done.artifact.manifest.commit or commit()
