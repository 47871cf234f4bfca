"""Every request that boto3 sends: how long it takes, what becomes of it, and who may make it.

While a request is on its way, and while its answer is, other processes go on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.retries import quota, standard

from infra.local.gateway.faults import FaultEffect, FaultKind
from tests.simulation.permissions import Wanted, caller_of, wanted_of
from tests.simulation.services.reply import Refusal
from tests.simulation.troubles import OF_REQUESTS, Kind
from tests.support.builders import ADMINISTRATOR
from tests.support.in_process import Raw, as_received

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping

    from botocore.awsrequest import AWSPreparedRequest

    from infra.local.gateway.endpoint import Endpoint
    from infra.local.gateway.faults import CallTarget
    from infra.local.wire.http import Request, Response
    from tests.simulation.agenda import Agenda
    from tests.simulation.permissions import Permissions
    from tests.simulation.processes import Process, Processes
    from tests.simulation.services.reply import AroundService
    from tests.simulation.troubles import Trouble, Troubles
    from tests.simulation.watch import Watch

REGION = "eu-west-1"
_SIGNED_AS = {"stepfunctions": "states"}
# How long boto3 waits for an answer (functions.aws.calls).
READ_TIMEOUT = 20.0
_BEFORE = {
    Kind.THROTTLED: FaultKind.THROTTLING,
    Kind.FAILED: FaultKind.SERVER_ERROR,
    Kind.DENIED: FaultKind.ACCESS_DENIED,
}


# Faults that fail a request.
_FAILING = OF_REQUESTS - {Kind.SLOW, Kind.PARTIAL, Kind.KILLED, Kind.KILLED_AFTER}
_LATER_PAGE = re.compile(r'"nextToken":|[?&]nextToken=|"ExclusiveStartKey":', re.IGNORECASE)


class Verdict:
    """In the place of the local services' faults: what becomes of the request that is handled."""

    def __init__(self) -> None:
        self.now = FaultEffect()

    def judge(self, _: CallTarget) -> FaultEffect:
        return self.now


@dataclass(frozen=True, slots=True)
class Called:
    """One request, and what was answered. ``process`` is the name of the invocation."""

    at: float
    process: str
    step: str
    service: str
    region: str
    operation: str
    outcome: str


class Network:
    """``services`` are those around the steps, by the name of their signature; all others are
    behind ``endpoint``, whose faults are ``verdict``.

    Each request of a step is made with the step's role, or with the member role.
    """

    def __init__(
        self,
        agenda: Agenda,
        processes: Processes,
        endpoint: Endpoint,
        verdict: Verdict,
        services: Mapping[str, AroundService],
        troubles: Troubles,
        randomness: random.Random,
        permissions: Permissions,
        watch: Watch,
    ) -> None:
        self._agenda = agenda
        self._processes = processes
        self._endpoint = endpoint
        self._verdict = verdict
        self._services = services
        self._troubles = troubles
        self._random = randomness
        self._permissions = permissions
        self._watch = watch
        self.calls: list[Called] = []
        # How often a page that was not the first failed.
        self.pages_failed = 0

    def send(self, sent: AWSPreparedRequest, service: str, operation: str) -> AWSResponse:
        """The answer to a request of the process that runs now.

        Raises:
            ConnectionClosedError, ReadTimeoutError: there is none.
        """
        process, request = self._processes.current, as_received(sent)
        region = request.headers["authorization"].split("/")[2]
        name, step = (process.name, process.step) if process else ("", "")
        where = f"{service}:{operation}"
        if process is not None and process.pacing is not None:
            process.pacing.wait(service, operation, region)
        self._processes.sleep(self._latency())
        trouble = None
        if process is not None:
            trouble = self._troubles.of(where, self._agenda.now(), OF_REQUESTS)
        kind = None if trouble is None else trouble.kind
        outcome = str(kind or "")
        if kind in _FAILING and _LATER_PAGE.search(f"{sent.url} {request.body.decode()}"):
            self.pages_failed += 1
        if kind is Kind.KILLED and process is not None:
            self._note(name, step, service, region, operation, outcome)
            self._processes.kill(process)
        if kind is Kind.DROPPED:
            self._note(name, step, service, region, operation, outcome)
            raise ConnectionClosedError(endpoint_url=sent.url)
        response = self._done(service, region, operation, request, kind, step)
        if response.status >= 400 and not outcome:
            outcome = str(response.status)
        self._note(name, step, service, region, operation, outcome)
        if kind is Kind.KILLED_AFTER and process is not None:
            self._processes.kill(process)
        self._processes.sleep(self._latency() + _delay(trouble))
        if kind is Kind.LOST:
            raise ConnectionClosedError(endpoint_url=sent.url)
        if kind is Kind.TIMED_OUT:
            raise ReadTimeoutError(endpoint_url=sent.url)
        headers: Any = HeadersDict(response.headers)
        return AWSResponse(sent.url, response.status, headers, Raw(response.body))

    @property
    def process(self) -> Process | None:
        """The process that runs now."""
        return self._processes.current

    def _note(self, *what: str) -> None:
        self.calls.append(Called(self._agenda.now(), *what))

    def _latency(self) -> float:
        """Mostly milliseconds, at times seconds."""
        draw = self._random.random()
        return 0.005 + 0.05 * draw if draw < 0.97 else (draw - 0.97) * 100

    def _done(
        self,
        service: str,
        region: str,
        operation: str,
        request: Request,
        kind: Kind | None,
        step: str,
    ) -> Response:
        around = self._services.get(service)
        if around is None:
            after = FaultKind.EFFECT_THEN_ERROR if kind is Kind.FAILED_AFTER else None
            error = _BEFORE.get(kind) if kind else None
            if self._denial(request, step, wanted_of(service, operation, request)):
                error = FaultKind.ACCESS_DENIED
            self._verdict.now = FaultEffect(error, after)
            process = self._processes.current
            state = self._watch.before(process, service, region, operation, request)
            response = self._endpoint.handle(request)
            if state is not None and process is not None:
                self._watch.after(state, process, service, region)
            return response
        return self._done_around(around, operation, request, kind, step)

    def _done_around(
        self,
        around: AroundService,
        operation: str,
        request: Request,
        kind: Kind | None,
        step: str,
    ) -> Response:
        errors = around.errors
        asked = around.ask(operation, request)
        wanted = (Wanted(a, r) for a in sorted(asked.actions) for r in asked.resources)
        denial = self._denial(request, step, wanted)
        if kind is Kind.DENIED or denial:
            code, status = errors.denied
            return around.refuse(Refusal(code, denial or "not authorized", status))
        if kind is Kind.THROTTLED:
            return around.refuse(Refusal(errors.throttled[0], "Rate exceeded", errors.throttled[1]))
        failed = Refusal(errors.failed[0], "Internal error", errors.failed[1])
        if kind is Kind.FAILED:
            return around.refuse(failed)
        conflict = getattr(around, "conflict", None)
        if kind is Kind.CONFLICT and conflict and operation == "TransactWriteItems":
            return around.refuse(conflict(request))
        do = asked.share if kind is Kind.PARTIAL and asked.share else asked.do
        try:
            result = do()
        except Refusal as refusal:
            return around.refuse(refusal)
        if kind is Kind.FAILED_AFTER:
            return around.refuse(failed)
        return around.answer(operation, result)

    def _denial(self, request: Request, step: str, wanted: Iterable[Wanted]) -> str | None:
        """What the role says against a request of a step; None: nothing."""
        return self._permissions.refusal(caller_of(request, step), wanted) if step else None


