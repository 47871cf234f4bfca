"""Following a run live: one line a membership, from the table, as it happens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table
from rich.text import Text

from functions.enrolment.membership import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from functions.enrolment.records import MembershipRecord

COLOURS = {
    Outcome.ENABLED: "green",
    Outcome.ALREADY_ENABLED: "green",
    Outcome.SKIPPED: "yellow",
    Outcome.FAILED: "red",
    Outcome.TIMED_OUT: "red",
}
_WIDTHS = (12, 12, 14)


def follow(
    console: Console,
    read: Callable[[], Sequence[MembershipRecord]],
    ended: Callable[[], bool],
    *,
    seconds: float,
    pause: float = 0.25,
) -> Sequence[MembershipRecord]:
    """Show memberships until the run has ended; returns them as last read.

    On a terminal all lines are shown and change in place; elsewhere each is written once its
    membership has its outcome.

    Raises:
        TimeoutError: the run has not ended after ``seconds``.
    """
    give_up = time.monotonic() + seconds
    written: set[tuple[str, str]] = set()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            over = ended()
            records = sorted(read(), key=_order)
            if console.is_terminal:
                live.update(_lines(records), refresh=True)
            else:
                for record in records:
                    if record.outcome and (key := (record.account_id, record.target.key)):
                        if key not in written:
                            console.print(line(record))
                        written.add(key)
            if over:
                break
            if time.monotonic() > give_up:
                raise TimeoutError(f"the run has not ended after {seconds:.0f} s")
            time.sleep(pause)
    if console.is_terminal:
        console.print(_lines(records))
    return records


def line(record: MembershipRecord) -> Text:
    """One membership: where, its transitions, how long they took, and how it ended."""
    label, region = record.target.service.label, record.target.region
    columns = (str(record.account_id), label, region)
    text = Text("  " + "  ".join(c.ljust(w) for c, w in zip(columns, _WIDTHS, strict=True)))
    text.append("  " + (" → ".join(t.status for t in record.transitions) or "-"))
    if record.settled_at is not None and record.transitions:
        text.append(f"  {record.settled_at - record.transitions[0].at:.1f} s", "dim")
    if record.outcome is not None:
        told = f"  {record.outcome}" + (f": {record.reason}" if record.reason else "")
        text.append(told, COLOURS[record.outcome])
    return text


def by_reason(records: Sequence[MembershipRecord]) -> Iterator[Text]:
    """Each account and reason once, with the targets it holds for."""
    groups: dict[tuple[str, Outcome | None, str | None], list[MembershipRecord]] = {}
    for record in sorted(records, key=_order):
        groups.setdefault((record.account_id, record.outcome, record.reason), []).append(record)
    for (account_id, outcome, reason), members in groups.items():
        text = Text(f"  {account_id}  ")
        text.append(f"{outcome}: {reason}", COLOURS[outcome] if outcome else "")
        targets = ", ".join(f"{m.target.service.label} {m.target.region}" for m in members)
        yield text.append(f"\n                {targets}", "dim")


def _lines(records: Sequence[MembershipRecord]) -> Table:
    table = Table.grid()
    for record in records:
        table.add_row(line(record))
    return table


def _order(record: MembershipRecord) -> tuple[str, str, str]:
    return record.account_id, record.target.region, record.target.service
