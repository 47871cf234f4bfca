"""The scenarios ``backfill`` and ``gaps``: an organisation that was there before Rollcall."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import Mode
from functions.enrolment.coverage import State, cells, coverage
from functions.enrolment.membership import Membership, Outcome
from functions.enrolment.reason import Reason, ReasonCode
from infra.cli.follow import by_reason, follow
from infra.cli.local.scenarios import ADMINISTRATOR, HOME_REGION, MANAGEMENT, REGIONS, SERVICES
from infra.cli.local.subscriber import Subscriber
from infra.cli.survey import number, offered_targets, survey, table
from infra.cli.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from functions.aws.ledger import Ledger
    from functions.enrolment.coverage import Cell
    from infra.cli.local.deployment import Deployment
    from infra.cli.site import Site
    from infra.local.process import LocalAws

FORMER_ADMINISTRATOR = "121212121212"
SUSPENDED, FORMER_MEMBER, RESIGNED = "300000000297", "300000000298", "300000000299"
PROBLEMS = {
    SUSPENDED: "suspended",
    FORMER_MEMBER: f"a member of {FORMER_ADMINISTRATOR} in GuardDuty",
    RESIGNED: "resigned from GuardDuty before it joined the organisation",
}
# With the management account and the administrator account, 300.
_ORDINARY = [f"{300_000_000_001 + number}" for number in range(295)]
IN_SECURITY_HUB = _ORDINARY[:120]
CREATED = _ORDINARY[120:160]
ENROLLED = _ORDINARY[160:170]
DRIFTED = ENROLLED[:3]
UNTOUCHED = _ORDINARY[170:]
BY_HAND_REGIONS = REGIONS[:2]
# What people do in one Region after everything is enrolled, in the scenario ``gaps``.
GAPS_REGION = REGIONS[0]
REMOVED_LATER = UNTOUCHED[:40]
DELETED_LATER = UNTOUCHED[40:50]
STOPPED_LATER = UNTOUCHED[50:53]
NOT_IN_DETECTIVE = UNTOUCHED[53:55]
CLOSED = UNTOUCHED[55]
_DAMAGE = {
    f"{len(REMOVED_LATER)} accounts disassociated in Security Hub": REMOVED_LATER,
    f"{len(DELETED_LATER)} members deleted in GuardDuty": DELETED_LATER,
    f"{len(STOPPED_LATER)} members of GuardDuty whose monitoring was stopped": STOPPED_LATER,
    f"{len(NOT_IN_DETECTIVE)} members deleted in Detective": NOT_IN_DETECTIVE,
}
MOST_CHANGES = 300

_BATCH = 50
_MOST_REASONS = 20
# Four times as long as on two idle cores.
_RUN_SECONDS = 60
_RECONCILE_SECONDS = 300
_RESULT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A reconcile's execution once it has ended, and what it published, by the channel."""

    execution: dict[str, Any]
    published: dict[str, dict[str, Any]]


