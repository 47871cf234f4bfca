"""``rollcall status``: where every account of the organisation stands, as the services say now."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from typer import Option

from functions.enrolment.automation import Automatic
from functions.enrolment.coverage import State, cells, coverage, strangers
from functions.enrolment.errors import InvalidInput
from functions.enrolment.membership import Action
from functions.enrolment.times import iso
from infra.cli.options import (
    Accounts,
    AsJson,
    ConfigFile,
    HomeRegion,
    Name,
    Profile,
    Regions,
    Services,
    Wanted,
)
from infra.cli.site import site_of
from infra.cli.survey import number, offered_targets, survey, table
from infra.names import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from functions.enrolment.coverage import Cell, Coverage, Survey
    from functions.enrolment.membership import Observation
    from functions.enrolment.target import Target

EXAMPLES = """\
rollcall status --gaps
rollcall status --service guardduty --region eu-west-1 --json"""


def run(
    account: Accounts = None,
    service: Services = None,
    region: Regions = None,
    gaps: Annotated[
        bool, Option("--gaps", help="List every gap with what a run would do, or why it would not.")
    ] = False,
    as_json: AsJson = False,
    profile: Profile = None,
    home_region: HomeRegion = None,
    name: Name = DEFAULT,
    config: ConfigFile = None,
) -> int:
    """Show which accounts are enabled where, as the services say now.

    Reads the organisation's accounts, and the members that every configured service lists in every
    configured Region, with credentials of the administrator account. Nothing is changed. A gap is a
    membership that is to be enabled and is not; what is out of scope, suspended or left out by a
    policy is not one.

    Exit status 0: no gaps; 1: gaps, or targets that could not be read; 2: nothing was read, because
    an argument is invalid, Rollcall is not deployed there, or AWS refused a call.
    """
    site = site_of(profile, home_region, name, config)
    wanted = Wanted(tuple(service or ()), tuple(region or ()))
    targets = wanted.among(offered_targets(site.configuration))
    now = time.time()
    progress = Console(stderr=True, highlight=False).status(f"Reading {len(targets)} targets")
    with nullcontext() if as_json else progress:
        read = survey(site.wiring, targets, now)
    accounts = _accounts(account, read)
    found = [
        cell
        for cell in cells(read.facts, read.listings, site.configuration, now)
        if not accounts or cell.account_id in accounts
    ]
    counted = coverage(found)
    open_ones = [cell for cell in found if cell.state is State.GAP]
    others = list(strangers(read.facts, read.listings))
    if as_json:
        print(json.dumps(_document(read, counted, open_ones, others, now)))
    else:
        _print(read, counted, open_ones, others, now, gaps=gaps)
    unread = any(listing.problem for listing in read.listings)
    return 1 if open_ones or unread else 0


def _accounts(ids: list[str] | None, read: Survey) -> frozenset[str]:
    for account in ids or ():
        if account not in read.facts.directory:
            raise InvalidInput("--account", f"takes accounts of the organisation, not {account}")
    return frozenset(ids or ())


def _print(
    read: Survey,
    counted: Coverage,
    open_ones: Sequence[Cell],
    others: Sequence[tuple[Target, Observation]],
    now: float,
    *,
    gaps: bool,
) -> None:
    print(f"{len(read.facts.directory)} accounts, as of {iso(now, 'seconds')}\n")
    for line in table(read.listings, counted):
        print(line)
    if gaps and open_ones:
        print()
        for cell in open_ones:
            place = f"{cell.account_id}  {cell.target.service.label}  {cell.target.region}"
            print(f"{place}  {cell.raw}  {_prospect(cell)}")
    for target, seen in others if gaps else ():
        place = f"{seen.account_id}  {target.service.label}  {target.region}"
        print(f"{place}  {seen.raw}  a member that is no account of the organisation")
    unread = sum(listing.problem is not None for listing in read.listings)
    summary = [number(len(open_ones), "gap"), f"{number(unread, 'target')} not read"]
    if others:
        summary.append(f"{number(len(others), 'member')} outside the organisation")
    more = "" if gaps or not (open_ones or others) else " (--gaps lists them)"
    print(f"\n{', '.join(summary)}{more}")
    for note in read.notes:
        print(f"Note: {note}.")


def _prospect(cell: Cell) -> str:
    """What a run would do about a gap."""
    if cell.action is Action.STOP:
        return f"a run would end it: {cell.reason}"
    by_itself = cell.automation
    if by_itself is None or by_itself.kind is Automatic.NONE:
        return f"a run would {cell.action}"
    return f"a run would {cell.action} ({by_itself.said})"


def _document(
    read: Survey,
    counted: Coverage,
    open_ones: Sequence[Cell],
    others: Sequence[tuple[Target, Observation]],
    now: float,
) -> dict[str, Any]:
    return {
        "as_of": iso(now),
        "accounts": len(read.facts.directory),
        "targets": [
            {
                **_place(listing.target),
                "problem": str(listing.problem) if listing.problem else None,
                "problem_code": listing.problem.code if listing.problem else None,
                "states": counted.states.get(listing.target, {}),
                "reasons": counted.reasons.get(listing.target, {}),
            }
            for listing in read.listings
        ],
        "gaps": [
            {
                "account_id": cell.account_id,
                **_place(cell.target),
                "status": cell.raw,
                "action": cell.action,
                "automation": cell.automation.kind if cell.automation else None,
                "reason": str(cell.reason) if cell.reason else None,
                "reason_code": cell.reason.code if cell.reason else None,
            }
            for cell in open_ones
        ],
        "outside": [
            {"account_id": seen.account_id, **_place(target), "status": seen.raw}
            for target, seen in others
        ],
        "notes": list(read.notes),
    }


def _place(target: Target) -> dict[str, str]:
    return {"service": target.service.name, "region": target.region}
