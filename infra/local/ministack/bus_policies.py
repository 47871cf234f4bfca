"""An event bus's resource policy: PutPermission, and CloudFormation's AWS::Events::EventBusPolicy.

MiniStack takes PutPermission's Policy for an unconditional permission of everyone's, keeps a
Condition in a form no policy has, and does not know the resource type.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import eventbridge

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = tuple[int, dict[str, str], bytes]
    Call = Callable[[dict[str, Any]], Answer]


def keep_policies_as_written(_: Call) -> Call:
    """PutPermission, in place of MiniStack's."""

    def put_permission(data: dict[str, Any]) -> Answer:
        bus = data.get("EventBusName", "default")
        eventbridge._ensure_default_bus()
        if bus not in eventbridge._event_buses:
            text = f"Event bus {bus} does not exist."
            return _refused("ResourceNotFoundException", text)
        if data.get("Policy"):
            eventbridge._event_bus_policies[bus] = json.loads(data["Policy"])
        elif not data.get("StatementId") or not data.get("Principal"):
            return _refused("ValidationException", "StatementId and Principal are required.")
        else:
            _put_statement(bus, data["StatementId"], _permission(bus, data))
        done: Answer = json_response({})
        return done

    return put_permission


def create(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    """Raises ValueError when the bus does not exist."""
    bus, statement_id = props.get("EventBusName", "default"), props["StatementId"]
    eventbridge._ensure_default_bus()
    if bus not in eventbridge._event_buses:
        raise ValueError(f"AWS::Events::EventBusPolicy {logical_id}: no event bus {bus} ({stack})")
    statement: Any = props.get("Statement") or _permission(bus, props)
    if isinstance(statement, str):
        statement = json.loads(statement)
    _put_statement(bus, statement_id, statement)
    return f"{bus}|{statement_id}", {}


def update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str
) -> tuple[str, dict[str, str]]:
    created = create(physical_id, new, stack)
    if created[0] != physical_id:
        delete(physical_id, old)
    return created


def delete(physical_id: str, props: dict[str, Any]) -> None:
    del props
    bus, _, statement_id = physical_id.partition("|")
    eventbridge._remove_permission({"EventBusName": bus, "StatementId": statement_id})


def is_bus(spec: Any) -> bool:
    """Whether a parsed ARN is an event bus's."""
    return bool(spec.service == "events" and spec.resource.startswith("event-bus/"))


def policy_at(spec: Any) -> dict[str, Any] | None:
    """The policy of the bus with this ARN; None if there is no policy or no bus."""
    name = spec.resource.removeprefix("event-bus/")
    policy: dict[str, Any] | None = eventbridge._event_bus_policies.get_scoped(
        spec.account_id, spec.region, name
    )
    return policy


PROVISIONER = {"create": create, "update": update, "delete": delete}


def _put_statement(bus: str, statement_id: str, statement: dict[str, Any]) -> None:
    old = eventbridge._event_bus_policies.get(bus) or {"Version": "2012-10-17", "Statement": []}
    kept = [one for one in old["Statement"] if one.get("Sid") != statement_id]
    statements = [*kept, {**statement, "Sid": statement_id}]
    eventbridge._event_bus_policies[bus] = {**old, "Statement": statements}


def _refused(code: str, text: str) -> Answer:
    answer: Answer = error_response_json(code, text, 400)
    return answer


def _permission(bus: str, data: dict[str, Any]) -> dict[str, Any]:
    """The statement that stands for an action, a principal and perhaps one condition."""
    principal = data["Principal"]
    if principal != "*":
        principal = {"AWS": f"arn:aws:iam::{principal}:root"}
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": data.get("Action", "events:PutEvents"),
        "Resource": f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{bus}",
    }
    condition = data.get("Condition")
    if condition:
        statement["Condition"] = {condition["Type"]: {condition["Key"]: condition["Value"]}}
    return statement
