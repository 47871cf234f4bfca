"""Shows runs live: on a terminal a row for each membership, elsewhere a line for each change."""

from __future__ import annotations

import textwrap
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from functions.enrolment.membership import ENABLED, UNSUCCESSFUL, Outcome
from functions.enrolment.times import duration
from infra.cli.story import what_of, without_place_and_time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from rich.console import Console

    from functions.enrolment.membership import Membership, MembershipKey

COLOURS = {
    Outcome.ENABLED: "green",
    Outcome.ALREADY_ENABLED: "green",
    Outcome.SKIPPED: "yellow",
    Outcome.FAILED: "red",
    Outcome.TIMED_OUT: "red",
}
# The room for what is said of a membership; where it is less, services have their short names.
_LEAST_ROOM = 24
_INDENT = 16
_BAR = 20
# Lines of the summary below the rows, and one for the shell.
_LINES_BELOW = 5
# Seconds between two readings: an eighth of the time since the first, within these bounds.
_LEAST_PAUSE, _MOST_PAUSE = 1.0, 15.0
_PAUSE_DIVISOR = 8
# A frame is drawn again each second between readings, because it shows durations.
_FRAME_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the runs that are followed.

    ``doing`` says what they do beside their memberships, such as a survey; "" if nothing.
    """

    memberships: tuple[Membership, ...]
    ended: bool
    doing: str = ""


def pause_after(age: float) -> float:
    """The seconds until the next reading, ``age`` seconds after the first one."""
    return min(max(age / _PAUSE_DIVISOR, _LEAST_PAUSE), _MOST_PAUSE)


def follow(
    console: Console,
    look: Callable[[], Seen],
    *,
    seconds: float | None = None,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Seen:
    """Show what ``look`` returns until the runs have ended; returns what was seen last.

    On a terminal the frame is updated in place; at the end its rows stay if all are in it.

    Raises:
        TimeoutError: the runs have not ended after ``seconds``.
    """
    began = now()
    changes = Changes()
    live = Live(console=console, auto_refresh=False, transient=True)
    with live:
        while True:
            seen = look()
            if not console.is_terminal:
                for text in changes.lines(seen):
                    console.print(text)
            if seen.ended:
                break
            if seconds is not None and now() - began > seconds:
                raise TimeoutError(f"the run has not ended after {seconds:.0f} s")
            read_again_at = now() + pause_after(now() - began)
            while (left := read_again_at - now()) > 0:
                if console.is_terminal:
                    live.update(Group(*frame(seen, now(), *console.size)), refresh=True)
                sleep(min(left, _FRAME_SECONDS))
    if console.is_terminal:
        width, height = console.size
        fits = len(seen.memberships) <= _room(height)
        for text in frame(seen, now(), width, height) if fits else summary(seen, now(), width):
            console.print(text, soft_wrap=True)
    return seen


def watch_quietly(
    look: Callable[[], Seen],
    *,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Seen:
    """What ``look`` returns once the runs have ended; nothing is shown."""
    began = now()
    while not (seen := look()).ended:
        sleep(pause_after(now() - began))
    return seen


class Changes:
    """The lines for a file: one when a membership's status changes or it gets its outcome."""

    def __init__(self) -> None:
        self._written: dict[MembershipKey, tuple[int, Outcome | None]] = {}
        self._doing = ""

    def lines(self, seen: Seen) -> Iterator[Text]:
        """The lines for what has changed since the last call; the first status is no change."""
        if seen.doing and seen.doing != self._doing and not seen.memberships:
            yield Text(seen.doing)
        self._doing = seen.doing
        columns = columns_of(seen.memberships)
        for record in sorted(seen.memberships, key=_order):
            state = (max(record.transition_count, 1), record.outcome)
            if state != self._written.get(record.key, (1, None)) or (
                seen.ended and record.key not in self._written
            ):
                yield line(record, columns)
                self._written[record.key] = state


def frame(seen: Seen, at: float, width: int, height: int) -> list[Text]:
    """What a terminal shows at a time: rows, of more than a screenful those that need attention,
    and the summary.
    """
    room = _room(height)
    records = sorted(seen.memberships, key=_order)
    rest = 0
    if len(records) > room:
        shown = sorted(sorted(records, key=_attention)[: room - 1], key=_order)
        rest = len(records) - len(shown)
        records = shown
    columns = columns_of(records, width)
    texts = [row(record, at, width, columns) for record in records]
    if rest:
        texts.append(Text(f"and {rest} more", "dim"))
    return texts + summary(seen, at, width)


def _room(height: int) -> int:
    """The rows that a terminal has room for."""
    return max(height - _LINES_BELOW, 1)


