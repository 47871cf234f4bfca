from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.configuration import Configuration, Invitation
from functions.enrolment.target import ServiceName
from tests.support.rollcall import Rollcall
from tests.support.rollcall import rollcall as in_place

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTERNAL_ID = "rollcall-test"
ROLE = "RollcallMember"


@pytest.fixture
def rollcall(
    definition: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Rollcall]:
    """Rollcall in one process. ``@pytest.mark.member_role(account, …)`` deploys the member role,
    ``@pytest.mark.configured(…)`` changes the configuration."""
    with run_in_place(definition, monkeypatch, request) as running:
        yield running


@contextmanager
def run_in_place(
    definition: dict[str, Any], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Rollcall]:
    """Rollcall with a definition, configured as the test's marks say."""
    mark = request.node.get_closest_marker("member_role")
    accounts = mark.args if mark else ()
    invitation = Invitation(member_role=ROLE, external_id=EXTERNAL_ID) if mark else Invitation()
    configuration = Configuration(("eu-west-1", "us-east-1"), tuple(ServiceName), invitation)
    changes = request.node.get_closest_marker("configured")
    configuration = replace(configuration, **(changes.kwargs if changes else {}))
    roles = {account: f"arn:aws:iam::{account}:role/{ROLE}" for account in accounts}
    with in_place(definition, configuration, monkeypatch, roles) as running:
        yield running
