from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.configuration import Configuration, Invitation
from functions.services import registry
from tests.conftest import member_role_for
from tests.infra.support import granted, resources, role_of, steps
from tests.support.made_once import interpret_cheaply
from tests.support.permissions import MEMBER_ROLE
from tests.support.rollcall import Rollcall
from tests.support.rollcall import rollcall as in_place

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTERNAL_ID = "rollcall-test"
ROLE = "RollcallMember"


@pytest.fixture(scope="session", autouse=True)
def _interpreted_cheaply() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        interpret_cheaply(patch)
        yield


@pytest.fixture
def rollcall(
    definition: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Rollcall]:
    """Rollcall in one process; a call that its role is not granted fails the test.

    ``@pytest.mark.member_role(account, …)`` deploys the member role,
    ``@pytest.mark.configured(…)`` changes the configuration.
    """
    with run_in_place(definition, monkeypatch, request) as running:
        yield running


@pytest.fixture
def granted_actions(
    template: dict[str, Any], request: pytest.FixtureRequest
) -> set[tuple[str, str]]:
    """Each action that a role is granted, as ``UsedActions`` has them.

    The member role is the one that the test's configuration asks for.
    """
    mark = request.node.get_closest_marker("configured")
    invitation = (mark.kwargs if mark else {}).get("invitation")
    if invitation is None:
        member_role = request.getfixturevalue("member_role")
    else:
        member_role = member_role_for(invitation)
    (role,) = resources(member_role, "AWS::IAM::Role")
    grants = {module: granted(template, role_of(template, module)) for module in steps(template)}
    grants[MEMBER_ROLE] = granted(member_role, role)
    # Lambda logs and traces; the services make the roles that are linked to them.
    others = ("logs:", "xray:", "iam:CreateServiceLinkedRole")
    return {
        (name, action)
        for name, by_resource in grants.items()
        for actions in by_resource.values()
        for action in actions
        if not action.startswith(others)
    }


@contextmanager
def run_in_place(
    definition: dict[str, Any], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Rollcall]:
    """Rollcall with a definition, configured as the test's marks say."""
    mark = request.node.get_closest_marker("member_role")
    accounts = mark.args if mark else ()
    invitation = Invitation(member_role=ROLE, external_id=EXTERNAL_ID) if mark else Invitation()
    configuration = Configuration(("eu-west-1", "us-east-1"), registry.SERVICES, invitation)
    changes = request.node.get_closest_marker("configured")
    configuration = replace(configuration, **(changes.kwargs if changes else {}))
    roles = {account: f"arn:aws:iam::{account}:role/{ROLE}" for account in accounts}
    allowed: set[tuple[str, str]] = request.getfixturevalue("granted_actions")
    with in_place(definition, configuration, monkeypatch, roles) as running:
        yield running
        beyond = sorted(running.used.each - allowed)
        assert not beyond, f"called without being allowed to: {beyond}"
