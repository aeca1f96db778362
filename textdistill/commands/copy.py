"""The command `cp`: a recipe of one's own, begun as a copy of a known one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from textdistill.core.errors import RecipeError, UserError

CP_HELP = """Copy a recipe to a file of your own, comments included, to change it there.

What was measured with the recipe as it is (its results) stays behind; `command` names the new file.

[bold]textdistill cp quickstart my.yaml[/bold]

[bold]textdistill run my.yaml[/bold]   once you have changed it"""

# What is said of the recipe as it was measured, and of no changed copy.
LEFT_BEHIND = ("results", "not_run")
_TOP = re.compile(r"^[^\s#][^:]*")  # the key of a line that begins a top-level block


def cp(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name or a path.", show_default=False)],
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The file to write.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """See CP_HELP."""
    from textdistill.export.files import write_file
    from textdistill.recipe.read import find_recipe

    if file.suffix not in (".yaml", ".yml"):
        raise UserError(f"{file}: give the copy a name that ends in .yaml, by which it is known for a recipe")
    source = find_recipe(recipe)
    if file.resolve() == source.resolve():
        raise UserError(f"{file}: the recipe itself; choose another name")
    text, command = own_recipe(source, file)
    write_file(file, text.encode(), force)
    name = shlex.quote(str(file))
    typer.echo(f"{file}: a copy of {recipe}. Change it, then:")
    typer.echo(f"  textdistill validate {name}")
    typer.echo(f"  {command}")


def own_recipe(source: Path, file: Path) -> tuple[str, str]:
    """The text of a copy of the recipe at `source` that is to be `file`, and the command that runs it.

    Lines stay as they are, but for `command` and for the blocks of LEFT_BEHIND. `RecipeError` where the file is written
    in such a way (as JSON, say) that this cannot be done line by line.
    """
    import yaml

    from textdistill.core.yaml_text import parse_yaml
    from textdistill.recipe.read import read_yaml

    values = read_yaml(source)
    command = _command(values.get("command"), file)
    out: list[str] = []
    for key, lines in _blocks(source.read_text(encoding="utf-8").splitlines()):
        if key == "command":
            out += [line for line in lines if line[:1] == "#"]
            out += yaml.safe_dump({"command": command}, width=10_000, allow_unicode=True).splitlines()
        elif key not in LEFT_BEHIND:
            out += lines
    text = "\n".join(out).rstrip("\n") + "\n"
    wanted = {key: value for key, value in values.items() if key not in LEFT_BEHIND}
    if "command" in wanted:
        wanted["command"] = command
    try:
        same = parse_yaml(text) == wanted
    except yaml.YAMLError:
        same = False
    if not same:
        raise RecipeError(["cannot be copied line by line; write its keys one a line (no JSON)"], str(source))
    return text, command


def _command(known: object, file: Path) -> str:
    """`textdistill run FILE` with the options of the recipe's own command; a copy has nothing to record yet."""
    name = shlex.quote(str(file))
    match = re.fullmatch(r"textdistill run \S+(.*)", known) if isinstance(known, str) else None
    options = match[1] if match else ""
    return f"textdistill run {name}" + re.sub(r" --(record|force|resume)\b| --out \S+", "", options)


def _blocks(lines: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The lines of each top-level key, the comments before it among them; what stands before the first has no key."""
    blocks: list[tuple[str, list[str]]] = []
    waiting: list[str] = []  # comments and empty lines, until it is known whose they are
    for line in lines:
        key = _TOP.match(line)
        if key:
            blocks.append((key[0].strip().strip("'\""), [*waiting, line]))
            waiting = []
        elif line[:1] == "#" or not line.strip():
            waiting.append(line)
        elif blocks:
            blocks[-1][1].extend([*waiting, line])
            waiting = []
        else:
            return [("", list(lines))]
    return [*blocks, ("", waiting)]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cp", help=CP_HELP)(cp)
