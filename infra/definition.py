"""A state machine's definition as the interpreter gets it, from a synthesised template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def resolve_definition(
    template: Mapping[str, Any], resolve: Callable[[str, str], str], output: str
) -> dict[str, Any]:
    """The definition of the state machine whose ARN is this output of the template.

    ``resolve(kind, logical id or name)`` gives what stands for ``Fn::GetAtt`` … ``Arn`` (kind
    ``Arn``) and for ``Ref`` (kind ``Ref``).

    Raises:
        ValueError: there are other functions in it.
    """
    machine = template["Resources"][template["Outputs"][output]["Value"]["Ref"]]["Properties"]
    definition: dict[str, Any] = json.loads(_text(machine["DefinitionString"], resolve))
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
