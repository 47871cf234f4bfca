"""A further service takes one record and one local counterpart: a whole run with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Configuration, Invitation
from functions.enrolment.membership import Outcome
from functions.enrolment.target import Target
from functions.services import registry
from infra.local.services.registry import SERVICES as LOCAL_SERVICES
from tests.support.macie.local import Macie
from tests.support.macie.record import MACIE
from tests.support.rollcall import rollcall

if TYPE_CHECKING:
    from typing import Any

    import pytest

    from infra.local.services.service import LocalService

MEMBER = AccountId("444455556666")
INVITED = AccountId("555566667777")
ROLE = "RollcallMember"


def test_accounts_are_enrolled_in_it_and_in_the_others_by_the_same_machine(
    definition: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    services = (*registry.SERVICES, MACIE)
    invitation = Invitation(member_role=ROLE, external_id="rollcall-test")
    configuration = Configuration(("eu-west-1",), services, invitation)
    roles = {str(INVITED): f"arn:aws:iam::{INVITED}:role/{ROLE}"}
    local_services: tuple[type[LocalService], ...] = (*LOCAL_SERVICES, Macie)
    with rollcall(
        definition, configuration, monkeypatch, roles, services, local_services
    ) as running:
        running.found_organization()
        running.add_account(MEMBER, volume="known")
        running.add_outside(INVITED, volume="known", email="owner@example.com")

        execution = running.run(
            {
                "accounts": [
                    {"id": MEMBER},
                    {"id": INVITED, "email": "owner@example.com", "mode": "invitation"},
                ]
            }
        )

        ended = running.memberships(MEMBER, INVITED)
        sent = [
            one for one in running.world.snapshot()["invitations"] if one["service"] == "macie2"
        ]
        (result,) = running.published_finally()
        again = running.run({"accounts": [{"id": MEMBER}], "services": ["macie2"]}, "again")
        after = running.memberships(MEMBER, name="again")

    assert execution.status == "SUCCEEDED"
    assert ended.keys() == {
        (account, Target(service, "eu-west-1"))
        for account in (MEMBER, INVITED)
        for service in services
    }
    assert {membership.outcome for membership in ended.values()} == {Outcome.ENABLED}
    assert [(one["account_id"], one["sent"]) for one in sent if one["service"] == "macie2"] == [
        (INVITED, 1)
    ]
    assert {entry["service"] for entry in result["memberships"]} == {s.name for s in services}
    assert again.status == "SUCCEEDED"
    assert after[MEMBER, Target(MACIE, "eu-west-1")].outcome is Outcome.ALREADY_ENABLED
