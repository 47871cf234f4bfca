"""PutTargets, which AWS checks against the policy of a bus in another account or Region.

Observed: without a permission it answers AccessDeniedException when the target is made
(ministryofjustice/modernisation-platform-environments, pull request 19002, for another Region of
the same account; aws/aws-cdk, pull request 3323). With which identity it checks is not known, so
that is a switch. MiniStack checks nothing, and its CloudFormation makes targets without PutTargets.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from ministack.core import iam_evaluator
from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import eventbridge
from ministack.services.cloudformation import provisioners

from infra.local.facts.switches import CALLER, ROLE, RULE
from infra.local.ministack.admission import caller_arn
from infra.local.ministack.bus_policies import is_bus, policy_at

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = tuple[int, dict[str, str], bytes]
    Call = Callable[[dict[str, Any]], Answer]
    Create = Callable[[str, dict[str, Any], str], tuple[str, dict[str, str]]]


class KnowsSwitches(Protocol):
    def switch(self, name: str) -> str:
        """The value of a switch."""
        ...


def check_bus_policies(world: KnowsSwitches) -> Callable[[Call], Call]:
    """MiniStack's PutTargets, for the buses that admit the event."""

    def checking(put_targets: Call) -> Call:
        def put_checked_targets(data: dict[str, Any]) -> Answer:
            bus = data.get("EventBusName", "default")
            rule = eventbridge._rules.get(eventbridge._rule_key(data.get("Rule"), bus))
            for target in data.get("Targets", []) if rule else []:
                text = _refusal(target, rule["Arn"], world.switch("events_target_identity"))
                if text is not None:
                    refused: Answer = error_response_json("AccessDeniedException", text, 400)
                    return refused
            return put_targets(data)

        return put_checked_targets

    return checking


def put_targets_of_created_rules(create: Create) -> Create:
    """MiniStack's creation of an AWS::Events::Rule, with its targets by PutTargets."""

    def create_with_targets(
        logical_id: str, props: dict[str, Any], stack: str
    ) -> tuple[str, dict[str, str]]:
        created = create(logical_id, props | {"Targets": []}, stack)
        bus = provisioners._eb_rule_bus_name(props)
        targets = {"Rule": created[0], "EventBusName": bus, "Targets": props.get("Targets", [])}
        status, _, body = eventbridge._put_targets(targets)
        if status >= 400:
            provisioners._eb_rule_delete(created[0], props)
            answer = json.loads(body)
            raise ValueError(f"{answer['__type']}: {answer['message']}")
        return created

    return create_with_targets


def _refusal(target: dict[str, Any], rule_arn: str, identity: str) -> str | None:
    """Why the target may not be made; None if it may, and for what PutTargets itself refuses."""
    try:
        spec = parse_arn(target.get("Arn", ""))
    except ArnParseError:
        return None
    here = (get_account_id(), get_region())
    if not is_bus(spec) or (spec.account_id, spec.region) == here or not target.get("RoleArn"):
        return None
    principal = f"arn:aws:iam::{get_account_id()}:root"
    if identity == ROLE:
        principal = target["RoleArn"]
    elif identity == CALLER:
        principal = caller_arn()
    by_rule = {"aws:sourceaccount": get_account_id(), "aws:sourcearn": rule_arn}
    return refused_by_policy(principal, target["Arn"], by_rule if identity == RULE else {})


def refused_by_policy(principal: str, bus_arn: str, context: dict[str, str]) -> str | None:
    """Why the policy of a bus elsewhere refuses an event of a principal; None if it does not."""
    spec = parse_arn(bus_arn)
    call = iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole" if ":role/" in principal else "Root",
        principal_account=get_account_id(),
        action="events:PutEvents",
        resource_arn=bus_arn,
        region=spec.region,
        secure_transport=True,
        service_context=context,
    )
    if iam_evaluator.evaluate_resource_policy(policy_at(spec), call).decision == "Allow":
        return None
    # In the words of AWS's other refusals by a resource's policy (inferred).
    return (
        f"User: {principal} is not authorized to perform: events:PutEvents on resource: "
        f"{bus_arn} because no resource-based policy allows the events:PutEvents action"
    )
