"""Following a run live: one line for each membership, read from the table."""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from functions.enrolment.membership import Outcome
from functions.enrolment.results import Result
from functions.services.registry import SERVICES
from infra.cli.story import without_place_and_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from functions.aws.ledger import Ledger
    from functions.enrolment.membership import Membership

COLOURS = {
    Outcome.ENABLED: "green",
    Outcome.ALREADY_ENABLED: "green",
    Outcome.SKIPPED: "yellow",
    Outcome.FAILED: "red",
    Outcome.TIMED_OUT: "red",
}
_WIDTHS = (12, max(len(service.label) for service in SERVICES), 14)
_INDENT = 16


def memberships_of(ledger: Ledger, onboarding_id: str) -> tuple[Membership, ...]:
    """The current state of every membership of a run, with those left to other runs."""
    found = ledger.findings(onboarding_id)
    if found is None:
        return ()
    return Result(found.onboarding, found.own, time.time(), left=found.left).all


def follow(
    console: Console,
    read: Callable[[], Sequence[Membership]],
    ended: Callable[[], bool],
    *,
    seconds: float,
    pause: float = 0.25,
) -> Sequence[Membership]:
    """Show memberships until the run has ended; returns them as last read.

    A membership's line is printed once it has an outcome. On a terminal the memberships in progress
    are shown below and updated in place.

    Raises:
        TimeoutError: the run has not ended after ``seconds``.
    """
    give_up = time.monotonic() + seconds
    written: set[tuple[str, str]] = set()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            has_ended = ended()
            records = sorted(read(), key=_order)
            for record in records:
                key = record.account_id, record.target.key
                if (record.outcome or has_ended) and key not in written:
                    console.print(_shown(console, record))
                    written.add(key)
            in_progress = [_shown(console, record) for record in records if not record.outcome]
            live.update(Group(*in_progress), refresh=True)
            if has_ended:
                return records
            if time.monotonic() > give_up:
                raise TimeoutError(f"the run has not ended after {seconds:.0f} s")
            time.sleep(pause)


def line(record: Membership) -> Text:
    """One membership: account, target, transitions, duration and outcome."""
    label, region = record.target.service.label, record.target.region
    columns = (str(record.account_id), label, region)
    text = Text("  ".join(c.ljust(w) for c, w in zip(columns, _WIDTHS, strict=True)))
    text.append("  " + (" → ".join(t.status for t in record.transitions) or "-"))
    if record.settled_at is not None and record.transitions:
        text.append(f"  {record.settled_at - record.transitions[0].at:.1f} s", "dim")
    if record.outcome is not None:
        what = _what(record)
        ending = f"  {record.outcome}" + (f": {what}" if what else "")
        text.append(ending, COLOURS[record.outcome])
    return text


def by_reason(records: Sequence[Membership], width: int) -> Iterator[Text]:
    """Each account and reason once, with the text of its first target and all targets that have
    the same reason, in lines of ``width``.
    """
    groups: dict[tuple[str, Outcome | None, str], list[Membership]] = {}
    for record in sorted(records, key=_order):
        story = without_place_and_time(str(record.reason), record.target)
        key = (record.account_id, record.outcome, story)
        groups.setdefault(key, []).append(record)
    for (account_id, outcome, _), members in groups.items():
        targets = ", ".join(f"{m.target.service.label} {m.target.region}" for m in members)
        text = Text(f"  {account_id}".ljust(_INDENT))
        said = f"{outcome}: {members[0].reason}" if outcome else str(members[0].reason)
        reason = _indented(said, width)
        text.append(reason, COLOURS[outcome] if outcome else "")
        text.append("\n" + " " * _INDENT + _indented(targets, width), "dim")
        yield text


def _what(record: Membership) -> str:
    """The first part of a reason: what is the case."""
    return str(record.reason or "").split("; ")[0]


def _shown(console: Console, record: Membership) -> Text:
    """A membership's line, on a terminal cut to its width: a membership in progress has one line,
    and an ended one shows as much of its reason as fits.
    """
    text = line(record)
    if console.is_terminal:
        least = len(text) - len(_what(record)) if record.outcome else 0
        text.truncate(max(console.width, least), overflow="ellipsis")
    return text


def _indented(text: str, width: int) -> str:
    """Text wrapped with a hanging indent."""
    room = max(width - _INDENT, _INDENT)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * _INDENT).join(lines)


def _order(record: Membership) -> tuple[str, str, str]:
    return record.account_id, record.target.region, record.target.service.name
