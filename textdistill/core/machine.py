"""The machine that a result was made on, in a few words."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def cpu_model() -> str:
    """The processor's name as the system gives it, else its architecture."""
    try:
        for line in CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip().lower() in ("model name", "hardware") and value.strip():
                return " ".join(value.split())
    except OSError:
        pass  # not Linux
    if platform.system() == "Darwin":
        try:
            called = subprocess.run(
                ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, timeout=5, check=True
            )
            return called.stdout.strip() or platform.machine()
        except (OSError, subprocess.SubprocessError):
            pass
    return platform.processor() or platform.machine() or "unknown processor"


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        return os.cpu_count() or 1


def memory_mib() -> int:
    """How much memory this machine has, or this process's group of them (cgroup) where that is less."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = CGROUP_LIMIT.read_text().strip()
    except OSError:
        limit = "max"  # no such groups here
    return min(pages, int(limit) if limit.isdigit() else pages) // 2**20


def describe(threads: int) -> str:
    """Processor, cores and the threads that computed, such as `Intel(R) Xeon(R) @ 2.20GHz, 2 cores, 1 thread`."""

    def count(number: int, word: str) -> str:
        return f"{number} {word}{'' if number == 1 else 's'}"

    return f"{cpu_model()}, {count(cores(), 'core')}, {count(threads, 'thread')}"
