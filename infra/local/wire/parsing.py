"""A request's parameters, under the model's member names and as Python values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from botocore.model import ListShape, MapShape, StructureShape

if TYPE_CHECKING:
    from botocore.model import Shape

    from infra.local.wire.http import Request
    from infra.local.wire.routing import Route

# Of what else the protocols know, no operation served takes any.
_SCALARS: dict[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "integer": int,
    "long": int,
    "double": (int, float),
    "string": str,
}
_JSON_NAMES = {
    bool: "BOOLEAN_VALUE",
    str: "STRING_VALUE",
    int: "NUMBER_VALUE",
    float: "DECIMAL_VALUE",
    list: "START_ARRAY",
    dict: "START_OBJECT",
}


class MalformedRequest(Exception):
    """The request is not what the protocol allows: bad JSON, or a value of another type."""


def parse(route: Route, request: Request) -> dict[str, Any]:
    """Read every modelled member from where the model places it; unknown members are ignored.

    Raises MalformedRequest.
    """
    shape = route.operation.input_shape
    if not isinstance(shape, StructureShape):
        return {}
    query = parse_qs(request.query, keep_blank_values=True)
    body = _body(request)
    parameters: dict[str, Any] = {}
    for name, member in shape.members.items():
        key = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                value = _from_text(member, route.labels[key])
            case "querystring":
                value = _from_query(member, query.get(key))
            case _:
                value = _from_json(member, body.get(key))
        if value is not None:
            parameters[name] = value
    return parameters


def _body(request: Request) -> dict[str, Any]:
    if not request.body.strip():
        return {}
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest("Could not parse request body into json") from error
    if not isinstance(body, dict):
        raise MalformedRequest(f"{_JSON_NAMES.get(type(body), 'null')} is not an object")
    return body


def _from_query(shape: Shape, values: list[str] | None) -> Any:
    if values is None:
        return None
    if isinstance(shape, ListShape):
        return [_from_text(shape.member, value) for value in values]
    return _from_text(shape, values[0])


def _from_text(shape: Shape, text: str) -> Any:
    try:
        match shape.type_name:
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
            case "integer" | "long":
                return int(text)
            case _:
                return text
    except (KeyError, ValueError) as error:
        raise MalformedRequest(f"{text!r} can not be converted to {_type(shape)}") from error


def _from_json(shape: Shape, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(shape, StructureShape):
        _expect(shape, value, dict)
        members = {
            name: _from_json(member, value.get(member.serialization.get("name", name)))
            for name, member in shape.members.items()
        }
        return {name: member for name, member in members.items() if member is not None}
    if isinstance(shape, ListShape):
        _expect(shape, value, list)
        return [_from_json(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        _expect(shape, value, dict)
        return {key: _from_json(shape.value, item) for key, item in value.items()}
    _expect(shape, value, _SCALARS[shape.type_name])
    return value


def _expect(shape: Shape, value: Any, kind: type | tuple[type, ...]) -> None:
    # bool is an int to Python, and not to JSON.
    if isinstance(value, kind) and (not isinstance(value, bool) or kind is bool):
        return
    raise MalformedRequest(f"{_JSON_NAMES[type(value)]} can not be converted to {_type(shape)}")


def _type(shape: Shape) -> str:
    return shape.type_name.capitalize()
