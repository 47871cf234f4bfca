"""Tables of measurements, as Markdown."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Table:
    """One table; the cells are texts, the first column is a row's name. ``notes`` say how it was
    measured."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The table with its title and notes, columns aligned."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        rule = tuple(
            "-" * widths[0] if n == 0 else "-" * (w - 1) + ":" for n, w in enumerate(widths)
        )
        lines = [f"## {self.title}", ""]
        for row in (self.columns, rule, *self.rows):
            cells = [
                cell.ljust(width) if number == 0 else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append(f"| {' | '.join(cells)} |")
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines) + "\n"


def heading(now: datetime) -> str:
    """When and on what machine it was measured."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{os.cpu_count()} cores ({platform.machine()}), {_memory()}, {python}"
    return f"# Measurements\n\n{now:%Y-%m-%d %H:%M} UTC; {machine}.\n"


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def _memory() -> str:
    if not _MEMORY.exists():
        return "memory unknown"
    kilobytes = int(_MEMORY.read_text().split("MemTotal:")[1].split()[0])
    return f"{kilobytes / 1024**2:.0f} GiB"
