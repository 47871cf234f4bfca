"""The endpoint of the local services: a signed AWS request in, the service's answer out."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from functions.enrolment.account import is_account_id
from infra.local.api import Caller, ServiceError
from infra.local.gateway.calls import Call
from infra.local.gateway.faults import CallTarget, error_of
from infra.local.wire.constraints import violations
from infra.local.wire.models import service_model
from infra.local.wire.parsing import MalformedRequest, parse
from infra.local.wire.routing import route
from infra.local.wire.serialising import error_response, result_response
from infra.local.wire.signature import credential_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.api import Operation, Service
    from infra.local.facts.clock import Clock
    from infra.local.gateway.calls import CallLog
    from infra.local.gateway.faults import Faults
    from infra.local.wire.http import Request, Response
    from infra.local.wire.routing import Route


class HasServices(Protocol):
    @property
    def services(self) -> Mapping[str, Service]:
        """By botocore service name."""
        ...


def twelve_digits(access_key_id: str) -> str | None:
    """The local convention: an access key id of twelve digits is that account's."""
    return access_key_id if is_account_id(access_key_id) else None


class Endpoint:
    """Speaks for ``world.services``. Not thread-safe: its carrier makes one call at a time.

    ``account_of`` names the account of an access key id, or None for an unknown key.
    """

    def __init__(
        self,
        world: HasServices,
        clock: Clock,
        faults: Faults,
        calls: CallLog,
        account_of: Callable[[str], str | None] = twelve_digits,
    ) -> None:
        self._world = world
        self._clock = clock
        self._faults = faults
        self._calls = calls
        self._account_of = account_of

    def owns(self, request: Request) -> bool:
        """Whether the request is for one of our services; its body is not looked at."""
        return self._service(request) in self._world.services

    def handle(self, request: Request) -> Response:
        """The answer to a request that is ours. Raises KeyError for any other."""
        scope = credential_scope(request)
        service = self._world.services[self._service(request)]
        if scope is None:
            error = ServiceError(
                "MissingAuthenticationTokenException", "Missing Authentication Token"
            )
            return self._refuse(Caller("", ""), service, None, error)
        account_id = self._account_of(scope.access_key_id)
        if account_id is None:
            error = ServiceError(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
            return self._refuse(Caller("", scope.region), service, None, error)
        return self._answer(Caller(account_id, scope.region), service, request)

    def _service(self, request: Request) -> str:
        scope = credential_scope(request)
        return scope.service if scope else self._unsigned_service(request)

    def _unsigned_service(self, request: Request) -> str:
        """Without a signature only a JSON target or the AWS host name can tell the service."""
        prefix = request.headers.get("x-amz-target", "").partition(".")[0]
        host = request.headers.get("host", "")
        for name in self._world.services:
            metadata = service_model(name).metadata
            if prefix and prefix == metadata.get("targetPrefix"):
                return name
            if re.fullmatch(rf"{metadata['endpointPrefix']}\..*amazonaws\.com", host):
                return name
        return ""

    def _answer(self, caller: Caller, service: Service, request: Request) -> Response:
        found = route(service.name, request)
        if found is None:
            asked = request.headers.get("x-amz-target") or f"{request.method} {request.path}"
            return self._refuse(caller, service, None, _unknown(f"Unknown operation: {asked}"))
        name = found.operation.name
        operation = service.operations.get(name)
        if operation is None:
            error = _unknown(f"{service.name}:{name} is not available on the local AWS")
            return self._refuse(caller, service, name, error, status=400)
        return self._call(caller, service, operation, found, request)

    def _call(
        self, caller: Caller, service: Service, operation: Operation, found: Route, request: Request
    ) -> Response:
        name = found.operation.name
        target = CallTarget(service.name, caller.region, name, caller.account_id)
        verdict = self._faults.judge(target)
        try:
            if verdict.error:
                raise error_of(verdict.error, target, service.wording)
            result = operation(caller, _parameters(service, found, request))
            if verdict.error_after:
                raise error_of(verdict.error_after, target, service.wording)
        except ServiceError as error:
            return self._refuse(caller, service, name, error, delay=verdict.delay)
        response = result_response(found.operation, result, str(uuid.uuid4()))
        self._record(caller, service, name, response.status)
        return replace(response, delay=verdict.delay)

    def _refuse(
        self,
        caller: Caller,
        service: Service,
        operation: str | None,
        error: ServiceError,
        *,
        status: int | None = None,
        delay: float = 0.0,
    ) -> Response:
        response = error_response(service_model(service.name), error, str(uuid.uuid4()))
        response = replace(response, status=status or response.status, delay=delay)
        self._record(caller, service, operation, response.status, error.code)
        return response

    def _record(
        self,
        caller: Caller,
        service: Service,
        operation: str | None,
        status: int,
        error: str | None = None,
    ) -> None:
        now = self._clock.now()
        self._calls.record(
            Call(now, caller.account_id, caller.region, service.name, operation, status, error)
        )


def _parameters(service: Service, found: Route, request: Request) -> dict[str, Any]:
    """Raises the service's own error for input its model forbids."""
    try:
        parameters = parse(found, request)
    except MalformedRequest as error:
        raise service.wording.malformed(str(error)) from error
    broken = service.refused(list(violations(found.operation.input_shape, parameters)))
    if broken:
        raise service.wording.invalid_input(broken)
    return parameters


def _unknown(message: str) -> ServiceError:
    return ServiceError("UnknownOperationException", message)
