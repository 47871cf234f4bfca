"""The state machine's definition as the interpreter gets it, from a synthesised template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def resolve_definition(
    template: Mapping[str, Any], resolve: Callable[[str, str], str]
) -> dict[str, Any]:
    """The definition of the template's one state machine.

    ``resolve(kind, logical id or name)`` gives what stands for ``Fn::GetAtt`` … ``Arn`` (kind
    ``Arn``) and for ``Ref`` (kind ``Ref``).

    Raises:
        ValueError: the template has another number of state machines, or other functions in it.
    """
    machines = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    ]
    if len(machines) != 1:
        raise ValueError(f"the template has {len(machines)} state machines")
    definition: dict[str, Any] = json.loads(_text(machines[0]["DefinitionString"], resolve))
    return definition


def _text(value: Any, resolve: Callable[[str, str], str]) -> str:
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_text(part, resolve) for part in parts)
        case {"Fn::GetAtt": [logical_id, "Arn"]}:
            return resolve("Arn", logical_id)
        case {"Ref": name}:
            return resolve("Ref", name)
        case _:
            raise ValueError(f"cannot resolve {value!r}")
