"""Where tables are shown."""

from __future__ import annotations

from rich.console import Console


def screen() -> Console:
    """Standard output; as wide as needed where it is no terminal, so that nothing is cut off in a file."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    return console