def _delay(trouble: Trouble | None) -> float:
    if trouble is None:
        return 0.0
    if trouble.kind is Kind.TIMED_OUT:
        return READ_TIMEOUT
    return trouble.amount if trouble.kind is Kind.SLOW else 0.0


class _Quota:
    """What one client has to retry with: in every invocation as much as a new environment has."""

    INITIAL_CAPACITY = quota.RetryQuota.INITIAL_CAPACITY

    def acquire(self, amount: int) -> bool:
        process = session().process
        if process is None:
            return True
        left = process.retries.get(id(self), self.INITIAL_CAPACITY)
        process.retries[id(self)] = left - amount if left >= amount else left
        return left >= amount

    def release(self, amount: int) -> None:
        process = session().process
        if process is not None and id(self) in process.retries:
            most = self.INITIAL_CAPACITY
            process.retries[id(self)] = min(most, process.retries[id(self)] + amount)


class Session:
    """The one boto3 session of all simulations of this process, whose clients are made once.

    Making a client takes as long as ten requests. ``network`` is that of the simulation that runs,
    ``draw`` decides how long is waited before a retry.
    """

    def __init__(self) -> None:
        self.network: Network | None = None
        self.draw: Callable[[], float] = lambda: 0.5
        self._session = boto3.Session(
            aws_access_key_id=ADMINISTRATOR,
            aws_secret_access_key="local",  # noqa: S106  # signatures are not verified
            region_name=REGION,
        )
        self._client = cache(self._make)

    @property
    def region_name(self) -> str:
        return REGION

    @property
    def process(self) -> Process | None:
        """The process that runs now."""
        return None if self.network is None else self.network.process

    def client(self, service: str, **options: Any) -> Any:
        return self._client(service, **options)

    def _make(self, service: str, *, config: Config, **options: Any) -> Any:
        """A client without what takes half of a request's time and is tested elsewhere: signatures,
        validation, and the text of the user agent.
        """
        account = options.get("aws_access_key_id", ADMINISTRATOR)
        credential = (
            f"{account}/20270115/{options['region_name']}/{_SIGNED_AS.get(service, service)}"
        )
        cheap = Config(
            signature_version=UNSIGNED, parameter_validation=False, user_agent="rollcall"
        )

        def send(request: AWSPreparedRequest, **given: Any) -> AWSResponse:
            signed = f"AWS4-HMAC-SHA256 Credential={credential}/aws4_request"
            request.headers["Authorization"] = signed
            return self._send(request, **given)

        backoff = partial(standard.ExponentialBackoff, random=lambda: self.draw())
        with (
            mock.patch.object(quota, "RetryQuota", _Quota),
            mock.patch.object(standard, "ExponentialBackoff", backoff),
        ):
            make: Any = self._session.client
            client = make(service, config=config.merge(cheap), **options)
        client.meta.events.register("before-send", send)
        _resolve_endpoints_once(client)
        return client

    def _send(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        assert self.network is not None
        service, operation = event_name.split(".")[1:]
        return self.network.send(request, service, operation)


def _resolve_endpoints_once(client: Any) -> None:
    """An operation's requests all have the same endpoint here, as there is one table and one
    bucket; botocore would work it out for every request.
    """
    resolver = client._ruleset_resolver
    resolve, found = resolver.construct_endpoint, dict[str, Any]()

    def construct_endpoint(operation_model: Any, **given: Any) -> Any:
        name = operation_model.name
        if name not in found:
            found[name] = resolve(operation_model=operation_model, **given)
        return found[name]

    resolver.construct_endpoint = construct_endpoint


@cache
def session() -> Session:
    return Session()
