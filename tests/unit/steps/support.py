"""What a step works with: a table in memory, and small stand-ins for everything else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from functions.aws.archive import Archive
from functions.aws.directory import Directory, Organization
from functions.aws.executions import Ended, Execution, Executions, machine_of
from functions.aws.publisher import COMPLETED, Publisher
from functions.aws.settings import Settings
from functions.enrolment.account import AccountId, AccountState, OrganizationAccount
from functions.enrolment.automation import auto_enable
from functions.enrolment.errors import AccessDenied, AdministratorNotReady, Permanent
from functions.enrolment.membership import Answer, Observation, Status, Verdict
from functions.services import registry
from functions.steps import wiring
from functions.steps.wiring import Wiring
from tests.support.builders import (
    ADMINISTRATOR,
    EMAIL,
    MANAGEMENT,
    NOW,
    RUN,
    TARGET,
    a_configuration,
)
from tests.support.lambda_context import CONTEXT
from tests.support.memory_rows import MemoryRows, ledger_on, reconciles_on
from tests.unit.aws.support import an_onboarding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from functions.aws.ledger import Ledger
    from functions.aws.reconciles import Reconciles
    from functions.aws.rows import Item, Write
    from functions.aws.sessions import Clients
    from functions.enrolment.automation import Automation
    from functions.enrolment.errors import RollcallError
    from functions.enrolment.membership import Membership
    from functions.enrolment.records import OnboardingRecord
    from functions.enrolment.target import Target

    # What fails, by name: each time it is used the next error, or None.
    Errors = dict[str, Iterator[RollcallError | None]]
    Says = Callable[[Sequence[AccountId]], Mapping[AccountId, Answer]]
    Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

TAKEN = Answer(Verdict.TAKEN)
MACHINE = "arn:aws:states:eu-west-1:111122223333:stateMachine:Rollcall"


class Interrupted(MemoryRows):
    """Rows where somebody else comes between a step's reading and its first write."""

    def __init__(self) -> None:
        super().__init__()
        self.between: Callable[[], object] | None = None

    def transact(self, writes: Sequence[Write]) -> frozenset[int]:
        self._interrupt()
        return super().transact(writes)

    def update(
        self, key: Item, expression: str, condition: str, values: Mapping[str, Any]
    ) -> tuple[bool, Item]:
        self._interrupt()
        return super().update(key, expression, condition, values)

    def _interrupt(self) -> None:
        between, self.between = self.between, None
        if between is not None:
            between()


def _fail(errors: Errors, name: str) -> None:
    error = next(errors.get(name, iter(())), None)
    if error is not None:
        raise error


