"""``rollcall status``: where every account of the organisation stands, as the services say now."""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from typer import BadParameter, Option

from functions.aws.calls import calling
from functions.aws.directory import Directory
from functions.aws.pacing import Pacing
from functions.aws.sessions import Clients
from functions.enrolment.account import AccountId, is_account_id
from functions.enrolment.automation import Automatic
from functions.enrolment.coverage import State, cells, coverage, strangers
from functions.enrolment.errors import InvalidInput, RollcallError
from functions.enrolment.membership import Action
from functions.enrolment.times import iso
from functions.services.registry import SERVICES
from functions.services.survey import make_survey, survey_rates
from infra.config import read_config
from infra.organization import organizations_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from functions.enrolment.configuration import Configuration
    from functions.enrolment.coverage import Cell, Coverage, Listing, Survey
    from functions.enrolment.membership import Observation
    from functions.enrolment.target import Target
    from functions.services.protocol import SecurityService

EXAMPLES = """\
rollcall status --gaps
rollcall status --service guardduty --region eu-west-1 --json"""


def _checked_accounts(ids: list[str] | None) -> list[str] | None:
    for account in ids or ():
        if not is_account_id(account):
            raise BadParameter(f"takes an account id of 12 digits, not {account!r}")
    return ids


def run(
    account: Annotated[
        list[str] | None,
        Option(metavar="ID", callback=_checked_accounts, help="Only this account. Repeatable."),
    ] = None,
    service: Annotated[
        list[str] | None, Option(metavar="NAME", help="Only this service. Repeatable.")
    ] = None,
    region: Annotated[
        list[str] | None, Option(metavar="REGION", help="Only this Region. Repeatable.")
    ] = None,
    gaps: Annotated[
        bool, Option("--gaps", help="List every gap with what a run would do, or why it would not.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="Print one JSON document.")] = False,
    profile: Annotated[
        str | None,
        Option(metavar="NAME", help="The AWS profile of the administrator account."),
    ] = None,
    config: Annotated[
        Path, Option(metavar="FILE", help="The cdk.json with the configuration.")
    ] = Path("cdk.json"),
) -> int:
    """Show which accounts are enabled where, as the services say now.

    Reads the organisation's accounts, and the members that every configured service lists in every
    configured Region, with credentials of the administrator account. Nothing is changed. A gap is a
    membership that is to be enabled and is not; what is out of scope, suspended or left out by a
    policy is not one.

    Exit status 0: no gaps; 1: gaps, or targets that could not be read; 2: nothing was read, because
    an argument or the configuration is invalid, or Organizations could not be read.
    """
    try:
        configuration = _configuration(config)
        targets = _targets(configuration, service, region)
        now = time.time()
        survey = _survey(configuration, targets, profile, now, quiet=as_json)
        wanted = _wanted(account, survey)
    except (InvalidInput, RollcallError, BotoCoreError, ClientError) as error:
        print(f"rollcall status: {error}", file=sys.stderr)
        return 2
    found = [
        cell
        for cell in cells(survey.facts, survey.listings, configuration, now)
        if not wanted or cell.account_id in wanted
    ]
    counted = coverage(found)
    open_ones = [cell for cell in found if cell.state is State.GAP]
    others = list(strangers(survey.facts, survey.listings))
    if as_json:
        print(json.dumps(_document(survey, counted, open_ones, others, now)))
    else:
        _print(survey, counted, open_ones, others, now, gaps=gaps)
    unread = any(listing.problem for listing in survey.listings)
    return 1 if open_ones or unread else 0


def _configuration(path: Path) -> Configuration:
    try:
        context = json.loads(path.read_text())["context"]["rollcall"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            "--config", f"takes a cdk.json with context.rollcall, not {path} ({error!r})"
        ) from None
    return read_config(context).configuration


def _targets(
    configuration: Configuration, services: list[str] | None, regions: list[str] | None
) -> list[Target]:
    targets = [target for target in configuration.targets if configuration.is_offered(target)]
    for option, wanted, known in (
        ("--service", services, {str(target.service) for target in targets}),
        ("--region", regions, {target.region for target in targets}),
    ):
        for word in wanted or ():
            if word not in known:
                raise InvalidInput(option, f"takes one of {', '.join(sorted(known))}")
    chosen = [
        target
        for target in targets
        if (not services or str(target.service) in services)
        and (not regions or target.region in regions)
    ]
    if not chosen:
        raise InvalidInput("--region", "takes a Region in which a selected service is configured")
    return chosen


def _wanted(ids: list[str] | None, survey: Survey) -> frozenset[str]:
    for account in ids or ():
        if account not in survey.facts.directory:
            raise InvalidInput("--account", f"takes accounts of the organisation, not {account}")
    return frozenset(ids or ())


def _survey(
    configuration: Configuration,
    targets: Sequence[Target],
    profile: str | None,
    now: float,
    *,
    quiet: bool,
) -> Survey:
    session = boto3.Session(profile_name=profile)
    pacing = Pacing(survey_rates(SERVICES, configuration.reconcile.rates))
    clients, home = Clients(session).paced(pacing), organizations_region(configuration.regions[0])
    with calling("STS", "GetCallerIdentity"):
        administrator = clients.client("sts", configuration.regions[0]).get_caller_identity()
    directory = Directory(clients.client("organizations", home), clients.client("account", home))
    records = {record.name: record for record in SERVICES}

    def adapter_of(target: Target) -> SecurityService:
        record = records[target.service.name]
        return record.adapter_in(target.region, clients.client, configuration.invitation)

    progress = Console(stderr=True, highlight=False).status(f"Reading {len(targets)} targets")
    with nullcontext() if quiet else progress:
        return make_survey(
            targets,
            configuration,
            SERVICES,
            directory,
            AccountId(administrator["Account"]),
            adapter_of,
            now=now,
        )


def _print(
    survey: Survey,
    counted: Coverage,
    open_ones: Sequence[Cell],
    others: Sequence[tuple[Target, Observation]],
    now: float,
    *,
    gaps: bool,
) -> None:
    print(f"{len(survey.facts.directory)} accounts, as of {iso(now, 'seconds')}\n")
    label = max((len(one.target.service.label) for one in survey.listings), default=7)
    row = f"{{:<{label}}}  {{:<14}}  {{:>7}}  {{:>8}}  {{:>5}}"
    print(row.format("SERVICE", "REGION", "ENABLED", "LEFT OUT", "GAPS"))
    for listing in survey.listings:
        print(_line(row, listing, counted))
    if gaps and open_ones:
        print()
        for cell in open_ones:
            place = f"{cell.account_id}  {cell.target.service.label}  {cell.target.region}"
            print(f"{place}  {cell.raw}  {_prospect(cell)}")
    for target, seen in others if gaps else ():
        place = f"{seen.account_id}  {target.service.label}  {target.region}"
        print(f"{place}  {seen.raw}  a member that is no account of the organisation")
    unread = sum(listing.problem is not None for listing in survey.listings)
    summary = [_number(len(open_ones), "gap"), f"{_number(unread, 'target')} not read"]
    if others:
        summary.append(f"{_number(len(others), 'member')} outside the organisation")
    more = "" if gaps or not (open_ones or others) else " (--gaps lists them)"
    print(f"\n{', '.join(summary)}{more}")
    for note in survey.notes:
        print(f"Note: {note}.")


def _line(row: str, listing: Listing, counted: Coverage) -> str:
    target = listing.target
    if listing.problem is not None:
        numbers = row.format(target.service.label, target.region, "-", "-", "-")
        return f"{numbers}  not read: {str(listing.problem).split('; ')[0]}"
    states = counted.states.get(target, {})
    counts = (states.get(state, 0) for state in (State.ENABLED, State.LEFT_OUT, State.GAP))
    return row.format(target.service.label, target.region, *counts)


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _prospect(cell: Cell) -> str:
    """What a run would do about a gap."""
    if cell.action is Action.STOP:
        return f"a run would end it: {cell.reason}"
    by_itself = cell.automation
    if by_itself is None or by_itself.kind is Automatic.NONE:
        return f"a run would {cell.action}"
    return f"a run would {cell.action} ({by_itself.said})"


def _document(
    survey: Survey,
    counted: Coverage,
    open_ones: Sequence[Cell],
    others: Sequence[tuple[Target, Observation]],
    now: float,
) -> dict[str, Any]:
    return {
        "as_of": iso(now),
        "accounts": len(survey.facts.directory),
        "targets": [
            {
                **_place(listing.target),
                "problem": str(listing.problem) if listing.problem else None,
                "problem_code": listing.problem.code if listing.problem else None,
                "states": counted.states.get(listing.target, {}),
                "reasons": counted.reasons.get(listing.target, {}),
            }
            for listing in survey.listings
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
        "notes": list(survey.notes),
    }


def _place(target: Target) -> dict[str, str]:
    return {"service": target.service.name, "region": target.region}
