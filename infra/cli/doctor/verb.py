"""``rollcall doctor``: whether everything is there before the first account arrives."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import boto3
from typer import Option

from functions.aws.calls import CLIENT_CONFIG
from functions.aws.pacing import Pacing
from functions.aws.sessions import Clients
from functions.enrolment.errors import InvalidInput
from infra.cli.doctor import (
    deployment,
    event_path,
    forwarding,
    member_role,
    rehearsal,
    report,
    services,
    standing,
    trails,
)
from infra.cli.doctor.examination import Examination
from infra.cli.doctor.finding import Level
from infra.cli.doctor.masking import Masking
from infra.cli.doctor.rehearsal import MOST_DAYS, RATES
from infra.cli.options import AsJson, HomeRegion, Name, Profile, Regions, Services, Wanted
from infra.cli.progress import doing
from infra.cli.site import site_of
from infra.names import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from functions.enrolment.account import AccountId
    from infra.cli.site import Site

EXAMPLES = """\
rollcall doctor --management-profile management
rollcall doctor --service guardduty --region eu-west-1
rollcall doctor --management-profile management --rehearse --days 30 --save events.json"""

ACTIONS: tuple[str, ...] = tuple(
    sorted(
        {
            *services.ACTIONS,
            *deployment.ACTIONS,
            *event_path.ACTIONS,
            *forwarding.ACTIONS,
            *member_role.ACTIONS,
            *standing.ACTIONS,
        }
    )
)
# Those of the management account, with --management-profile.
MANAGEMENT_ACTIONS: tuple[str, ...] = tuple(
    sorted(
        {
            "events:PutEvents",
            *services.MANAGEMENT_ACTIONS,
            *forwarding.ACTIONS,
            *trails.ACTIONS,
            *rehearsal.MANAGEMENT_ACTIONS,
        }
    )
)
# The cdk.json of a deployment that was not made from this project's.
CONFIG_VARIABLE = "ROLLCALL_CONFIG"
CONFIG = Path(__file__).parents[3] / "cdk.json"


def run(
    service: Services = None,
    region: Regions = None,
    management_profile: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="The AWS profile of the management account: its part of the event path is checked,"
            " too.",
        ),
    ] = None,
    rehearse: Annotated[
        bool,
        Option(
            "--rehearse",
            help="Say what the deployment would make of the events about accounts that CloudTrail"
            " has recorded in the management account.",
        ),
    ] = False,
    days: Annotated[
        int | None,
        Option(
            metavar="NUMBER",
            min=1,
            max=MOST_DAYS,
            help=f"Rehearse the events of so many days. Default: {MOST_DAYS}, the most.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Write the rehearsed events to a file, with ids, names, addresses and ARNs"
            " replaced.",
        ),
    ] = None,
    config: Annotated[
        Path,
        Option(
            metavar="FILE",
            envvar=CONFIG_VARIABLE,
            show_envvar=False,
            help="The cdk.json to compare with what is deployed. Default: that of the environment"
            f" variable {CONFIG_VARIABLE}, which make local prints, or this project's.",
            show_default=False,
        ),
    ] = CONFIG,
    as_json: AsJson = False,
    profile: Profile = None,
    home_region: HomeRegion = None,
    name: Name = DEFAULT,
) -> int:
    """Check everything that Rollcall needs before an account arrives.

    Checks the services and their administrator in every configured Region, the deployment, and the
    path of an event about an account to the start of a run, with credentials of the administrator
    account. Each finding is ok, warn or fail, with the command that mends it. What may not be read
    is a warning which names the permission. Nothing is changed. One test event, which no rule
    matches, is put on Rollcall's bus.

    With --rehearse, the events about accounts that CloudTrail has recorded in the management
    account are put to the deployed rules and to the intake. Nothing is started by that. CloudTrail
    takes 2 lookups per second, each of up to 50 events.

    Exit status 0: nothing failed; 1: a finding is fail; 2: nothing was checked, because an argument
    is invalid, Rollcall is not deployed there, or AWS refused a call.
    """
    for option, given in (("--save", save), ("--days", days)):
        if given is not None and not rehearse:
            raise InvalidInput(option, "is taken only with --rehearse")
    days = days or MOST_DAYS
    site = site_of(profile, home_region, name)
    wanted = Wanted(tuple(service or ()), tuple(region or ()))
    targets = wanted.among(site.configuration.targets)
    now = time.time()
    with doing("Checking"):
        examination = Examination(site, targets, config, now)
        management = examination.management
        manager = _manager(site, management_profile, management)
        if rehearse and manager is None:
            whose = f"{management}, the management account" if management else "that account"
            raise InvalidInput(
                "--management-profile",
                "is required with --rehearse, because CloudTrail records the events in the"
                f" management account: a profile of {whose}, that may call cloudtrail:LookupEvents",
            )
        examination.examine(manager)
        if rehearse and manager is not None:
            since = datetime.fromtimestamp(now, UTC) - timedelta(days=days)
            examination.rehearse(manager, since, days)
    found = examination.found(profile, management_profile)
    if save is not None:
        _save(examination.records, save)
    if as_json:
        print(json.dumps(report.document(examination, found, now)))
    else:
        report.show(found, examination)
    return 1 if any(one.level is Level.FAIL for _, one in found) else 0


def _manager(site: Site, profile: str | None, management: AccountId | None) -> Clients | None:
    """Clients of the management account; None without a profile, unless it is this account."""
    administrator = site.wiring.settings.administrator_id
    if profile is None:
        return site.wiring.clients.paced(Pacing(RATES)) if management == administrator else None
    session = boto3.Session(profile_name=profile)
    sts: Any = session.client("sts", region_name=site.wiring.home_region, config=CLIENT_CONFIG)
    account = sts.get_caller_identity()["Account"]
    if management is not None and account != management:
        raise InvalidInput(
            "--management-profile",
            f"takes a profile of {management}, the management account, not of {account}",
        )
    return Clients(session, pacing=Pacing(RATES))


def _save(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    masking = Masking()
    document = {"version": "1", "records": [masking.masked(record) for record in records]}
    try:
        path.write_text(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        raise InvalidInput("--save", f"takes a file that can be written: {error}") from None
