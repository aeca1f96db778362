"""The licences of everything that the lock installs, by its own metadata, held against those that are allowed.

python -m tests.licences           the list, and what is not allowed or says nothing
python -m tests.licences --write   docs/licences.md, the part between its marks, anew
"""

from __future__ import annotations

import argparse
import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK, PAGE = ROOT / "requirements-lock.txt", ROOT / "docs" / "licences.md"
BEGIN, END = "<!-- licences: begin -->", "<!-- licences: end -->"
# SPDX identifiers. LGPL and MPL bind whoever changes such a library, and nobody who imports it as it is.
ALLOWED = frozenset(
    {
        *("Apache-2.0", "LLVM-exception", "MIT", "MIT-0", "MIT-CMU", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC"),
        *("PSF-2.0", "CNRI-Python", "Zlib", "CC0-1.0", "BSL-1.0", "Unlicense", "MPL-2.0", "LGPL-2.1-only"),
    }
)
# What packages without an SPDX expression call theirs, in the field `License` or in a classifier.
CALLED = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}


def locked() -> list[str]:
    """The names of the packages in the lock."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return [line.split("==")[0] for line in lines if line and not line.startswith("#")]


def licence_of(package: str) -> str:
    """The licence as an SPDX expression; an empty text where the package says nothing that is understood.

    Errors: `PackageNotFoundError` where it is not installed.
    """
    facts = metadata(package)
    classifiers = [one for one in facts.get_all("Classifier") or [] if one.startswith("License ::")]
    named = [one.split("::")[-1].strip() for one in classifiers]
    field = (facts.get("License") or "").strip()
    told = [facts.get("License-Expression") or "", *(field.splitlines()[:1]), *named]
    for word in told:
        expression = CALLED.get(word.strip().lower(), word.strip())
        if expression and identifiers(expression) <= ALLOWED | OTHERS:
            return expression
    return ""


def identifiers(expression: str) -> set[str]:
    """The licences and exceptions that an SPDX expression names."""
    return set(re.split(r"\s+(?:AND|OR|WITH)\s+|[()\s]+", expression)) - {""}


# Known, and not allowed: a package under one of these is named, rather than taken for one that says nothing.
OTHERS = frozenset({"GPL-2.0-only", "GPL-3.0-only", "GPL-3.0-or-later", "AGPL-3.0-only", "LGPL-3.0-only", "SSPL-1.0"})


def table() -> dict[str, str]:
    """Licence by package, of all that are installed."""
    found = {}
    for package in locked():
        try:
            found[package] = licence_of(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def faults(found: dict[str, str]) -> list[str]:
    """A line for each package whose licence is not allowed, or is not told."""
    out = []
    for package, expression in found.items():
        strange = identifiers(expression) - ALLOWED
        if not expression:
            out.append(f"{package}: tells no licence that is known; look it up, and enter what it calls it in CALLED")
        elif strange:
            out.append(f"{package}: {expression}; allowed: {', '.join(sorted(ALLOWED))}")
    return out


def page(found: dict[str, str]) -> str:
    """The list for docs/licences.md."""
    rows = [
        f"| {package} | {expression} |" for package, expression in sorted(found.items(), key=lambda one: one[0].lower())
    ]
    return "\n".join([BEGIN, "| package | licence |", "|---|---|", *rows, END])


def main() -> None:
    """The list, or the page."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--write", action="store_true")
    found = table()
    if words.parse_args().write:
        before, after = PAGE.read_text(encoding="utf-8").split(BEGIN)[0], PAGE.read_text(encoding="utf-8").split(END)[1]
        PAGE.write_text(before + page(found) + after, encoding="utf-8")
    print(f"licences: {len(found)} packages, {len(set(found.values()))} licences")
    wrong = faults(found)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
