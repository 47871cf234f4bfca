"""Results and errors as the service would put them on the wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.model import ListShape, MapShape, StructureShape

from infra.local.wire.errors import COMMON_ERRORS
from infra.local.wire.http import Response
from infra.local.wire.models import is_rest

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel, Shape

    from infra.local.api import ServiceError

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
}


class ShapeMismatch(TypeError):
    """A local service returned what its model cannot carry: a mistake in that service."""


def result_response(operation: OperationModel, result: dict[str, Any], request_id: str) -> Response:
    """The operation's result with its modelled status. Members that are None are left out.

    Raises ShapeMismatch.
    """
    body = _value(operation.output_shape, result, operation.name)
    if operation.output_shape is None and result:
        raise ShapeMismatch(f"{operation.name} has no output, got {sorted(result)}")
    status = int(operation.http.get("responseCode", 200))
    content = b"" if status == 204 else json.dumps(body or {}).encode()
    return Response(status, _headers(operation.service_model, request_id), content)


def error_response(model: ServiceModel, error: ServiceError, request_id: str) -> Response:
    """A modelled error, or one common to all services. Raises ShapeMismatch for any other."""
    shape = _error_shape(model, error.code)
    headers = _headers(model, request_id)
    body = _error_body(model, shape, error)
    if is_rest(model):
        headers["x-amzn-ErrorType"] = error.code
    else:
        body["__type"] = error.code
    return Response(_status(model, shape, error), headers, json.dumps(body).encode())


def _error_shape(model: ServiceModel, code: str) -> StructureShape | None:
    if code in model.shape_names:
        shape = model.shape_for(code)
        if isinstance(shape, StructureShape) and shape.metadata.get("exception"):
            return shape
    if code in COMMON_ERRORS:
        return None
    raise ShapeMismatch(f"{model.service_name} has no error {code}")


def _error_body(
    model: ServiceModel, shape: StructureShape | None, error: ServiceError
) -> dict[str, Any]:
    if shape is None:
        return {"message": error.message}
    members: dict[str, Any] = {
        name: error.message for name in shape.members if name.lower() == "message"
    }
    if "Code" in shape.members:
        members["Code"] = error.code
    body: dict[str, Any] = _value(shape, members | error.members, error.code)
    if "type" in body:
        # GuardDuty's is seen on the wire under this name too (boto3 issue 3890).
        body["__type"] = body["type"]
    return body


def _status(model: ServiceModel, shape: StructureShape | None, error: ServiceError) -> int:
    if shape is not None and "httpStatusCode" in shape.metadata.get("error", {}):
        return int(shape.metadata["error"]["httpStatusCode"])
    if error.code == "ServiceException":
        # Organizations' model states no status; an internal error is a 500 (inferred).
        return 500
    common = COMMON_ERRORS.get(error.code, 400)
    return common if is_rest(model) or common >= 500 else 400


def _headers(model: ServiceModel, request_id: str) -> dict[str, str]:
    kind = "application/json" if is_rest(model) else "application/x-amz-json-1.1"
    return {"Content-Type": kind, "x-amzn-RequestId": request_id}


def _value(shape: Shape | None, value: Any, path: str) -> Any:
    if shape is None:
        return value
    if isinstance(shape, StructureShape):
        return _structure(shape, value, path)
    if isinstance(shape, ListShape):
        _check(isinstance(value, list | tuple), shape, value, path)
        return [_value(shape.member, item, f"{path}[{i}]") for i, item in enumerate(value)]
    if isinstance(shape, MapShape):
        _check(isinstance(value, dict), shape, value, path)
        return {key: _value(shape.value, item, f"{path}.{key}") for key, item in value.items()}
    if shape.type_name == "timestamp":
        return _timestamp(shape, value, path)
    kinds = _PYTHON_TYPES[shape.type_name]
    right = isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)
    _check(right, shape, value, path)
    return value


def _structure(shape: StructureShape, value: Any, path: str) -> dict[str, Any]:
    _check(isinstance(value, dict), shape, value, path)
    unknown = sorted(value.keys() - shape.members.keys())
    if unknown:
        raise ShapeMismatch(f"{path}: {shape.name} has no {', '.join(unknown)}")
    return {
        shape.members[name].serialization.get("name", name): _value(
            shape.members[name], item, f"{path}.{name}"
        )
        for name, item in value.items()
        if item is not None
    }


def _timestamp(shape: Shape, value: Any, path: str) -> str | float:
    _check(isinstance(value, datetime) and value.tzinfo is not None, shape, value, path)
    if shape.serialization.get("timestampFormat") == "iso8601":
        text: str = value.astimezone(UTC).isoformat(timespec="milliseconds")
        return text.replace("+00:00", "Z")
    seconds: float = round(value.timestamp(), 3)
    return seconds


def _check(right: bool, shape: Shape, value: Any, path: str) -> None:
    if not right:
        raise ShapeMismatch(f"{path}: {shape.name} is a {shape.type_name}, got {value!r}")
