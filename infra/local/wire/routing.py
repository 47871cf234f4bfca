"""Which operation a request asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from infra.local.wire.models import is_rest, service_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel

    from infra.local.wire.http import Request

_LABEL = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """An operation and the path labels of its request URI, decoded."""

    operation: OperationModel
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Pattern:
    method: str
    path: re.Pattern[str]
    labels: tuple[str, ...]
    literal: str
    operation: OperationModel


def route(service: str, request: Request) -> Route | None:
    """The operation of ``service`` that the request names, or None when it has no such."""
    model = service_model(service)
    if not is_rest(model):
        prefix, _, name = request.headers.get("x-amz-target", "").rpartition(".")
        if prefix != model.metadata["targetPrefix"] or name not in model.operation_names:
            return None
        return Route(model.operation_model(name), {})
    path = request.path.rstrip("/") or "/"
    for pattern in _patterns(service):
        found = pattern.path.fullmatch(path) if pattern.method == request.method else None
        if found:
            values = (unquote(value) for value in found.groups())
            return Route(pattern.operation, dict(zip(pattern.labels, values, strict=True)))
    return None


@cache
def _patterns(service: str) -> tuple[_Pattern, ...]:
    """The most literal first, so that ``/members/get`` is not taken for ``/members/{id}``."""
    model = service_model(service)
    patterns = [_pattern(model.operation_model(name)) for name in model.operation_names]
    return tuple(sorted(patterns, key=lambda p: (-len(p.literal), len(p.labels))))


def _pattern(operation: OperationModel) -> _Pattern:
    uri = operation.http["requestUri"].rstrip("/") or "/"
    expression, end = "", 0
    for label in _LABEL.finditer(uri):
        expression += re.escape(uri[end : label.start()]) + ("(.+)" if label[2] else "([^/]+)")
        end = label.end()
    return _Pattern(
        method=operation.http["method"],
        path=re.compile(expression + re.escape(uri[end:])),
        labels=tuple(label[1] for label in _LABEL.finditer(uri)),
        literal=_LABEL.sub("", uri),
        operation=operation,
    )
