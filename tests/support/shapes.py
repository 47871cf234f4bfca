"""Holds what a local service answers against the botocore model of the operation."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.model import ListShape, MapShape, StructureShape
from botocore.validate import ParamValidator

from infra.local.api import Caller, ServiceError

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel, Shape

    from infra.local.world import World

_PYTHON = {
    "string": str,
    "integer": int,
    "long": int,
    "double": float,
    "boolean": bool,
    "timestamp": datetime,
}
# Of every service, and so in no model.
_COMMON_ERRORS = {"UnrecognizedClientException"}


def call(world: World, who: Caller, service: str, name: str, **params: Any) -> dict[str, Any]:
    """Call an operation with valid parameters; its answer and its ServiceError are modelled."""
    operation = _operation(service, name)
    if operation.input_shape is not None:
        report = ParamValidator().validate(params, operation.input_shape)
        assert not report.has_errors(), report.generate_report()
    try:
        answer = world.services[service].operations[name](who, params)
    except ServiceError as error:
        _assert_error(service, error)
        raise
    if operation.output_shape is None:
        assert answer == {}
    else:
        assert_shape(operation.output_shape, answer, name)
    return answer


def assert_shape(shape: Shape, value: object, where: str) -> None:
    """Every member is modelled and of its type, down to the leaves."""
    if isinstance(shape, StructureShape):
        assert isinstance(value, dict), f"{where}: {value!r}"
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{where}: not modelled: {unknown}"
        for key, member in value.items():
            assert_shape(shape.members[key], member, f"{where}.{key}")
    elif isinstance(shape, ListShape):
        assert isinstance(value, list), f"{where}: {value!r}"
        for member in value:
            assert_shape(shape.member, member, f"{where}[]")
    elif isinstance(shape, MapShape):
        assert isinstance(value, dict), f"{where}: {value!r}"
        for key, member in value.items():
            assert_shape(shape.key, key, f"{where} key")
            assert_shape(shape.value, member, f"{where}.{key}")
    else:
        assert isinstance(value, _PYTHON[shape.type_name]), f"{where}: {value!r}"
        if isinstance(value, str) and shape.metadata.get("enum"):
            assert value in shape.metadata["enum"], f"{where}: {value!r}"


def _assert_error(service: str, error: ServiceError) -> None:
    model = _model(service)
    if error.code in _COMMON_ERRORS:
        return
    shape = model.shape_for(error.code)
    assert isinstance(shape, StructureShape)
    assert shape.metadata.get("exception"), error.code
    for key, value in error.members.items():
        assert_shape(shape.members[key], value, f"{error.code}.{key}")


def _operation(service: str, name: str) -> OperationModel:
    return _model(service).operation_model(name)


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)
