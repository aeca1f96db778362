"""Data files of installed packages, found and checked; the packages' code is never imported."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from textdistill.core.errors import DataError


@dataclass(frozen=True)
class PackagedFile:
    """One file of a package on the package index; `remedy` tells how to install it."""

    distribution: str
    version: str
    file: str
    sha256: str
    remedy: str

    def path(self) -> Path:
        """Where it is; `DataError` with the remedy when it is nowhere."""
        try:
            files = metadata.files(self.distribution) or []
        except metadata.PackageNotFoundError:
            raise DataError(f"the package {self.distribution} is not installed: {self.remedy}") from None
        for file in files:
            path = Path(str(file.locate()))
            if file.name == self.file and path.is_file():
                return path
        raise DataError(f"the package {self.distribution} has no {self.file}; install it again: {self.remedy}")

    def read(self, path: Path) -> bytes:
        """The contents of the file at `path`; `DataError` when its SHA-256 is another."""
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.sha256:
            raise DataError(
                f"{path}: SHA-256 {digest[:12]}... is not that of version {self.version} ({self.sha256[:12]}...); "
                f"install it again: {self.remedy}"
            )
        return data