class Service:
    """A security service: what it is asked, in ``calls``, and what it ``says``, which may raise.

    ``resource`` is the administrator's, looked up ``lookups`` times; any other is gone, and so is
    that one where ``gone`` is set. Calls with what is gone are refused by ``refuses``. ``does`` is
    what it does by itself, asked for the accounts of ``asked_automation``.
    """

    def __init__(self, errors: Errors) -> None:
        self.resource = "detector-1"
        self.lookups = 0
        self.gone = False
        self.refuses: type[Permanent] = AdministratorNotReady
        self.statuses: dict[AccountId, Status] = {}
        self.does: dict[AccountId, Automation] = {}
        self.asked_automation: list[list[AccountId]] = []
        self.says: Says = lambda accounts: dict.fromkeys(accounts, TAKEN)
        self.calls: list[tuple[str, list[AccountId]]] = []
        self._errors = errors

    def administrator_resource(self) -> str:
        self.lookups += 1
        _fail(self._errors, "resource")
        return self.resource

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        self.calls.append(("observe", list(accounts)))
        if self.gone or resource != self.resource:
            raise self.refuses(f"no {resource}: GuardDuty CreateDetector first")
        found = {account: self.statuses.get(account, Status.ABSENT) for account in accounts}
        return tuple(Observation(each, status, str(status)) for each, status in found.items())

    def members(self, resource: str) -> Iterator[Observation]:
        seen = self.observe(resource, list(self.statuses))
        return (one for one in seen if one.status is not Status.ABSENT)

    def automation(
        self, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Automation]:
        self.asked_automation.append(list(accounts))
        _fail(self._errors, "automation")
        return {account: self.does.get(account, auto_enable("NONE")) for account in accounts}

    def create(
        self, resource: str, emails: Mapping[AccountId, str | None]
    ) -> Mapping[AccountId, Answer]:
        return self._act("create", list(emails))

    def invite(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        return self._act("invite", accounts)

    def restart(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        return self._act("restart", accounts)

    def _act(self, action: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        self.calls.append((action, list(accounts)))
        return self.says(accounts)


class Published(Publisher):
    """What was published, by channel."""

    def __init__(self, errors: Errors) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.messages: list[tuple[str, str, dict[str, Any]]] = []
        self.attributes: list[dict[str, str]] = []
        self._errors = errors

    def event(self, document: Mapping[str, Any], detail_type: str = COMPLETED) -> str:
        _fail(self._errors, "event")
        self.events.append((detail_type, dict(document)))
        return f"e-{len(self.events)}"

    def message(
        self, subject: str, text: str, document: Mapping[str, Any], attributes: Mapping[str, str]
    ) -> str:
        _fail(self._errors, "message")
        self.messages.append((subject, text, dict(document)))
        self.attributes.append(dict(attributes))
        return f"m-{len(self.messages)}"


class Kept(Archive):
    """What was kept, by key."""

    def __init__(self, errors: Errors) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self._errors = errors

    def persist(self, key: str, document: Mapping[str, Any]) -> str:
        _fail(self._errors, "archive")
        self.documents[key] = dict(document)
        return f"s3://results/{key}"

    def read(self, key: str) -> dict[str, Any] | None:
        _fail(self._errors, "archive read")
        found: dict[str, Any] | None = json.loads(json.dumps(self.documents.get(key)))
        return found


class Known(Directory):
    """Organizations with these accounts, which joined at ``NOW``; ``asked`` are the calls."""

    def __init__(self) -> None:
        self.founded = True
        self.account_ids: list[AccountId] = []
        self.states: dict[AccountId, AccountState] = {}
        self.asked: list[str] = []

    def organization(self) -> Organization | None:
        return Organization("o-exampleorgid", MANAGEMENT) if self.founded else None

    def find(self, account_id: AccountId) -> OrganizationAccount | None:
        self.asked.append("find")
        return self._of(account_id) if account_id in self.account_ids else None

    def accounts(self) -> Iterator[OrganizationAccount]:
        self.asked.append("accounts")
        return map(self._of, self.account_ids)

    def _of(self, account_id: AccountId) -> OrganizationAccount:
        state = self.states.get(account_id, AccountState.ACTIVE)
        return OrganizationAccount(account_id, EMAIL, state, joined_at=NOW)

    def policy_types(self) -> dict[str, str] | None:
        return {}

    def is_delegated(self, service_principal: str, account_id: AccountId) -> bool | None:
        return True


class Seen(Executions):
    """The executions that have ended, by ARN, and those that were started, by name; ``denied`` are
    those of machines that a step may not ask about. All began at ``NOW``.
    """

    def __init__(self) -> None:
        self.over: dict[str, Ended] = {}
        self.denied: set[str] = set()
        self.inputs: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self.started: dict[str, dict[str, Any]] = {}
        self.errors: Errors = {}

    def ended(self, execution_arn: str) -> Ended | None:
        _fail(self.errors, "ended")
        return self.over.get(execution_arn)

    def execution(self, execution_arn: str) -> Execution | None:
        if execution_arn in self.denied:
            raise AccessDenied("Step Functions DescribeExecution: AccessDeniedException")
        ended = self.over.get(execution_arn)
        status, at = ("RUNNING", None) if ended is None else (ended.status, ended.at)
        error, given = (told.get(execution_arn) for told in (self.failures, self.inputs))
        return Execution(execution_arn, status, NOW, at, error, input=given)

    def is_over(self, execution_arn: str) -> bool:
        return execution_arn in self.over

    def unsuccessful(self, machine_arn: str, since: float) -> Iterator[Execution]:
        _fail(self.errors, "unsuccessful")
        for arn, ended in self.over.items():
            if machine_of(arn) == machine_arn and ended.status != "SUCCEEDED" and since <= NOW:
                yield Execution(arn, ended.status, NOW, ended.at)

    def start(self, machine_arn: str, name: str, document: Mapping[str, Any]) -> bool:
        assert machine_arn == MACHINE
        new = name not in self.started
        self.started.setdefault(name, dict(document))
        return new


@dataclass(frozen=True)
class Wired(Wiring):
    """A step's wiring. ``errors`` are for ``resource``, ``event``, ``message`` and ``archive``."""

    rows: MemoryRows
    errors: Errors
    target: Service
    published: Published
    kept: Kept
    known: Known
    seen: Seen

    @property
    def paced(self) -> Wired:
        return self

    @property
    def ledger(self) -> Ledger:
        return ledger_on(self.rows)

    @property
    def reconciles(self) -> Reconciles:
        return reconciles_on(self.rows)

    @property
    def publisher(self) -> Publisher:
        return self.published

    @property
    def archive(self) -> Archive:
        return self.kept

    @property
    def directory(self) -> Directory:
        return self.known

    @property
    def executions(self) -> Executions:
        return self.seen

    def service(self, target: Target) -> Service:
        return self.target


def wired(rows: MemoryRows | None = None, now: float = NOW, **configured: Any) -> Wired:
    """The wiring of a step at one time; on a table of its own, if none is given."""
    errors: Errors = {}
    configuration = a_configuration(**configured)
    settings = Settings(
        ADMINISTRATOR, "aws", configuration, "table", "bus", "topic", "results", MACHINE
    )
    return Wired(
        settings=settings,
        clients=cast("Clients", None),
        home_region="eu-west-1",
        now=lambda: now,
        services=registry.SERVICES,
        rows=rows or MemoryRows(),
        errors=errors,
        target=Service(errors),
        published=Published(errors),
        kept=Kept(errors),
        known=Known(),
        seen=Seen(),
    )


def begin(wiring_: Wired, *memberships: Membership, **changes: Any) -> None:
    """A run that was begun, with its memberships as they were written first."""
    wiring_.ledger.open(an_onboarding(RUN, **changes))
    if memberships:
        assert not wiring_.ledger.write(memberships, NOW)


def the_record(wiring_: Wired) -> OnboardingRecord:
    """The run's record as the table has it now."""
    return wiring_.ledger.onboardings([RUN])[RUN]


def rows(wiring_: Wired) -> dict[AccountId, Membership]:
    """What the table has of the target, by account."""
    accounts = {pk.removeprefix("account#") for pk, _ in wiring_.rows.items}
    found = wiring_.ledger.read((AccountId(account), TARGET) for account in accounts)
    return {account: membership for (account, _), membership in found.items()}


def run(handler: Handler, event: dict[str, Any], wiring_: Wiring) -> dict[str, Any]:
    """Run a step as Lambda does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "wiring", lambda: wiring_)
        return handler(event, CONTEXT)
