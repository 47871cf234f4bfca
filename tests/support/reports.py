"""Reports of whole organisations, made without any service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.enrolment.account import AccountId, AccountState, Mode, OrganizationAccount
from functions.enrolment.configuration import Configuration
from functions.enrolment.coverage import Listing, Survey
from functions.enrolment.membership import Membership, Observation, Outcome, Status
from functions.enrolment.plan import Facts
from functions.enrolment.reason import Reason, ReasonCode
from functions.services import registry
from infra.cli.history import History, Totals
from infra.cli.report import Memory, Report, make_report
from tests.support.builders import ADMINISTRATOR, MANAGEMENT, NOW, a_membership, an_onboarding

if TYPE_CHECKING:
    from functions.enrolment.membership import MembershipKey
    from functions.enrolment.target import Target

# The Regions that are enabled in every account: with three services, 51 targets.
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "ap-south-1"),
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1", "ap-southeast-2"),
)
DAY = 86400
ROOT = "o-aa111bb222/r-ab12/"
NAMES = {"ou-ab12-cdefgh34": "Production", "ou-ab12-cdefgh35": "Test"}
OTHER_RUN = "onboarding-2"


def an_account(number: int, name: str = "", unit: str = "") -> OrganizationAccount:
    """An account of the organisation, in the second of two units unless one is given."""
    account = AccountId(f"{300_000_000_000 + number}")
    unit = unit or list(NAMES)[number % 2]
    return OrganizationAccount(
        account,
        "root@example.com",
        AccountState.ACTIVE,
        f"{ROOT}{unit}/{account}/",
        joined_at=NOW - 30 * DAY,
        name=name or f"Workload {number}",
    )


def a_configuration(regions: int) -> Configuration:
    """All services in the first Regions."""
    return Configuration(REGIONS[:regions], registry.SERVICES)


def a_report(
    accounts: int, regions: int = len(REGIONS), *, remembers: bool = True, name: str = ""
) -> Report:
    """A report in which 1 of 20 accounts is a gap of each kind, and the others are enabled.

    The first has ``name``. Every batch of 50 accounts was enrolled at a time of its own.
    """
    configuration = a_configuration(regions)
    directory = {
        each.id: each for each in (an_account(n, "" if n else name) for n in range(accounts))
    }
    facts = Facts(ADMINISTRATOR, MANAGEMENT, directory, {}, {})
    listings, rows = [], {}
    for number, target in enumerate(configuration.targets):
        members = {}
        for index, account in enumerate(directory):
            row = _row(account, target, index, number)
            rows[row.key] = row
            status = Status.ENABLED if _kind(index, number) else row.status or Status.ABSENT
            members[account] = Observation(account, status, str(status))
        listings.append(Listing(target, members))
    holders = {OTHER_RUN: an_onboarding(id=OTHER_RUN, started_at=NOW - DAY, lease_until=NOW + 900)}
    memory = Memory(rows, holders) if remembers else None
    survey = Survey(facts, tuple(listings), ("a note",))
    return make_report(survey, configuration, memory, tuple(directory.values()), NOW)


def some_totals(report: Report) -> History:
    """Totals of 30 days at every service of a report, of which the last are the best."""
    services = dict.fromkeys(each.target.service for each in report.survey.listings)
    due = len(report.lines) // len(services)
    return History(
        {
            service: [
                Totals(NOW - (30 - day) * DAY, due * (70 + day) // 100, due * (30 - day) // 100)
                for day in range(30)
            ]
            for service in services
        }
    )


def _kind(index: int, number: int) -> int:
    """0 for a gap."""
    return (index + number // 3) % 20


def _row(account: AccountId, target: Target, index: int, number: int) -> Membership:
    """What the table remembers: an enabled membership or one of three gaps."""
    at = NOW - 20 * DAY + (index // 50) * 60 + number
    taken = a_membership(Status.ABSENT, account_id=account, target=target, at=at)
    if _kind(index, number) or index % 3 == 0:
        enabled = taken.seen(Observation(account, Status.ENABLED, "Enabled"), at + 20)
        done = enabled.settled(Outcome.ENABLED, None, at + 20)
        if _kind(index, number):
            return done
        return done.seen(Observation(account, Status.REMOVED, "Removed"), at + 30)
    if index % 3 == 1:
        text = f"the account belongs to another administrator; Absent since {index}; to do: ask it"
        return taken.settled(
            Outcome.FAILED, Reason(ReasonCode.OTHER_ADMINISTRATOR, text), at + index
        )
    return Membership(account, target, Mode.ORGANIZATION, OTHER_RUN, taken_at=NOW - 60).seen(
        Observation(account, Status.CREATED, "Created"), NOW - 50 + index / 100
    )


def keyed(report: Report) -> dict[MembershipKey, str]:
    """The condition of every line."""
    return {(line.cell.account_id, line.cell.target): line.condition for line in report.lines}
