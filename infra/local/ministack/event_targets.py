"""What becomes of an event a rule has matched: delivered, or kept in a dead-letter queue.

MiniStack loses an event for a bus of another account or Region, and uses no dead-letter queue.
What a failure's code is called: EventBridge user guide, "Using dead-letter queues".
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ministack.core import iam_evaluator
from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge, iam, lambda_svc, sns, sqs, stepfunctions

from infra.local.ministack.bus_policies import is_bus, policy_at
from infra.local.ministack.roles import role_at

if TYPE_CHECKING:
    from collections.abc import Callable

    Deliver = Callable[..., None]

_log = logging.getLogger(__name__)
_SERVICE = "events.amazonaws.com"
# The rules that have forwarded an event: of each its account, its Region and MiniStack's key.
_PATH = "_ForwardedBy"


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    text: str


def keep_undelivered(invoke: Deliver) -> Deliver:
    """MiniStack's delivery of an event to one target, made only where AWS would make it."""

    def invoke_target(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        failure = _failure(target, event, rule) if _is_rule(rule) else None
        if failure is None:
            invoke(target, event, rule, view)
        else:
            _keep(target, event, rule, failure)

    return invoke_target


def forward_anywhere(dispatch: Deliver) -> Deliver:
    """MiniStack's delivery to an event bus, to any bus; the event stays as it is."""

    def dispatch_to_event_bus(
        spec: Any,
        event: dict[str, Any],
        rule: dict[str, Any],
        event_path: set[str],
        payload: str | None = None,
    ) -> None:
        if not _is_rule(rule):
            dispatch(spec, event, rule, event_path, payload)
            return
        there = (spec.account_id, spec.region)
        account, region = get_account_id(), get_region()
        key = eventbridge._rule_key(rule["Name"], rule.get("EventBusName", "default"))
        path = [*event.get(_PATH, ()), (account, region, key)]
        forwarded = {"Account": account, "Region": region} | event
        forwarded["EventBusName"] = spec.resource.removeprefix("event-bus/")
        if payload is not None:
            forwarded["Detail"] = payload
        # MiniStack takes no rule a second time, by a key that is the same in every account.
        been = [by for *scope, by in path if tuple(scope) == there]
        with request_scope(*there):
            eventbridge._dispatch_event(forwarded | {_PATH: path, "_DispatchPath": been})
            stored = {k: v for k, v in forwarded.items() if k not in (_PATH, "_DispatchPath")}
            eventbridge._archive_event(stored)

    return dispatch_to_event_bus


def _is_rule(rule: dict[str, Any]) -> bool:
    """EventBridge Scheduler's schedules are delivered by the same code, under other rules."""
    return ":rule/" in rule.get("Arn", "")


def _failure(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any]) -> Failure | None:
    """Why the event cannot be delivered; None when it can."""
    arn = target.get("Arn", "")
    try:
        spec = parse_arn(arn)
    except ArnParseError:
        return Failure("INVALID_PARAMETER", f"{arn!r} is not an ARN")
    if not _exists(spec, arn):
        return Failure("NO_RESOURCE", f"{arn} does not exist")
    if spec.service == "states":
        return _refusal(target, event, rule, "states:StartExecution")
    if is_bus(spec):
        return _one_hop_too_many(spec, event) or _refusal(target, event, rule, "events:PutEvents")
    return None


def _exists(spec: Any, arn: str) -> bool:
    """Whether the target is there; True for services not looked into."""
    if is_bus(spec):
        name = spec.resource.removeprefix("event-bus/")
        scope = (spec.account_id, spec.region)
        return name == "default" or bool(eventbridge._event_buses.get_scoped(*scope, name))
    found: dict[str, Callable[[], object]] = {
        "lambda": lambda: lambda_svc._get_func_record_for_ref(arn)[0],
        "sns": lambda: sns._topic_by_arn_any_scope(arn),
        "sqs": lambda: sqs._queue_by_arn(arn),
        "states": lambda: stepfunctions._resolve_state_machine_arn(arn),
    }
    return spec.service not in found or found[spec.service]() is not None


