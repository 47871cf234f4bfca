"""Lambda's code changes under executions that live for weeks: those of an earlier version go on.

The samples are what version 222d017 left: its definition, and a run in the middle of its
invitations, with everything that was in the table and in the documents of its loops.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.aws.rows import Rows
from functions.enrolment.membership import Outcome
from functions.steps import get_members, plan_onboarding
from infra.local.api import Caller
from tests.support.builders import ACCOUNT, ADMINISTRATOR, OTHER
from tests.support.events import create_account_result
from tests.support.rollcall import TABLE
from tests.workflow.conftest import run_in_place

if TYPE_CHECKING:
    import pytest

    from tests.support.rollcall import Execution, Rollcall

SAMPLES = Path(__file__).parent / "samples"
REGION = "eu-west-1"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def test_an_execution_of_the_version_before_runs_to_its_end(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    with run_in_place(sample("definition_222d017"), monkeypatch, request) as rollcall:
        rollcall.found_organization()
        rollcall.add_account(ACCOUNT)
        rollcall.add_outside(OTHER, email="silent@example.com", accepts_after=2 * 86400)
        person = {"accounts": [{"id": OTHER, "email": "silent@example.com"}]}

        created = rollcall.run(create_account_result(ACCOUNT))
        invited = rollcall.run(person, "onboarding-2")

    assert (created.states[-1], invited.states[-1]) == ("Complete", "Complete")


def test_an_execution_of_the_version_before_ends_in_the_steps_that_were_deployed_meanwhile(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    former = sample("run_222d017")
    with run_in_place(sample("definition_222d017"), monkeypatch, request) as rollcall:
        rollcall.found_organization()
        resources = as_it_was(rollcall, former["now"])
        client: Any = rollcall.session.client("dynamodb")
        Rows(client, TABLE).put_all(former["items"])
        rollcall.world.apply({"do": "set_account", "account_id": ACCOUNT, "accepts_after": 86400})
        deploy_while_it_waits(monkeypatch, former, resources)

        ended = rollcall.run({"accounts": former["plan"]["accounts"]})

        check_all_enabled(rollcall, ended)


def deploy_while_it_waits(
    monkeypatch: pytest.MonkeyPatch, former: dict[str, Any], resources: dict[str, str]
) -> None:
    """The version before plans and reads each target up to its wait; then the aliases are moved."""
    loops = {
        service: document | {"resource": resources[service]}
        for service, document in former["loops"].items()
    }
    deployed = get_members.handler

    def read(event: dict[str, Any], context: Any) -> dict[str, Any]:
        waiting: dict[str, Any] | None = loops.pop(event["target"]["service"], None)
        return deployed(event, context) if waiting is None else waiting

    monkeypatch.setattr(plan_onboarding, "handler", lambda *_: former["plan"])
    monkeypatch.setattr(get_members, "handler", read)


def check_all_enabled(rollcall: Rollcall, ended: Execution) -> None:
    assert (ended.status, ended.states[-1]) == ("SUCCEEDED", "Complete")
    told = rollcall.memberships(ACCOUNT, OTHER)
    assert len(told) == 6
    assert {membership.outcome for membership in told.values()} == {Outcome.ENABLED}
    assert {one["sent"] for one in rollcall.world.snapshot()["invitations"]} == {1}
    (result,) = rollcall.published()["bus"]
    assert result["counts"]["enabled"] == 6
    first = next(m for m in result["memberships"] if m["transitions"])
    assert first["transitions"][0]["status"] == "Absent"
    record = rollcall.ledger.onboarding("onboarding-1")
    assert record is not None
    assert record.closed_at is not None


def as_it_was(rollcall: Rollcall, now: float) -> dict[str, str]:
    """Both accounts invited, as that run had left them; the administrator's resources."""
    emails = {ACCOUNT: "partner@example.com", OTHER: "silent@example.com"}
    for account, email in emails.items():
        rollcall.add_outside(account, email=email)

    def call(service: str, operation: str, **parameters: object) -> dict[str, Any]:
        return rollcall.world.services[service].operations[operation](
            Caller(ADMINISTRATOR, REGION), parameters
        )

    detector = call("guardduty", "ListDetectors")["DetectorIds"][0]
    graph = call("detective", "ListGraphs")["GraphList"][0]["Arn"]
    details = [{"AccountId": account, "Email": email} for account, email in emails.items()]
    addresses = [{"AccountId": one["AccountId"], "EmailAddress": one["Email"]} for one in details]
    call("detective", "CreateMembers", GraphArn=graph, Accounts=addresses)
    for service, place in (("securityhub", {}), ("guardduty", {"DetectorId": detector})):
        call(service, "CreateMembers", AccountDetails=details, **place)
        call(service, "InviteMembers", AccountIds=list(emails), **place)
    rollcall.clock.advance(now - rollcall.clock.now())
    rollcall.world.apply({"do": "set_account", "account_id": OTHER, "accepts_after": 60})
    return {"securityhub": "", "guardduty": detector, "detective": graph}
