"""One trial as a process of its own: whatever becomes of it, the others go on, and its memory is its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

from textdistill.runs.sweep.trials import State, Trial

# Seconds that a trial is given to save what it has before it is killed.
PATIENCE = 60.0
# How a run ends that was told to stop, by a number or by a signal.
STOPPED = (130, 143, -signal.SIGINT, -signal.SIGTERM)
LONGEST_REASON = 300


class Processes:
    """The trials that run here, so that all of them can be stopped; none begins after that."""

    def __init__(self) -> None:
        self._lock, self._running, self._over = threading.Lock(), list[subprocess.Popen[bytes]](), False

    def carry_out(self, trial: Trial, threads: int | None = None, card: str | None = None) -> Trial:
        """Run the trial, or go on with it, and note what became of it; the same trial is returned."""
        began, environment = time.monotonic(), dict(os.environ)
        words = [*trial.words, *(("--threads", str(threads)) if threads else ())]
        environment |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
        environment |= {"CUDA_VISIBLE_DEVICES": card} if card is not None else {}
        trial.log.parent.mkdir(parents=True, exist_ok=True)
        trial.note.unlink(missing_ok=True)  # from now on it has not ended, whatever happens to this process
        with trial.log.open("wb") as log:
            with self._lock:
                if self._over:
                    return trial
                # In a session of its own: Ctrl-C in the terminal reaches it once, through `stop`.
                process = subprocess.Popen(
                    [sys.executable, "-m", "textdistill", *words],
                    cwd=trial.place, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
                self._running.append(process)
            code = process.wait()
        with self._lock:
            self._running.remove(process)
        if code not in STOPPED:
            state: State = "failed" if code else "finished"
            trial.end(state, reason(code, trial) if code else None, time.monotonic() - began)
        return trial

    def stop(self) -> None:
        """Have all that run save and end; kill those that do not.

        By SIGTERM: what was started from a script in the background is deaf to the other one.
        """
        with self._lock:
            self._over, running = True, list(self._running)
        for process in running:
            with suppress(ProcessLookupError):
                process.terminate()
        until = time.monotonic() + PATIENCE
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()


def reason(code: int, trial: Trial) -> str:
    """Why a trial failed, in a line: what it said itself, else the signal that ended it."""
    if code < 0:
        name = signal.Signals(-code).name if -code in {one.value for one in signal.Signals} else f"signal {-code}"
        more = ", as when memory is used up" if code == -signal.SIGKILL else ""
        return f"killed by {name}{more}"
    lines = trial.log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [place for place, line in enumerate(lines) if line.startswith("textdistill: ")]
    if not said:
        told = next((line.strip() for line in reversed(lines) if line.strip()), "nothing was said")
        return f"exit code {code}: {told}"[:LONGEST_REASON]
    told = " ".join(line.strip() for line in lines[said[-1] :])
    return told.removeprefix("textdistill: ")[:LONGEST_REASON]
