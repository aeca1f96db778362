"""The command line `textdistill`: one thin function a command, and the exit codes 0, 1, 2, 130 and 143."""

from __future__ import annotations

import shlex
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from textdistill.core.errors import UserError
from textdistill.core.file_names import ERROR_LOG
from textdistill.core.stopping import Stopped, heed

REPORT_TO = "please report it, with that file, to the project's issue tracker"
FAULT, MISTAKE, STOPPED = 1, 2, 128  # the last and the number of the signal


class Guarded(TyperGroup):
    """Turns what a command raises into an exit code and a line or two on stderr."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember the words of the command, for a line on how to go on."""
        ctx.ensure_object(dict)["words"] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. The user's mistake: 2, no traceback. Ours: 1, the traceback in a file. A signal: 128 + it.

        A run that was stopped, or that the system refused something, says by which command it goes on.
        """
        screen = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        state = ctx.ensure_object(dict)
        try:
            with heed():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            number = stop.number if isinstance(stop, Stopped) else signal.SIGINT
            screen.print(f"stopped by {signal.Signals(number).name}{_how_to_go_on(state)}")
            raise typer.Exit(STOPPED + number) from None
        except BrokenPipeError:
            raise
        except Exception as error:
            if type(error).__module__.startswith(("typer", "click")):
                raise
            if ctx.params.get("debug"):
                screen.print(traceback.format_exc())
            if _is_mistake(error):
                again = _how_to_go_on(state) if isinstance(error, OSError) else ""
                screen.print(f"textdistill: {_message(error)}{again}")
                raise typer.Exit(MISTAKE) from None
            log = _keep(traceback.format_exc(), state.get("folder"))
            screen.print(f"textdistill: a fault of ours ({type(error).__name__}: {str(error).splitlines()[:1]}).")
            screen.print(f"The traceback is in {log}; {REPORT_TO}.")
            raise typer.Exit(FAULT) from None


def _is_mistake(error: Exception) -> bool:
    if isinstance(error, UserError):
        return True
    vectors = sys.modules.get("embeddings")
    if vectors is not None and isinstance(error, vectors.EmbeddingsError):
        return True
    # A full disk, a folder that may not be written: the system's word with the file's name is enough.
    return isinstance(error, OSError) and error.filename is not None


def _how_to_go_on(state: dict[str, Any]) -> str:
    """The command that goes on with what was begun: the same one, with `--resume` where a run is claimed."""
    if "folder" not in state or not state.get("goes_on"):
        return ""
    words = [word for word in state["words"] if word not in ("--force", "--resume")]
    more = ["--resume"] if state["goes_on"] == "resume" else []
    return f"; go on with: {shlex.join(['textdistill', *words, *more])}"


def _message(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}; check the path, its permissions and the disk's space"
    return str(error)


def _keep(text: str, folder: Path | None) -> Path:
    """Write a traceback into the run's folder, else into a temporary file, and say where."""
    import tempfile

    if folder is not None and folder.is_dir():
        try:
            (folder / ERROR_LOG).write_text(text, encoding="utf-8")
            return folder / ERROR_LOG
        except OSError:
            pass  # the temporary file below will do
    with tempfile.NamedTemporaryFile("w", prefix="textdistill-", suffix=".log", delete=False, encoding="utf-8") as file:
        file.write(text)
    return Path(file.name)


app = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 2 the input was at fault; 1 a fault of ours; 130 stopped by Ctrl-C, 143 by SIGTERM.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from textdistill import __version__

        typer.echo(f"textdistill {__version__}")
        raise typer.Exit


@app.callback()
def _all(
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of any error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Distil a data set of texts or images into a handful of synthetic samples, and judge them honestly.

    Begin with: [bold]textdistill run quickstart --out runs/q[/bold]
    """


def _register() -> None:
    from textdistill.commands import analyse, check, copy, demo, export, icl, look, make, plan, prompt, score, sweep

    for module in (make, plan, sweep, score, export, prompt, icl, analyse, look, check, copy, demo):
        module.register(app)


_register()


def main() -> None:
    """The console script."""
    app(prog_name="textdistill")


if __name__ == "__main__":
    main()
