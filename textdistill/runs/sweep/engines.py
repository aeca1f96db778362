"""Who runs the trials of a sweep: joblib on this machine, or SLURM job arrays through submitit."""

from __future__ import annotations

import json
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import UserError
from textdistill.core.machine import cores
from textdistill.runs.sweep.carry_out import Processes
from textdistill.runs.sweep.trials import Trial

ENGINES = ("joblib", "slurm")
JOBS = "jobs"  # submitit's folder within the sweep's
Tell = Callable[[Trial], None]


def on_this_machine(trials: Sequence[Trial], jobs: int | None, tell: Tell, device: str | None = None) -> None:
    """So many trials at once, each a process with its share of the threads; on GPUs, each with a card of its own.

    joblib deals them out. Its workers are threads that wait for a process each, and not loky's processes: when one of
    those dies, joblib gives up all the others, and a second trial in it would tell the first one's peak of memory.
    """
    from joblib import Parallel, delayed

    cards = [str(card) for card in range(torch.cuda.device_count())] if device in (None, "auto", "cuda") else []
    jobs = min(len(trials), jobs or len(cards) or cores())
    threads = max(1, torch.get_num_threads() // jobs)
    free: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    for place in range(jobs):
        free.put(cards[place % len(cards)] if len(cards) > 1 else None)
    processes = Processes()

    def carry_out(trial: Trial) -> Trial:
        card = free.get()
        try:
            return processes.carry_out(trial, threads, card)
        finally:
            free.put(card)

    with _stopped_by_sigterm():
        done = Parallel(n_jobs=jobs, backend="threading", return_as="generator_unordered")(
            delayed(carry_out)(trial) for trial in trials
        )
        try:
            for trial in done:
                tell(trial)
        except BaseException:
            processes.stop()
            raise


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Within the block a scheduler's SIGTERM is heeded as Ctrl-C is: what runs is told to save."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Job:
    """One trial as submitit calls it on a node; one that SLURM takes away too early is queued again, and goes on."""

    def __call__(self, trial: Trial) -> None:
        """Run the trial, or go on with it."""
        Processes().carry_out(trial)

    def checkpoint(self, trial: Trial) -> Any:
        """What is queued in place of a job that was pre-empted or ran out of its time."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, trial)


def through_submitit(
    trials: Sequence[Trial],
    folder: Path,
    jobs: int | None,
    options: Mapping[str, str],
    tell: Tell,
    cluster: str = "slurm",
    poll: float = 10.0,
) -> None:
    """Submit the trials as one job array and wait for them; those still queued by an earlier call are waited for.

    `options` are submitit's parameters: `timeout_min`, `mem_gb`, `cpus_per_task`, `gpus_per_node`, `nodes`,
    and SLURM's own (`partition`, `account`, …). `jobs` is how many of the array may run at once. `cluster` can be
    `local`, too.
    Errors: `UserError` where submitit or SLURM is not there, or an option is none of theirs.
    """
    try:
        import submitit
    except ImportError:
        raise UserError("--engine slurm: needs submitit; pip install 'textdistill[cluster]'") from None
    waiting = _still_queued(submitit, trials, folder, cluster)
    fresh = [trial for trial in trials if trial.name not in waiting]
    if fresh:
        try:
            executor = submitit.AutoExecutor(folder / JOBS, cluster=cluster)
            executor.update_parameters(name="textdistill", **_parameters(options, jobs, cluster))
            with executor.batch():
                submitted = [executor.submit(Job(), trial) for trial in fresh]
        except (RuntimeError, NameError, ValueError, TypeError, AssertionError, OSError) as error:
            told = " ".join(str(error).split())[:200]
            raise UserError(f"--engine slurm: {told}; check that sbatch is here, and the --slurm options") from None
        except submitit.core.utils.FailedJobError as error:
            raise UserError(f"--engine slurm: sbatch refused it: {' '.join(str(error).split())[:300]}") from None
        waiting |= {trial.name: job for trial, job in zip(fresh, submitted, strict=True)}
    write_atomic(
        folder / f"{JOBS}.json", json.dumps({name: job.job_id for name, job in waiting.items()}, indent=1) + "\n"
    )
    of_job = {id(job): name for name, job in waiting.items()}
    named = {trial.name: trial for trial in trials}
    for job in submitit.helpers.as_completed(list(waiting.values()), poll_frequency=poll):
        trial = named[of_job[id(job)]]
        if not trial.told():  # the node died, or the job was cancelled or killed for its memory or time
            state = "interrupted" if str(job.state).startswith("CANCELLED") else "failed"
            trial.end(state, f"job {job.job_id} ended as {job.state}; its log is in {folder / JOBS}", 0.0)  # type: ignore[arg-type]
        tell(trial)


def _parameters(options: Mapping[str, str], jobs: int | None, cluster: str) -> dict[str, Any]:
    """submitit's names for what was asked; what it has no word for is SLURM's own."""
    shared = ("timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "nodes", "tasks_per_node", "stderr_to_stdout")
    named = {key if key in shared or key.startswith("slurm_") else f"slurm_{key}": v for key, v in options.items()}
    parameters: dict[str, Any] = {key: int(value) if value.isdigit() else value for key, value in named.items()}
    if jobs is not None and cluster == "slurm":
        parameters["slurm_array_parallelism"] = jobs
    return parameters


def _still_queued(submitit: Any, trials: Sequence[Trial], folder: Path, cluster: str) -> dict[str, Any]:
    """The jobs of an earlier call that have not ended, by their trials' names."""
    try:
        known = json.loads((folder / f"{JOBS}.json").read_text(encoding="utf-8"))
        known = {trial.name: str(known[trial.name]) for trial in trials if trial.name in known}
    except (OSError, ValueError, TypeError):
        return {}
    kind = {"slurm": submitit.SlurmJob, "local": submitit.LocalJob}.get(cluster)
    jobs = {} if kind is None else {name: kind(folder / JOBS, number) for name, number in known.items()}
    return {name: job for name, job in jobs.items() if not job.done()}