class Backfill:
    """The scenario on a local AWS with an organisation and a deployment."""

    def __init__(
        self,
        console: Console,
        aws: LocalAws,
        deployment: Deployment,
        site: Site,
        note: Callable[[str], None],
    ) -> None:
        self._console = console
        self._aws = aws
        self._deployment = deployment
        self._site = site
        self._note = note
        self._machines = aws.client("stepfunctions", ADMINISTRATOR, HOME_REGION)

    def play(self) -> int:
        """Play it; returns the exit status: 0 if it ended as expected.

        Raises:
            TimeoutError: an execution has not ended in time.
        """
        subscriber = Subscriber(self._aws, ADMINISTRATOR, HOME_REGION, self._deployment)
        self.prepare()
        self._note(f"{len(_ORDINARY) + len(PROBLEMS) + 2} accounts, some enrolled by hand")
        for account, problem in PROBLEMS.items():
            self._console.print(f"          {account}: {problem}")
        self.drift()
        self._note(f"{len(ENROLLED)} accounts enrolled by Rollcall, {len(DRIFTED)} of them removed")
        self.show("before")
        machine = self._site.outputs["ReconcileMachineArn"]
        first = self._reconcile(machine, {}, subscriber)
        self._report(first)
        began = time.monotonic()
        last = self._reconcile(machine, {"most_changes": MOST_CHANGES}, subscriber)
        self._report(last)
        took = time.monotonic() - began
        gaps = self.show("after")
        self._explain(gaps)
        self._console.print(f"\n{took:.1f} s from start to published result", style="dim")
        return 0 if is_as_expected(first, last, gaps) else 1

    def play_and_damage(self) -> int:
        """Play it, and make gaps again in one Region; returns the exit status as ``play`` does."""
        status = self.play()
        self.damage()
        self._console.print(f"\nDone since by people in {GAPS_REGION}:")
        for what, accounts in _DAMAGE.items():
            self._console.print(f"  {what}: {accounts[0]} to {accounts[-1]}")
        self._console.print(f"  an account closed: {CLOSED}")
        left = self.show("now")
        damaged = {account for accounts in _DAMAGE.values() for account in accounts}
        made = {gap.account_id for gap in left if gap.target.region == GAPS_REGION}
        return status or (0 if damaged <= made else 1)

    def damage(self) -> None:
        """Do in one Region what people do, so that enrolled accounts are not Enabled any more."""
        hub = self._aws.client("securityhub", ADMINISTRATOR, GAPS_REGION)
        hub.disassociate_members(AccountIds=REMOVED_LATER)
        guardduty = self._aws.client("guardduty", ADMINISTRATOR, GAPS_REGION)
        (detector,) = guardduty.list_detectors()["DetectorIds"]
        guardduty.disassociate_members(DetectorId=detector, AccountIds=DELETED_LATER)
        guardduty.delete_members(DetectorId=detector, AccountIds=DELETED_LATER)
        guardduty.stop_monitoring_members(DetectorId=detector, AccountIds=STOPPED_LATER)
        detective = self._aws.client("detective", ADMINISTRATOR, GAPS_REGION)
        (graph,) = detective.list_graphs()["GraphList"]
        detective.delete_members(GraphArn=graph["Arn"], AccountIds=NOT_IN_DETECTIVE)
        self._aws.world(do="set_account", account_id=CLOSED, state="SUSPENDED")

    def prepare(self) -> None:
        """Add the accounts, and do what people did in consoles before Rollcall."""
        self._add(FORMER_ADMINISTRATOR)
        for account in (*CREATED, RESIGNED, FORMER_MEMBER):
            self._add(account)
        self._ask_before_joining()
        for account in (*_ORDINARY, RESIGNED, FORMER_MEMBER):
            self._add(account, organization=MANAGEMENT)
        self._add(SUSPENDED, organization=MANAGEMENT, state="SUSPENDED")
        for service in SERVICES:
            # Only its own users can enable a service in the management account.
            place = {"account_id": MANAGEMENT, "regions": list(REGIONS)}
            self._aws.world(do="enable", service=service, **place)
        for region in BY_HAND_REGIONS:
            hub = self._aws.client("securityhub", ADMINISTRATOR, region)
            for some in _in_batches(IN_SECURITY_HUB):
                hub.create_members(AccountDetails=[{"AccountId": account} for account in some])

    def drift(self) -> None:
        """Let Rollcall enrol some accounts, and remove some of them again as people do."""
        started = self._start(
            self._deployment.machine_arn, {"accounts": [{"id": account} for account in ENROLLED]}
        )
        self._ended(started, _RUN_SECONDS)
        for region in BY_HAND_REGIONS:
            hub = self._aws.client("securityhub", ADMINISTRATOR, region)
            hub.disassociate_members(AccountIds=DRIFTED)

    def show(self, when: str) -> list[Cell]:
        """Print how many accounts are Enabled at each target; returns the gaps."""
        now, configuration = time.time(), self._site.configuration
        read = survey(self._site.wiring, offered_targets(configuration), now)
        found = list(cells(read.facts, read.listings, configuration, now))
        gaps = [cell for cell in found if cell.state is State.GAP]
        self._console.print(f"\nCoverage {when}: {number(len(gaps), 'gap')}\n")
        for line in table(read.listings, coverage(found)):
            self._console.print(line, markup=False)
        return gaps

    def _explain(self, gaps: Sequence[Cell]) -> None:
        rows = self._site.wiring.ledger.read((gap.account_id, gap.target) for gap in gaps)
        left = [as_membership(gap, rows.get((gap.account_id, gap.target))) for gap in gaps]
        self._console.print("\nNot enabled:" if left else "\nNo gaps are left")
        width = self._console.width if self._console.is_terminal else sys.maxsize
        texts = list(by_reason(left, width))
        for text in texts[:_MOST_REASONS]:
            self._console.print(text)
        if texts[_MOST_REASONS:]:
            self._console.print(f"  and {len(texts) - _MOST_REASONS} more")

    def _add(self, account: str, **facts: object) -> None:
        self._aws.world(do="add_account", account_id=account, email=_email(account), **facts)

    def _ask_before_joining(self) -> None:
        """What was done about accounts when they were not in the organisation yet."""
        for region in BY_HAND_REGIONS:
            administrator = self._aws.client("guardduty", ADMINISTRATOR, region)
            (detector,) = administrator.list_detectors()["DetectorIds"]
            administrator.create_members(
                DetectorId=detector,
                AccountDetails=[
                    {"AccountId": account, "Email": _email(account)}
                    for account in (*CREATED, RESIGNED)
                ],
            )
            administrator.invite_members(
                DetectorId=detector, AccountIds=[RESIGNED], DisableEmailNotification=True
            )
        guardduty = {"service": "guardduty", "regions": list(BY_HAND_REGIONS)}
        self._aws.world(do="enable", account_id=FORMER_ADMINISTRATOR, **guardduty)
        self._aws.world(do="set_account", account_id=FORMER_MEMBER, accepts_after=0)
        self._aws.world(
            do="invite",
            administrator=FORMER_ADMINISTRATOR,
            account_id=FORMER_MEMBER,
            **guardduty,
        )
        # Invitations arrive when the e-mail addresses are verified.
        self._aws.control("POST", "clock", {"advance": 10})
        for region in BY_HAND_REGIONS:
            resigning = self._aws.client("guardduty", RESIGNED, region)
            resigning.decline_invitations(AccountIds=[ADMINISTRATOR])

    def _reconcile(
        self, machine: str, document: dict[str, Any], subscriber: Subscriber
    ) -> Reconciled:
        """Start a reconcile, show its runs until it has ended, and receive its result.

        Its thousands of memberships are shown on a terminal only.
        """
        execution = self._start(machine, document)
        name = execution.rpartition(":")[2]
        self._console.print(f"\nReconcile {name}, started with {json.dumps(document)}")
        if self._console.is_terminal:
            runs = Watching(self._site, [name], started=True)
            follow(self._console, runs.look, seconds=_RECONCILE_SECONDS)
        ended = self._ended(execution, _RECONCILE_SECONDS)
        self._console.print(progress(self._site.wiring.ledger, name))
        return Reconciled(
            ended,
            subscriber.receive(lambda result: result.get("id") == name, seconds=_RESULT_SECONDS),
        )

    def _report(self, reconciled: Reconciled) -> None:
        execution = reconciled.execution
        ending = f"Execution {execution['status']}"
        if "error" in execution:
            ending += f": {execution['error']}: {execution.get('cause', '')}"
        self._console.print(ending, markup=False)
        for channel in ("topic", "bus"):
            arrived = "arrived" if channel in reconciled.published else "did NOT arrive"
            self._console.print(f"Result from the {channel} {arrived}")
        for result in list(reconciled.published.values())[:1]:
            changes = result["changes"]
            self._console.print(
                f"Published: {result['outcome']}; {number(changes['needed'], 'account')} to create"
                f" or invite, at most {changes['most_changes']} allowed"
            )
            for one in result["drift"]:
                self._console.print(
                    f"  {one['account_id']}  {one['service']}  {one['region']}  was Enabled at"
                    f" {one['enabled_at']}, is {one['status']} at {one['found_at']}"
                )

    def _start(self, machine: str, document: dict[str, Any]) -> str:
        started = self._machines.start_execution(
            stateMachineArn=machine, input=json.dumps(document)
        )
        return str(started["executionArn"])

    def _ended(self, execution: str, seconds: float) -> dict[str, Any]:
        """The execution once it has ended."""
        give_up = time.monotonic() + seconds
        while True:
            described: dict[str, Any] = self._machines.describe_execution(executionArn=execution)
            if described["status"] != "RUNNING":
                return described
            if time.monotonic() > give_up:
                raise TimeoutError(f"{execution} has not ended after {seconds:.0f} s")
            time.sleep(0.5)