@dataclass(frozen=True, slots=True)
class Columns:
    """The widths of services and Regions; ``labels``: services have their display names."""

    service: int
    region: int
    labels: bool = True

    def place(self, record: Membership) -> Text:
        """The account and the target, in columns."""
        service = _service(record, labels=self.labels)
        region = record.target.region
        return Text(f"{record.account_id}  {service:<{self.service}}  {region:<{self.region}}")


def columns_of(records: Collection[Membership], width: int | None = None) -> Columns:
    """The columns of these memberships, in lines of ``width``; None for any."""
    region = max((len(record.target.region) for record in records), default=0)

    def columns(*, labels: bool) -> Columns:
        services = (len(_service(record, labels=labels)) for record in records)
        return Columns(max(services, default=0), region, labels)

    full = columns(labels=True)
    room = None if width is None else width - 12 - full.service - full.region - 3 * 2
    return full if room is None or room >= _LEAST_ROOM else columns(labels=False)


def _service(record: Membership, *, labels: bool) -> str:
    service = record.target.service
    return service.label if labels else service.name


def row(record: Membership, at: float, width: int, columns: Columns) -> Text:
    """One membership in at most ``width`` columns: its status, the time in it and what was tried,
    or its outcome. Where there is no room for all of an ended one, its outcome comes first.
    """
    if record.outcome is None:
        text = columns.place(record).append(f"  {_so_far(record, at)}")
    elif len(text := line(record, columns)) > width:
        text = columns.place(record).append(_ending(record), COLOURS[record.outcome])
        text.append(_took(record), "dim")
    text.truncate(width, overflow="ellipsis")
    return text


def summary(seen: Seen, at: float, width: int) -> list[Text]:
    """How many memberships are where, and which of those without an outcome waits longest."""
    counts = Counter(record.outcome for record in seen.memberships)
    total, settled = len(seen.memberships), len(seen.memberships) - counts[None]
    lines = []
    if total:
        full = _BAR * settled // total
        text = Text("\n" + "━" * full, "green")
        text.append("─" * (_BAR - full), "dim")
        text.append(f"  {counted(seen.memberships)}", "default")
        lines.append(text)
    open_ones = [record for record in seen.memberships if record.outcome is None]
    if open_ones:
        oldest = min(open_ones, key=_since)
        place = f"{oldest.account_id} {oldest.target.service.label} {oldest.target.region}"
        text = Text(f"Longest in its status: {_so_far(oldest, at)}: {place}", "dim")
        text.truncate(width, overflow="ellipsis")
        lines.append(text)
    if seen.doing:
        lines.append(Text(seen.doing, "dim"))
    return lines


def counted(records: Iterable[Membership]) -> str:
    """Such as ``8 of 12 enabled, 1 failed, 3 in progress``."""
    counts = Counter(record.outcome for record in records)
    enabled = sum(counts[outcome] for outcome in ENABLED)
    parts = [f"{enabled} of {counts.total()} enabled"]
    parts += [
        f"{counts[outcome]} {outcome}"
        for outcome in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.SKIPPED)
        if counts[outcome]
    ]
    if counts[None]:
        parts.append(f"{counts[None]} in progress")
    return ", ".join(parts)


def line(record: Membership, columns: Columns) -> Text:
    """One membership: account, target, transitions, duration and outcome."""
    text = columns.place(record)
    text.append("  " + (" → ".join(t.status for t in record.transitions) or "-"))
    text.append(_took(record), "dim")
    if record.outcome is not None:
        text.append(_ending(record), COLOURS[record.outcome])
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


def _took(record: Membership) -> str:
    if record.settled_at is None or not record.transitions:
        return ""
    return f"  {record.settled_at - record.transitions[0].at:.1f} s"


def _ending(record: Membership) -> str:
    what = what_of(str(record.reason or ""))
    return f"  {record.outcome}" + (f": {what}" if what else "")


def _so_far(record: Membership, at: float) -> str:
    """The status of a membership without an outcome, the time in it, and what was tried."""
    if not record.transitions:
        return "not read yet"
    text = f"{record.raw} {duration(at - record.transitions[-1].at)}"
    tried = (f"{action} ×{n}" for action in record.attempts if (n := record.tries(action)))  # noqa: RUF001  # times
    return ", ".join((text, *tried))


def _attention(record: Membership) -> tuple[int, float]:
    """First what failed, then what is in progress, each with the newest change first."""
    rank = 0 if record.outcome in UNSUCCESSFUL else 1 if record.outcome is None else 2
    return rank, -record.changed_at


def _since(record: Membership) -> float:
    return record.transitions[-1].at if record.transitions else record.taken_at


def _indented(text: str, width: int) -> str:
    """Text wrapped with a hanging indent."""
    room = max(width - _INDENT, _INDENT)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * _INDENT).join(lines)


def _order(record: Membership) -> tuple[str, str, str]:
    return record.account_id, record.target.region, record.target.service.name
