"""The IAM actions beside the calls are those of the calls that are made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from functions.aws import directory, executions, ownership, publisher, reconciles, sessions
from functions.aws.directory import Directory
from functions.aws.executions import Executions
from functions.aws.ledger import ACTIONS as LEDGER_ACTIONS
from functions.aws.ledger import Ledger
from functions.aws.ownership import take
from functions.aws.publisher import Publisher
from functions.aws.reconciles import Lock, Reconciles
from functions.aws.sessions import Clients
from functions.enrolment.account import Account, Mode
from functions.enrolment.ownership import Claim
from functions.enrolment.plan import Plan
from functions.enrolment.reconcile_record import ReconcileRecord
from functions.services import registry
from tests.support.builders import ACCOUNT, NOW, TARGET, a_membership
from tests.unit.aws.support import LEASE, REGION, a_session, an_onboarding, watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from functions.aws.rows import Rows

PLAN = Plan((Account(ACCOUNT, None, Mode.ORGANIZATION),), (TARGET,))
MACHINE = f"arn:aws:states:{REGION}:111122223333:stateMachine:Rollcall"
TOPIC = f"arn:aws:sns:{REGION}:111122223333:rollcall"
CREDENTIALS = {
    "AccessKeyId": "ASIAEXAMPLEEXAMPLE00",
    "SecretAccessKey": "example",
    "SessionToken": "example",
    "Expiration": datetime(2027, 1, 15, tzinfo=UTC),
}

# A transaction needs what its parts need (DynamoDB guide, "Using IAM with DynamoDB transactions").
DONE_AS = {"dynamodb:TransactWriteItems": {"dynamodb:PutItem"}}

# Each on a table where "one" was begun and has written a membership.
LEDGER: dict[str, Callable[[Ledger], object]] = {
    "open": lambda it: it.open(an_onboarding("one")),
    "close": lambda it: it.close("one", "enabled", {}, NOW),
    "set_unfinished": lambda it: it.set_unfinished("one", ["event"]),
    "end": lambda it: it.end("one", NOW),
    "onboarding": lambda it: it.onboarding("one"),
    "onboardings": lambda it: it.onboardings(["one"]),
    "holders": lambda it: it.holders([a_membership(onboarding_id="one")]),
    "recent": lambda it: list(it.recent(1)),
    "mark_published": lambda it: it.mark_published("one", "event", "e-1"),
    "extend_lease": lambda it: it.extend_lease("one", NOW + 2 * LEASE),
    "persist_plan": lambda it: it.persist_plan(an_onboarding("one"), PLAN),
    "plan": lambda it: it.plan(an_onboarding("one")),
    "waiting_since": lambda it: [it.waiting_since("one", NOW, NOW) for _ in range(2)],
    "persist_resource": lambda it: it.persist_resource(a_membership().target, "detector-1"),
    "persist_dry_run": lambda it: it.persist_dry_run([a_membership()], NOW),
    "findings": lambda it: it.findings("one"),
    "read": lambda it: it.read([a_membership().key]),
    "read_with_onboarding": lambda it: it.read_with_onboarding("one", [a_membership().key]),
    "write": lambda it: it.write([a_membership()], NOW, [a_membership()]),
    "record": lambda it: it.record([a_membership()], NOW),
}

RECONCILE = ReconcileRecord("one", "manual", NOW, "arn:one")
LOCK = Lock("one", "arn:one", NOW)
# Each on a table where "one" was begun and holds the lock.
RECONCILES: dict[str, Callable[[Reconciles], object]] = {
    "open": lambda it: it.open(RECONCILE),
    "reconcile": lambda it: it.reconcile("one"),
    "recent": lambda it: list(it.recent(1)),
    "paused": lambda it: it.paused("one", NOW),
    "surveyed": lambda it: it.surveyed("one", NOW),
    "begin_runs": lambda it: it.begin_runs("one", [1], NOW, NOW),
    "mark_published": lambda it: it.mark_published("one", "event", "e-1"),
    "close": lambda it: it.close("one", "complete", NOW),
    "set_unfinished": lambda it: it.set_unfinished("one", ["event"]),
    "lock": lambda it: it.lock(LOCK, lambda _: False),
    "running": lambda it: it.running(NOW, lambda _: False),
    "release": lambda it: it.release("arn:one", NOW),
    "memberships": lambda it: it.memberships(),
}


def used(made: list[str]) -> set[str]:
    """The IAM actions that these calls need."""
    return {action for call in made for action in DONE_AS.get(call, {call})}


@pytest.mark.parametrize("method", LEDGER)
def test_actions_of_the_ledger(ledger: Ledger, dynamodb: DynamoDBClient, method: str) -> None:
    ledger.open(an_onboarding("one"))
    ledger.persist_plan(an_onboarding("one"), PLAN)
    ledger.write([a_membership()], NOW)
    made = watch(dynamodb)

    LEDGER[method](ledger)

    assert used(made) == set(LEDGER_ACTIONS[method])


@pytest.mark.parametrize("method", RECONCILES)
def test_actions_of_reconciles(dynamodb: DynamoDBClient, rows: Rows, method: str) -> None:
    it = Reconciles(rows, registry.SERVICES)
    it.open(RECONCILE)
    it.lock(LOCK, lambda _: False)
    made = watch(dynamodb)

    RECONCILES[method](it)

    assert used(made) == set(reconciles.ACTIONS[method])


def test_actions_of_taking(ledger: Ledger, dynamodb: DynamoDBClient) -> None:
    ledger.write([a_membership()], NOW)
    made = watch(dynamodb)

    take(ledger, PLAN.covered, {ACCOUNT: Claim("two", NOW, Mode.ORGANIZATION)}, NOW)

    assert used(made) == set(ownership.ACTIONS["take"])


def directory_of(clients: Clients) -> Directory:
    return Directory(clients.client("organizations", REGION), clients.client("account", REGION))


def publisher_of(clients: Clients) -> Publisher:
    return Publisher(
        clients.client("events", REGION), clients.client("sns", REGION), "rollcall", TOPIC
    )


OTHERS: dict[str, tuple[Any, str, Any, Callable[[Clients], object]]] = {
    "organization": (
        "organizations",
        "describe_organization",
        {"Organization": {"Id": "o-exampleorgid", "MasterAccountId": ACCOUNT}},
        lambda clients: directory_of(clients).organization(),
    ),
    "find": (
        "organizations",
        "describe_account",
        {"Account": {"Id": ACCOUNT}},
        lambda clients: directory_of(clients).find(ACCOUNT),
    ),
    "accounts": (
        "organizations",
        "list_accounts",
        {"Accounts": []},
        lambda clients: list(directory_of(clients).accounts()),
    ),
    "is_delegated": (
        "organizations",
        "list_delegated_administrators",
        {"DelegatedAdministrators": []},
        lambda clients: directory_of(clients).is_delegated("guardduty.amazonaws.com", ACCOUNT),
    ),
    "tags": (
        "organizations",
        "list_tags_for_resource",
        {"Tags": []},
        lambda clients: directory_of(clients).tags(ACCOUNT),
    ),
    "policy_types": (
        "organizations",
        "list_roots",
        {"Roots": []},
        lambda clients: directory_of(clients).policy_types(),
    ),
    "unit_name": (
        "organizations",
        "describe_organizational_unit",
        {"OrganizationalUnit": {"Name": "Production"}},
        lambda clients: directory_of(clients).unit_name("ou-ab12-cdefgh34"),
    ),
    "enabled_regions": (
        "account",
        "list_regions",
        {"Regions": []},
        lambda clients: directory_of(clients).enabled_regions(ACCOUNT),
    ),
    "event": (
        "events",
        "put_events",
        {"FailedEntryCount": 0, "Entries": [{"EventId": "e-1"}]},
        lambda clients: publisher_of(clients).event({}),
    ),
    "message": (
        "sns",
        "publish",
        {"MessageId": "m-1"},
        lambda clients: publisher_of(clients).message("subject", "text", {}, {}),
    ),
    "ended": (
        "stepfunctions",
        "describe_execution",
        {"stateMachineArn": MACHINE, "status": "RUNNING", "executionArn": MACHINE, "startDate": 0},
        lambda clients: Executions(clients.client("stepfunctions", REGION)).ended(MACHINE),
    ),
    "unsuccessful": (
        "stepfunctions",
        "list_executions",
        {
            "executions": [
                {
                    "executionArn": MACHINE,
                    "stateMachineArn": MACHINE,
                    "name": "one",
                    "status": "FAILED",
                    "startDate": datetime(2027, 1, 15, tzinfo=UTC),
                }
            ]
        },
        lambda clients: next(
            Executions(clients.client("stepfunctions", REGION)).unsuccessful(MACHINE, 0)
        ),
    ),
    "is_over": (
        "stepfunctions",
        "describe_execution",
        {"stateMachineArn": MACHINE, "status": "RUNNING", "executionArn": MACHINE, "startDate": 0},
        lambda clients: Executions(clients.client("stepfunctions", REGION)).is_over(MACHINE),
    ),
    "execution": (
        "stepfunctions",
        "describe_execution",
        {
            "stateMachineArn": MACHINE,
            "status": "RUNNING",
            "executionArn": MACHINE,
            "startDate": datetime(2027, 1, 15, tzinfo=UTC),
        },
        lambda clients: Executions(clients.client("stepfunctions", REGION)).execution(MACHINE),
    ),
    "start": (
        "stepfunctions",
        "start_execution",
        {"executionArn": MACHINE, "startDate": 0},
        lambda clients: Executions(clients.client("stepfunctions", REGION)).start(
            MACHINE, "one", {}
        ),
    ),
    "as_member": (
        "sts",
        "assume_role",
        {"Credentials": CREDENTIALS},
        lambda clients: clients.as_member(ACCOUNT, "RollcallMember", "example", "aws"),
    ),
}
OTHER_ACTIONS = {
    **directory.ACTIONS,
    **publisher.ACTIONS,
    **executions.ACTIONS,
    **sessions.ACTIONS,
}


@pytest.mark.parametrize("method", OTHERS)
def test_actions_of_the_others(method: str) -> None:
    service, operation, response, call = OTHERS[method]
    clients = Clients(a_session(), lambda: NOW)
    client = clients.client(service, REGION)
    made = watch(client)

    with Stubber(client) as stubber:
        stubber.add_response(operation, response)
        call(clients)

    assert used(made) == set(OTHER_ACTIONS[method])


def test_every_method_that_calls_has_its_actions() -> None:
    assert set(LEDGER_ACTIONS) == set(LEDGER) == public(Ledger)
    assert set(reconciles.ACTIONS) == set(RECONCILES) == public(Reconciles)
    assert set(OTHER_ACTIONS) == set(OTHERS)
    assert set(directory.ACTIONS) == public(Directory)
    assert set(publisher.ACTIONS) == public(Publisher)
    assert set(executions.ACTIONS) == public(Executions)
    assert set(sessions.ACTIONS) == public(Clients) - {"client", "paced"}


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}
