"""The findings for people, and as a document (docs/cli/doctor.schema.json)."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from functions.enrolment.times import iso
from infra.cli.doctor.finding import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.cli.doctor.examination import Examination
    from infra.cli.doctor.finding import Finding

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
_INDENT = 8


def document(
    examination: Examination, found: Sequence[tuple[str, Finding]], now: float
) -> dict[str, Any]:
    """The JSON document."""
    levels = Counter(one.level for _, one in found)
    return {
        "version": "1",
        "as_of": iso(now),
        "counts": {str(level): levels[level] for level in Level},
        "findings": [
            {
                "group": group,
                "check": one.check,
                "level": one.level,
                "reason": one.reason,
                "command": one.command or None,
                "account_id": one.account or None,
            }
            for group, one in found
        ],
        "rehearsal": _rehearsal(examination) if examination.days else None,
    }


def _rehearsal(examination: Examination) -> dict[str, Any]:
    return {
        "days": examination.days,
        "events": [
            {
                "event_id": one.event_id,
                "name": one.name,
                "time": one.at,
                "region": one.region,
                "fate": one.fate,
                "account_id": one.account,
                "reason": one.reason or None,
            }
            for one in examination.rehearsed
        ],
        "accounts": [
            {
                "account_id": one.account,
                "gaps": list(one.gaps),
                "in_table": one.known,
                "missed": one.missed,
            }
            for one in examination.standings
        ],
    }


def show(found: Sequence[tuple[str, Finding]], examination: Examination) -> None:
    """Print the findings by group; where output is no terminal, one finding is one line."""
    console = Console(highlight=False, soft_wrap=True)
    shown = ""
    for group, one in found:
        if not console.is_terminal:
            mend = f"  mend{_whose(one)}: {one.command}" if one.command else ""
            print(f"{one.level}  {group}  {one.check}  {one.reason}{mend}")
            continue
        if group != shown:
            console.print(Text(f"{chr(10) if shown else ''}{group}", "bold"))
            shown = group
        text = Text().append(f"  {one.level}".ljust(_INDENT), _COLOURS[one.level])
        text.append(_indented(one.reason, console.width))
        if one.command:
            # Not wrapped, so that it can be copied.
            text.append(f"\n{' ' * _INDENT}mend{_whose(one)}:\n{' ' * _INDENT}{one.command}", "dim")
        console.print(text)
    if examination.rehearsed and console.is_terminal:
        console.print(Text("\nRecorded events", "bold"))
    for event in examination.rehearsed:
        what = f"a run for {event.account}" if event.account else event.reason
        line = f"{event.at}  {event.name}  {event.region}  {event.fate}  {what}"
        print(f"  {_indented(line, console.width)}" if console.is_terminal else line)
    levels = Counter(one.level for _, one in found)
    counted = ", ".join(f"{levels[level]} {level}" for level in Level)
    print(f"{chr(10) if sys.stdout.isatty() else ''}{counted}")


def _whose(one: Finding) -> str:
    return f" with credentials of {one.account}" if one.account else ""


def _indented(text: str, width: int) -> str:
    lines = textwrap.wrap(
        text, max(width - _INDENT, 40), break_long_words=False, break_on_hyphens=False
    )
    return f"\n{' ' * _INDENT}".join(lines)
