"""Whose code is installed with this one: its licences are known and allowed, and an audit's report is understood."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

import pytest

from tests import audit, licences

REPORT = {
    "dependencies": [
        {"name": "sound", "version": "1.0", "vulns": []},
        {"name": "poor", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": []}]},
        {"name": "own", "skip_reason": "not found on PyPI"},
    ],
    "fixes": [],
}


def test_every_locked_package_has_a_licence_that_is_allowed_and_stands_on_the_page() -> None:
    found = licences.table()
    assert licences.faults(found) == []
    page = licences.PAGE.read_text(encoding="utf-8")
    listed = page[page.index(licences.BEGIN) : page.index(licences.END) + len(licences.END)]
    assert listed == licences.page(found), "python -m tests.licences --write"


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "", "MIT AND AGPL-3.0-only"])
def test_another_licence_is_named(licence: str) -> None:
    assert len(licences.faults({"a-package": licence, "other": "MIT OR Apache-2.0 WITH LLVM-exception"})) == 1


def test_what_is_imported_is_declared_and_nothing_unknown_is_locked() -> None:
    for package in licences.locked():
        try:
            distribution(package)
        except PackageNotFoundError:
            pytest.fail(f"{package} is locked, and not installed")


def test_an_audit_s_report_fails_on_a_vulnerability_and_says_when_nothing_was_looked_up() -> None:
    lines, found = audit.told(REPORT)
    assert found
    assert lines == [
        "poor 2.0: PYSEC-1, mended in 2.1",
        "audit: 2 packages, 1 known vulnerabilities; 1 are unknown to the service",
    ]
    nothing = {"dependencies": [{"name": "own", "skip_reason": "not found on PyPI"}]}
    assert audit.told(nothing) == (["audit: no advisory service could be reached, so nothing was looked up"], False)
