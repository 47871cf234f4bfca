"""What a role is allowed is used, and what it is not allowed is denied.

The plays run with the roles of the synthesised templates. Each action that a role is allowed is
taken out of it; then a play that used it meets the denial of exactly that action.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import member_role_for
from tests.simulation.deployed import deployed
from tests.simulation.machine import FAILED
from tests.simulation.plays import INVITATION, PLAYS, play
from tests.simulation.site import ONBOARDING, RECONCILE, RULES, SCHEDULE
from tests.support.iam import is_of
from tests.support.permissions import MEMBER_ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.deployed import Deployed
    from tests.simulation.site import Site

STEP, MACHINE = "step", "machine"
MACHINES = (ONBOARDING, RECONCILE)
LOGS = "Lambda writes a function's log with its role"
TRACES = "Lambda and Step Functions send traces with the role"
DELIVERY = "Step Functions sets up the delivery of its log with the role, when the machine is made"
CHILDREN = "Step Functions looks after the children of a map with the role"
# What AWS itself does with a role, in which no step and no machine of a play has a part.
BY_AWS: Mapping[tuple[str, str], str] = {
    (STEP, "logs:CreateLogStream"): LOGS,
    (STEP, "logs:PutLogEvents"): LOGS,
    (STEP, "xray:PutTelemetryRecords"): TRACES,
    (STEP, "xray:PutTraceSegments"): TRACES,
    (MACHINE, "logs:CreateLogDelivery"): DELIVERY,
    (MACHINE, "logs:DeleteLogDelivery"): DELIVERY,
    (MACHINE, "logs:DescribeLogGroups"): DELIVERY,
    (MACHINE, "logs:DescribeResourcePolicies"): DELIVERY,
    (MACHINE, "logs:GetLogDelivery"): DELIVERY,
    (MACHINE, "logs:ListLogDeliveries"): DELIVERY,
    (MACHINE, "logs:PutResourcePolicy"): DELIVERY,
    (MACHINE, "logs:UpdateLogDelivery"): DELIVERY,
    (MACHINE, "xray:GetSamplingRules"): TRACES,
    (MACHINE, "xray:GetSamplingTargets"): TRACES,
    (MACHINE, "xray:PutTelemetryRecords"): TRACES,
    (MACHINE, "xray:PutTraceSegments"): TRACES,
    (ONBOARDING, "states:DescribeExecution"): CHILDREN,
    (ONBOARDING, "states:StopExecution"): CHILDREN,
    (SCHEDULE, "sqs:SendMessage"): "Scheduler keeps a start that failed in the queue with the role",
}

# Of the ARN of a function without a version or an alias.
FUNCTION_COLONS = 6
# Who has the role, and an action of it.
Use = tuple[str, str]


@dataclass
class Usage:
    """The shortest play that used an action, the requests of it, and every resource."""

    play: str = ""
    requests: float = float("inf")
    resources: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def everything(template: dict[str, Any]) -> Deployed:
    return deployed(template, member_role_for(INVITATION))


@pytest.fixture(scope="module")
def used(everything: Deployed) -> dict[Use, Usage]:
    """What is used in the plays. Nothing in them is denied."""
    found: dict[Use, Usage] = defaultdict(Usage)

    def note(name: str, here: Site) -> None:
        assert here.permissions.denied == [], name
        assert here.functions.unexpected == [], name
        requests = len(here.network.calls)
        for use, resources in here.permissions.used.items():
            usage = found[use]
            usage.resources |= resources
            if requests < usage.requests:
                usage.play, usage.requests = name, requests

    for name, one in PLAYS.items():
        play(one, everything, look=partial(note, name))
    return found


def granted(everything: Deployed) -> set[Use]:
    return {(who, action) for who, role in everything.roles.items() for action in role.actions}


def by_aws(use: Use) -> bool:
    who, action = use
    kind = MACHINE if who in MACHINES else STEP
    return (kind, action) in BY_AWS or use in BY_AWS


def test_every_action_that_a_role_is_allowed_is_used(
    everything: Deployed, used: dict[Use, Usage]
) -> None:
    unused = sorted(granted(everything) - used.keys())

    assert [use for use in unused if not by_aws(use)] == []
    assert [use for use in used if by_aws(use)] == []


def test_every_resource_of_such_an_action_is_used(
    everything: Deployed, used: dict[Use, Usage]
) -> None:
    unused = {
        (who, action, resource)
        for who, role in everything.roles.items()
        for action, resource in role.grants
        if not by_aws((who, action))
        and not any(is_of(resource, one) for one in used[who, action].resources)
    }

    # Executions that were started before functions had an alias name the function.
    earlier = {
        (who, action, resource)
        for who, action, resource in unused
        if action == "lambda:InvokeFunction" and resource.count(":") == FUNCTION_COLONS
    }
    assert unused == earlier


def test_every_action_of_aws_itself_is_one_that_a_role_is_allowed(everything: Deployed) -> None:
    of_kinds = {
        (MACHINE if who in MACHINES else STEP, action) for who, action in granted(everything)
    }

    assert set(BY_AWS) <= of_kinds | granted(everything)


def test_without_an_action_that_it_is_allowed_a_role_is_denied_exactly_that(
    everything: Deployed, used: dict[Use, Usage]
) -> None:
    proven = []
    for (who, action), usage in used.items():
        made: list[Site] = []
        play(
            PLAYS[usage.play],
            everything.without(who, action),
            until=lambda here: bool(here.permissions.denied),
            look=made.append,
        )
        (here,) = made
        assert set(here.permissions.denied) == {(who, action)}, f"{who} without {action}"
        assert reached(here, who), f"the denial of {action} has not reached {who}"
        proven.append((who, action))
    roles, actions = {who for who, _ in granted(everything)}, granted(everything)
    said = f"{len(roles)} roles are allowed {len(actions)} actions: {len(proven)} of them proven,"
    print(f"{said} {len(actions) - len(proven)} are used by AWS itself")  # noqa: T201  # the report
    assert set(proven) == {use for use in actions if not by_aws(use)}


def reached(here: Site, who: str) -> bool:
    """Whether what the role's holder wanted was answered with an error, or not done."""
    if who in MACHINES:
        return any(each.status == FAILED for each in here.started)
    if who in (RULES, SCHEDULE):
        return here.started == []
    step = "accept_invitations" if who == MEMBER_ROLE else who
    return any(call.step == step and call.outcome in ("400", "403") for call in here.network.calls)