def _one_hop_too_many(spec: Any, event: dict[str, Any]) -> Failure | None:
    """An event goes to another account once, and to another Region once; so it never loops.

    The guide says so of a third account; that the way back is refused too is inferred.
    """
    account, region, path = get_account_id(), get_region(), event.get(_PATH, ())
    if spec.account_id != account and any(one != account for one, _, _ in path):
        return Failure("THIRD_ACCOUNT_HOP_DETECTED", f"The event came to {account} from another")
    if spec.region != region and any(one != region for _, one, _ in path):
        return Failure("THIRD_REGION_HOP_DETECTED", f"The event came to {region} from another")
    return None


def _refusal(
    target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], action: str
) -> Failure | None:
    """What the target's role and, for a bus, its resource policy say to the call."""
    arn, role_arn, account = target["Arn"], target.get("RoleArn"), get_account_id()
    spec = parse_arn(arn)
    if not role_arn:
        if is_bus(spec) and (spec.account_id, spec.region) == (account, get_region()):
            return None
        return Failure("NO_PERMISSIONS", f"RoleArn is required for target {arn}")
    role = role_at(role_arn)
    if role is None or not _service_may(
        "sts:AssumeRole", role["Arn"], role["AssumeRolePolicyDocument"], rule
    ):
        return Failure("FAILED_TO_ASSUME_ROLE", f"{_SERVICE} may not assume {role_arn}")
    call = iam_evaluator.EvalContext(
        principal_arn=role["Arn"],
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=arn,
        region=spec.region,
        secure_transport=True,
        service_context=_context(rule)
        | {
            "events:detail-type": event.get("DetailType", ""),
            "events:eventbusinvocation": "true",
            "events:source": event.get("Source", ""),
        },
    )
    name = role["RoleName"]
    granted = iam_evaluator.evaluate(
        call,
        iam_evaluator._gather_role_policies(name, account),
        *iam_evaluator._permissions_boundary(iam._roles, name, account),
    )
    policy = policy_at(spec) if is_bus(spec) else None
    combined = iam_evaluator.combine_resource_policy(granted, call, policy, spec.account_id)
    if combined.decision == "Allow":
        return None
    side = "the target's policy" if granted.decision == "Allow" else "the role's policies"
    text = f"{role_arn} is not authorized to perform: {action} on resource: {arn} by {side}"
    return Failure("NO_PERMISSIONS", text)


def _service_may(action: str, resource: str, policy: object, rule: dict[str, Any]) -> bool:
    """Whether a resource's policy allows EventBridge itself to call, for this rule."""
    call = iam_evaluator.EvalContext(
        principal_arn=_SERVICE,
        principal_type="Service",
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource,
        region=get_region(),
        secure_transport=True,
        service_context=_context(rule),
    )
    said = iam_evaluator.evaluate_resource_policy(policy, call, service=_SERVICE)
    return bool(said.decision == "Allow")


def _context(rule: dict[str, Any]) -> dict[str, str]:
    return {"aws:sourceaccount": get_account_id(), "aws:sourcearn": rule["Arn"]}


def _keep(
    target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], failure: Failure
) -> None:
    """Send the event to the target's dead-letter queue, if there is one that takes it."""
    arn = (target.get("DeadLetterConfig") or {}).get("Arn", "")
    _log.warning("%s: not delivered: %s: %s", rule["Arn"], failure.code, failure.text)
    if not arn:
        return
    policy = sqs.queue_policy_for_arn(arn)
    if policy is None or not _service_may("sqs:SendMessage", arn, policy[0], rule):
        _log.error("%s: lost: %s is not there, or does not admit %s", rule["Arn"], arn, _SERVICE)
        return
    attributes = {
        "ERROR_CODE": failure.code,
        "ERROR_MESSAGE": failure.text,
        "RULE_ARN": rule["Arn"],
        "TARGET_ARN": target.get("Arn", ""),
    }
    message = {
        "QueueUrl": parse_arn(arn).resource,
        "MessageBody": json.dumps(eventbridge._pattern_event_view(event).event_with_detail()),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }
    with request_scope(parse_arn(arn).account_id, parse_arn(arn).region):
        sqs._act_send_message(message, "")