def is_as_expected(first: Reconciled, last: Reconciled, gaps: Sequence[Cell]) -> bool:
    """Whether the first reconcile changed nothing, the last one reported the drift, both results
    arrived on both channels, and only accounts with problems have gaps.
    """
    if len(first.published) < 2 or len(last.published) < 2:
        return False
    return (
        first.published["bus"]["outcome"] == "confirmation required"
        and {one["account_id"] for one in last.published["bus"]["drift"]} == set(DRIFTED)
        and {gap.account_id for gap in gaps} <= PROBLEMS.keys()
    )


def progress(ledger: Ledger, reconcile_id: str) -> str:
    """How far the runs that a reconcile has started are."""
    runs = [run for run in ledger.recent(100) if run.id.startswith(f"{reconcile_id}-")]
    closed = [run for run in runs if run.closed_at is not None]
    counts = Counter[str]()
    for run in closed:
        counts.update(run.counts)
    ended = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    accounts = sum(len(run.accounts) for run in runs)
    text = f"{number(len(runs), 'run')} of {number(accounts, 'account')}, {len(closed)} ended"
    return f"{text}: {ended}" if ended else text


def as_membership(gap: Cell, row: Membership | None) -> Membership:
    """The gap with its reason: that of the last run, or else what a run would do about it."""
    if row is not None and row.reason is not None:
        return row
    why = gap.reason or Reason(ReasonCode.OTHER, f"{gap.raw}; a run would {gap.action}")
    return Membership(gap.account_id, gap.target, Mode.ORGANIZATION, reason=why)


def _email(account: str) -> str:
    return f"account-{account}@example.com"


def _in_batches(accounts: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(accounts), _BATCH):
        yield accounts[first : first + _BATCH]
