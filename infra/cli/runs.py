"""``rollcall runs``: the runs and reconciles that began last."""

from __future__ import annotations

import heapq
import re
import sys
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from rich.text import Text
from typer import Option

from functions.aws import ledger, reconciles
from functions.enrolment.errors import InvalidInput
from functions.enrolment.times import iso
from functions.steps.needs import actions_of
from infra.cli.begun import COLOURS, State, begun_reconcile, begun_run
from infra.cli.options import AsJson, HomeRegion, Name, Profile
from infra.cli.site import site_of
from infra.cli.terminal import Terminal, print_document
from infra.names import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from functions.steps.wiring import Wiring
    from infra.cli.begun import Begun

EXAMPLES = """\
rollcall runs --since 2d --outcome incomplete
rollcall runs --since 2026-11-20T04:00Z --json"""
ACTIONS = (*actions_of(ledger.ACTIONS, "recent"), *actions_of(reconciles.ACTIONS, "recent"))
MOST_SHOWN = 20
_AGE = re.compile(r"(\d{1,6})(m|h|d|w)", re.ASCII)
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_ROW = "{:<20}  {:<28}  {}"


def run(
    since: Annotated[
        str | None,
        Option(
            metavar="TIME",
            help="Only what began since then: 90m, 12h, 2d or 1w ago, or a date or time in UTC,"
            " such as 2026-11-20 or 2026-11-20T04:00Z.",
        ),
    ] = None,
    outcome: Annotated[
        State | None,
        Option(metavar="STATE", help=f"Only what stands like this: {', '.join(State)}."),
    ] = None,
    limit: Annotated[
        int | None,
        Option(
            metavar="N",
            min=1,
            help=f"No more than this many. Default: {MOST_SHOWN}, without --since.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    profile: Profile = None,
    home_region: HomeRegion = None,
    name: Name = DEFAULT,
) -> int:
    """List recent runs and reconciles, newest first.

    Shows when each began, how it ended and how long it took, the number of its accounts, what
    started it, its id, and its memberships by outcome. A run is interrupted if it has no outcome
    and none of its steps has run in time. rollcall show ID tells all about one of them. The runs
    are kept for as long as the configuration says (record_retention_days).

    Exit status 0: they are listed; 2: nothing was read, because an argument is invalid, Rollcall is
    not deployed there, or AWS refused a call.
    """
    site = site_of(profile, home_region, name)
    now = site.wiring.now()
    begin = 0.0 if since is None else _time(since, now)
    most = limit or (MOST_SHOWN if since is None else None)
    # One more shows whether there are more.
    wanted = None if most is None else most + 1
    listed = list(islice(_begun(site.wiring, begin, outcome, wanted), wanted))
    shown = listed[:most]
    if as_json:
        document = {
            "version": "1",
            "as_of": iso(now),
            "since": None if since is None else iso(begin),
            "runs": [each.to_json(now) for each in shown],
            "more": len(shown) < len(listed),
        }
        print_document(document)
        return 0
    _print(shown, now)
    if len(shown) < len(listed):
        print(f"There are more: --limit shows more than {most}.", file=sys.stderr)
    return 0


def _begun(
    wiring: Wiring, since: float, outcome: State | None, most: int | None
) -> Iterator[Begun]:
    """What began, newest first; read page by page as needed."""
    # Only what is listed is read, unless most of it may be left out.
    limit = most if outcome is None else None
    now = wiring.now()
    runs = (begun_run(record, now) for record in wiring.ledger.recent(limit, since))
    others = map(begun_reconcile, wiring.reconciles.recent(limit, since))
    merged = heapq.merge(runs, others, key=lambda each: each.started_at, reverse=True)
    return (each for each in merged if outcome in (None, each.state))


def _time(text: str, now: float) -> float:
    """A time in epoch seconds, from an age, a date or a time.

    Raises:
        InvalidInput: it is none of them.
    """
    age = _AGE.fullmatch(text)
    if age is not None:
        return max(0.0, now - int(age[1]) * _UNITS[age[2]])
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidInput(
            "--since", "takes an age such as 12h or 2d, a date, or a time such as 2026-11-20T04:00Z"
        ) from None


def _print(shown: Sequence[Begun], now: float) -> None:
    console = Terminal(highlight=False, soft_wrap=True)
    if not shown:
        console.print("No runs.")
        return
    separator = "\n    " if console.is_terminal else "  "
    if console.is_terminal:
        console.print(_ROW.format("STARTED", "OUTCOME", "STARTED BY"))
    for each in shown:
        # The id of a reconcile is part of the ids of its runs.
        by = "reconcile" if each.reconcile else each.started_by()
        if each.kind == "reconcile":
            by = f"reconcile, {each.source}"
        row = _ROW.format(iso(each.started_at, "seconds"), each.ending(now), by)
        text = Text(row.rstrip())
        text.stylize(COLOURS.get(each.state, ""), 22, 50)
        text.append(separator + each.id)
        more = [each.outcome or ""] if each.state in (State.FAILED, State.DUPLICATE) else []
        if said := ", ".join(filter(None, (*more, each.counted()))):
            text.append(separator + said)
        console.print(text)
