"""What pip-audit reported of the locked versions, in a few lines: `python -m tests.audit REPORT.json`.

A known vulnerability is a failure. That no advisory service could be reached is not one, but it is said.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def told(report: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Lines about a report of pip-audit, and whether it names a vulnerability."""
    packages = report.get("dependencies", [])
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    lines = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'none yet'}"
        for one in packages
        for fault in one.get("vulns", [])
    ]
    audited = len(packages) - len(skipped)
    if not audited:
        return ["audit: no advisory service could be reached, so nothing was looked up"], False
    missing = f"; {len(skipped)} are unknown to the service" if skipped else ""
    return [*lines, f"audit: {audited} packages, {len(lines)} known vulnerabilities{missing}"], bool(lines)


def main() -> None:
    """The lines of a report."""
    path = Path(sys.argv[1])
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # pip-audit writes none where it meets no service at all
        report = {}
    lines, found = told(report)
    print(*lines, sep="\n")
    sys.exit(found)


if __name__ == "__main__":
    main()
