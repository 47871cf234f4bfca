"""The gateway's own interface under ``/_rollcall/``: facts, time, faults, events, the call log."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from infra.local.facts.clock import Clock
from infra.local.facts.timings import is_amount
from infra.local.gateway.endpoint import HasServices
from infra.local.gateway.faults import Fault
from infra.local.wire.http import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra.local.gateway.calls import CallLog
    from infra.local.gateway.faults import Faults
    from infra.local.wire.http import Request

PREFIX = "/_rollcall/"
# The year 9000: what is due later still has a date.
_END = 221_845_392_000.0


class World(HasServices, Protocol):
    def apply(self, command: dict[str, Any]) -> dict[str, Any]:
        """Change a fact, ``{"do": "add_account", …}``. Raises ValueError for a bad command."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """What is true in the services, as JSON."""
        ...

    def reset(self) -> None: ...


class AdjustableClock(Clock, Protocol):
    def advance(self, seconds: float) -> None: ...


class Control:
    """``deliver(account, region, bus, event)`` puts an event on a bus; ``reset`` empties the rest
    of the local AWS."""

    def __init__(
        self,
        world: World,
        clock: AdjustableClock,
        faults: Faults,
        calls: CallLog,
        *,
        deliver: Callable[[str, str, str, dict[str, Any]], str],
        reset: Callable[[], Awaitable[None]],
    ) -> None:
        self._world = world
        self._clock = clock
        self._faults = faults
        self._calls = calls
        self._deliver = deliver
        self._reset_rest = reset
        self._resources: dict[str, Callable[[Request], dict[str, Any]]] = {
            "GET health": lambda _: {"status": "ok"},
            "GET calls": lambda _: {"calls": [call.as_json() for call in calls.read()]},
            "DELETE calls": self._forget_calls,
            "GET faults": self._switches,
            "POST faults": self._switch_on,
            "DELETE faults": self._switch_off,
            "GET state": lambda _: world.snapshot(),
            "POST world": lambda request: world.apply(_document(request)),
            "GET clock": lambda _: {"now": clock.now()},
            "POST clock": self._advance,
            "POST events": self._put_event,
        }

    async def handle(self, request: Request) -> Response:
        """200 with JSON, 400 with a one-line ``error`` for bad input, 404 for no such resource."""
        resource = f"{request.method} {request.path.removeprefix(PREFIX).rstrip('/')}"
        if resource == "POST reset":
            return _json(200, await self._reset())
        if resource not in self._resources:
            return _json(404, {"error": f"{resource}: no such resource"})
        try:
            return _json(200, self._resources[resource](request))
        except ValueError as error:
            return _json(400, {"error": str(error)})
        except RecursionError:
            return _json(400, {"error": "body: nested too deeply"})

    def _forget_calls(self, _: Request) -> dict[str, Any]:
        self._calls.clear()
        return {}

    def _switch_on(self, request: Request) -> dict[str, Any]:
        self._faults.add(Fault.from_json(_document(request), self._world.services))
        return self._switches(request)

    def _switch_off(self, request: Request) -> dict[str, Any]:
        self._faults.clear()
        return self._switches(request)

    def _switches(self, _: Request) -> dict[str, Any]:
        return {"faults": [asdict(fault) for fault in self._faults.read()]}

    def _advance(self, request: Request) -> dict[str, Any]:
        seconds = _document(request).get("advance")
        if not is_amount(seconds) or self._clock.now() + seconds > _END:
            raise ValueError("advance: a number of seconds, not negative, until the year 9000")
        self._clock.advance(seconds)
        return {"now": self._clock.now()}

    def _put_event(self, request: Request) -> dict[str, Any]:
        document = _document(request)
        account, region = document.get("account"), document.get("region")
        bus, event = document.get("bus", "default"), document.get("event")
        if not isinstance(account, str) or not isinstance(region, str) or not isinstance(bus, str):
            raise ValueError("account, region, bus: strings that say which bus")
        if not isinstance(event, dict):
            raise ValueError("event: the whole event, as an object")
        _check_event(event)
        return {"event_id": self._deliver(account, region, bus, event)}

    async def _reset(self) -> dict[str, Any]:
        await self._reset_rest()
        self._world.reset()
        self._faults.clear()
        self._calls.clear()
        return {}


def _check_event(event: dict[str, Any]) -> None:
    for key in ("source", "detail-type", "account", "region", "time"):
        if not isinstance(event.get(key), str):
            raise ValueError(f"event: {key} is a string")
    if not isinstance(event.get("detail"), dict):
        raise ValueError("event: detail is an object")
    if not isinstance(event.get("id", ""), str):
        raise ValueError("event: id is a string")
    resources = event.get("resources", [])
    if not isinstance(resources, list) or not all(isinstance(one, str) for one in resources):
        raise ValueError("event: resources is a list of strings")
    try:
        datetime.fromisoformat(event["time"]).timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError("event: time is an ISO 8601 time") from error


def _document(request: Request) -> dict[str, Any]:
    try:
        document = json.loads(request.body)
    except ValueError as error:
        raise ValueError(f"body: not JSON ({error})") from error
    if not isinstance(document, dict):
        raise ValueError("body: a JSON object")
    return document


def _json(status: int, body: dict[str, Any]) -> Response:
    content = json.dumps(body, default=str).encode()
    return Response(status, {"Content-Type": "application/json"}, content)
