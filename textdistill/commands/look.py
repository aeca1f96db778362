"""The commands that only look: `ls`, `show`, `validate` and `cite`."""

from __future__ import annotations

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from textdistill.commands.options import Json, Variant, is_run, split_words, stored_or_recipe
from textdistill.core.errors import RecipeError, UserError

LS_HELP = """List the recipes with published and own results, or the parts that a recipe can name.

[bold]textdistill ls[/bold]

[bold]textdistill ls --parts[/bold]   what works with what, and a line for each part

[bold]textdistill ls --parts learner[/bold]   the settings of all of a kind: default, what is allowed, what it means

[bold]textdistill ls --parts text_conv[/bold]   those of one part, or of a section such as outer

[bold]textdistill ls --parts --json[/bold]   what works with what, as data"""

SHOW_HELP = """Print a recipe, or that of a finished run, with every setting filled in, as YAML.

[bold]textdistill show quickstart outer.steps=30[/bold]

[bold]textdistill show runs/q[/bold]"""

VALIDATE_HELP = """Check recipes in every variant, and show all faults at once. Silent when there is none.

[bold]textdistill validate my.yaml[/bold]

[bold]textdistill validate --all[/bold]   those that come with the package"""

CITE_HELP = """Print BibTeX for the method, network, kernel, vectors and data of a recipe or a finished run.

Of a run also for the sentence encoder of its analysis `transfer`, where there is one.

[bold]textdistill cite quickstart > references.bib[/bold]"""

Source = Annotated[str, typer.Argument(metavar="RECIPE|DIR", show_default=False)]
Words = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", show_default=False)]


def ls(
    name: Annotated[str | None, typer.Argument(metavar="KIND|NAME", show_default=False)] = None,
    parts: Annotated[bool, typer.Option("--parts", help="The parts instead of the recipes.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Recorded results as a Markdown table.")] = False,
    json: Json = False,
) -> None:
    """See LS_HELP."""
    if markdown:
        from textdistill.recipe.results import results_markdown

        typer.echo(results_markdown())
        return
    if json and (name is not None or not parts):
        raise UserError("ls --json: of what works with what alone, by --parts --json; of recipes use --markdown")
    if name is not None and not parts:
        raise UserError(
            f"ls {name}: add --parts to see a kind of part, or one; a recipe is shown by `textdistill show`"
        )
    from textdistill.commands.screen import screen
    from textdistill.commands.tables import works
    from textdistill.recipe.catalogue import overview, settings_tables
    from textdistill.recipe.show import recipes_table
    from textdistill.recipe.works_with import table

    if json:
        typer.echo(jsonlib.dumps([asdict(row) for row in table()], indent=1))
        return
    if name is not None:
        blocks = settings_tables(name)
    elif parts:
        blocks = [works(table()), overview()]
    else:
        blocks = [recipes_table()]
    console = screen()
    for block in blocks:
        console.print(block)


def show(source: Source, words: Words = None, variant: Variant = None) -> None:
    """See SHOW_HELP."""
    from textdistill.recipe.show import as_yaml

    typer.echo(as_yaml(stored_or_recipe(source, _overrides(words), variant)), nl=False)


def validate(
    sources: Annotated[list[str] | None, typer.Argument(metavar="RECIPE", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every recipe that comes with the package.")] = False,
) -> None:
    """See VALIDATE_HELP."""
    from textdistill.recipe.read import find_recipe, list_recipes, load_recipe, read_yaml

    names = [*(sources or []), *(list_recipes() if everything else [])]
    if not names:
        raise UserError("validate: give recipes by name or path, or --all")
    faults = []
    for name in names:
        try:
            variants = read_yaml(find_recipe(name)).get("variants")
            for variant in variants if isinstance(variants, dict) and variants else [None]:
                try:
                    load_recipe(name, variant=variant)
                except RecipeError as error:
                    faults.append(f"{error}" if variant is None else f"{error}".replace(":", f" ({variant}):", 1))
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise UserError("\n".join(faults))


def cite(source: Source, words: Words = None, variant: Variant = None) -> None:
    """See CITE_HELP."""
    from textdistill.recipe.references import references

    recipe = stored_or_recipe(source, _overrides(words), variant)
    typer.echo(references(recipe, Path(source) if is_run(source) else None), nl=False)


def _overrides(words: list[str] | None) -> list[str]:
    name, overrides = split_words(words or [])
    if name is not None:
        raise UserError(f"{name!r} is not an override key=value")
    return overrides


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("ls", help=LS_HELP)(ls)
    app.command("show", help=SHOW_HELP)(show)
    app.command("validate", help=VALIDATE_HELP)(validate)
    app.command("cite", help=CITE_HELP)(cite)
