"""``rollcall``, or ``python -m infra.cli``: one module per verb.

A verb's module has ``EXAMPLES`` and ``run``. The parameters of ``run`` are the options, its
docstring is the help text, and it returns the exit status. Invalid arguments, and what AWS refuses
that the verb needs, are reported in one line, with status 2 unless the verb uses that for another
result.
"""

from __future__ import annotations

import functools
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from functions.aws.calls import redacted_line
from infra.cli import plan, redrive, runs, show, start, status, watch, why
from infra.cli.doctor import verb as doctor
from infra.cli.failures import FAILURES, explained
from infra.cli.local import verb as local

if TYPE_CHECKING:
    from collections.abc import Callable

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
NAME = "rollcall"


def _epilog(examples: str) -> str:
    # A paragraph that begins with \b is not wrapped.
    return f"\b\nExamples:\n{textwrap.indent(examples, '  ')}"


app = typer.Typer(
    epilog=_epilog("rollcall redrive --dry-run\nrollcall redrive --help"),
    # Plain text, so that help reads the same in a file as on a terminal.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)


# The exit status of an invalid command line or a failure, where it is not 2.
_FAILED: dict[str | None, int] = {}


def _add(name: str, run: Callable[..., int], examples: str, failed: int = 2) -> None:
    _FAILED[name] = failed

    @functools.wraps(run)
    def reporting(**options: Any) -> int:
        try:
            return run(**options)
        except FAILURES as error:
            print(f"{NAME} {name}: {explained(error)}", file=sys.stderr)
            return failed
        except KeyboardInterrupt:
            print(f"{NAME} {name}: stopped", file=sys.stderr)
            return 130

    app.command(name, epilog=_epilog(examples))(reporting)


_add("doctor", doctor.run, doctor.EXAMPLES)
_add("local", local.run, local.EXAMPLES)
_add("plan", plan.run, plan.EXAMPLES, failed=1)
_add("redrive", redrive.run, redrive.EXAMPLES)
_add("runs", runs.run, runs.EXAMPLES)
_add("show", show.run, show.EXAMPLES)
_add("start", start.run, start.EXAMPLES)
_add("status", status.run, status.EXAMPLES)
_add("watch", watch.run, watch.EXAMPLES)
_add("why", why.run, why.EXAMPLES)


def _print_version(wanted: bool) -> None:
    if wanted:
        project = tomllib.loads(PYPROJECT.read_text())["project"]
        print(f"{NAME} {project['version']}")
        raise typer.Exit


@app.callback()
def _rollcall(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Operate Rollcall, and run it on a local AWS."""


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; returns its exit status."""
    try:
        status: int = app(arguments, prog_name=NAME, standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else NAME
        # Typer keeps the prefix that Pydantic puts before the message of a ValueError.
        message = error.format_message().replace("Value error, ", "")
        print(f"{command}: {redacted_line(message)} (try --help)", file=sys.stderr)
        return _FAILED.get(context.info_name if context else None, error.exit_code)
    return status


if __name__ == "__main__":
    sys.exit(main())
