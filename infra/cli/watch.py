"""``rollcall watch``: how runs are doing, live, until they have ended."""

from __future__ import annotations

import shlex
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from functions.enrolment.membership import ENABLED
from functions.enrolment.reconcile_plan import place
from functions.enrolment.times import iso
from infra.cli import watching
from infra.cli.follow import by_reason, counted, follow, watch_quietly
from infra.cli.options import AsJson, HomeRegion, Name, Profile, checked_id
from infra.cli.progress import doing
from infra.cli.site import site_of
from infra.cli.terminal import Terminal, print_document
from infra.cli.watching import Kind, Watching
from infra.names import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from functions.enrolment.membership import Membership
    from infra.cli.follow import Seen

ACTIONS = watching.ACTIONS
EXAMPLES = """\
rollcall watch manual-20270115T1200Z-0f3a5c1b9d2e
rollcall watch manual-20270115T1200Z-0f3a5c1b9d2e --json"""
_MOST_REASONS = 20


def run(
    ids: Annotated[
        list[str],
        Argument(metavar="ID", help="Ids of runs or reconciles, or their executions' ARNs."),
    ],
    as_json: AsJson = False,
    profile: Profile = None,
    home_region: HomeRegion = None,
    name: Name = DEFAULT,
) -> int:
    """Show runs live until they have ended.

    On a terminal each membership has a row with its status, the time in it, what was tried and its
    outcome; of more than a screenful, those that failed and those that change are shown. Elsewhere
    each change is a line. The id of a reconcile stands for all runs that it starts. Reads the
    table, every second at first and every 15 seconds later. Ctrl-C stops the watching; the runs go
    on. With --json, one document is printed when all have ended.

    Exit status 0: all are complete; 1: a run is incomplete; 2: there is no such run, its input was
    refused, an argument is invalid, or AWS refused a call; 130: stopped by Ctrl-C.
    """
    wanted = list(dict.fromkeys(map(checked_id, ids)))
    site = site_of(profile, home_region, name)
    again = watch_command(wanted, profile, home_region, name)
    return watch(Watching(site, wanted), again, as_json=as_json)


def watch(runs: Watching, again: str, *, as_json: bool = False) -> int:
    """Follow runs to their end; returns the exit status. ``again`` is the command to repeat it."""
    console = Terminal(highlight=False, soft_wrap=not sys.stdout.isatty())
    try:
        with doing("Waiting for the end") if as_json else nullcontext():
            seen = watch_quietly(runs.look) if as_json else follow(console, runs.look)
    except KeyboardInterrupt:
        print(f"Stopped watching; the runs go on. To watch again: {again}", file=sys.stderr)
        return 130
    if as_json:
        print_document(document(runs, seen, runs.now()))
    else:
        report(console, runs, seen.memberships)
    if any(each.was_refused for each in runs.followed.values()):
        return 2
    return 0 if all(each.is_complete for each in runs.all) else 1


def watch_command(
    ids: Iterable[str], profile: str | None, home_region: str | None, name: str
) -> str:
    """The command line that watches these runs of this deployment."""
    words = ["rollcall", "watch", *ids]
    words += ["--profile", profile] if profile else []
    words += ["--home-region", home_region] if home_region else []
    words += ["--name", name] if name != DEFAULT else []
    return shlex.join(words)


def report(console: Console, runs: Watching, memberships: Sequence[Membership]) -> None:
    """Print how each run ended, and of what is not enabled each reason once."""
    if not console.is_terminal and memberships:
        console.print(counted(memberships))
    for each in runs.all:
        what = "Reconcile" if each.kind is Kind.RECONCILE else "Run"
        console.print(f"{what} {each.id}: {each.outcome or 'still running'}", markup=False)
    not_enabled = [record for record in memberships if record.outcome not in ENABLED]
    if not_enabled:
        width = console.width if console.is_terminal else sys.maxsize
        texts = list(by_reason(not_enabled, width))
        console.print("\nNot enabled:")
        for text in texts[:_MOST_REASONS]:
            console.print(text)
        if texts[_MOST_REASONS:]:
            console.print(f"  and {len(texts) - _MOST_REASONS} more")


def document(runs: Watching, seen: Seen, now: float) -> dict[str, Any]:
    """The ended runs for programs (docs/cli/watch.schema.json)."""
    return {
        "version": "1",
        "as_of": iso(now),
        "complete": all(each.is_complete for each in runs.all),
        "runs": [
            {
                "id": each.id,
                "kind": str(each.kind or Kind.RUN),
                "outcome": each.outcome,
                "complete": each.is_complete,
                "started_at": None if each.started_at is None else iso(each.started_at),
                "ended_at": None if each.ended_at is None else iso(each.ended_at),
            }
            for each in runs.all
        ],
        "memberships": [_entry(record) for record in seen.memberships],
    }


def _entry(record: Membership) -> dict[str, Any]:
    return {
        "account_id": record.account_id,
        "mode": str(record.mode),
        **place(record.target),
        "status": record.raw or None,
        "outcome": str(record.outcome) if record.outcome else None,
        "reason": str(record.reason) if record.reason else None,
        "reason_code": str(record.reason.code) if record.reason else None,
        "run": record.onboarding_id or None,
        "ended_at": None if record.settled_at is None else iso(record.settled_at),
    }
