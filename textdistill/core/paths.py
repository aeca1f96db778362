"""Where the files that are not code lie: beside the package in a checkout, inside it once installed from a wheel."""

from __future__ import annotations

from pathlib import Path

from textdistill.core.errors import UserError

PACKAGE = Path(__file__).resolve().parents[1]


def _shipped(name: str, package: Path) -> Path:
    """`package/name` of an installed wheel, else `name` at the top of the checkout that holds `package`.

    The top counts as a checkout only with a `pyproject.toml`: beside an installed package lie other people's files.
    """
    installed, checkout = package / name, package.parent / name
    if installed.exists():
        return installed
    if checkout.exists() and (package.parent / "pyproject.toml").is_file():
        return checkout
    raise UserError(
        f"{name} is neither at {installed} nor at {checkout}: the installation is incomplete. "
        "Install textdistill again from a checkout or a wheel."
    )


def recipes_dir(package: Path = PACKAGE) -> Path:
    """The folder of recipe YAMLs that come with this version; `UserError` when the installation lacks it."""
    return _shipped("recipes", package)


def data_requirements(package: Path = PACKAGE) -> Path:
    """`requirements-data.txt`, the hash-pinned list of data and model packages; `UserError` when it is lacking."""
    return _shipped("requirements-data.txt", package)
