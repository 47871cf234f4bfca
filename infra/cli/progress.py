"""What is being done, and for how long, shown on a terminal while it lasts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def doing(what: str, console: Console | None = None) -> Iterator[None]:
    """A line on a terminal, by default that of standard error; nothing elsewhere."""
    console = console or Console(stderr=True, highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as it:
        it.add_task(what, total=None)
        yield
