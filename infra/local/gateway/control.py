"""The gateway's own interface under ``/_rollcall/``: facts, time, faults, events, the call log."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from datetime import datetime
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol

from infra.local.facts.clock import Clock
from infra.local.facts.timings import is_amount
from infra.local.gateway.endpoint import HasServices
from infra.local.gateway.faults import Fault
from infra.local.wire.http import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from infra.local.gateway.calls import CallLog
    from infra.local.gateway.faults import Faults
    from infra.local.wire.http import Request

    Answer: TypeAlias = dict[str, Any] | Awaitable[dict[str, Any]]

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

    def reset(self) -> None:
        """The time as it would be without any advance."""
        ...


@dataclass(frozen=True, slots=True)
class Resource:
    """One request under `PREFIX`: what it does, and a body that it takes if it takes one."""

    method: str
    path: str
    about: str
    answer: Callable[[Control, Request], Answer]
    example: dict[str, Any] | None = None

    def as_command(self, url: str) -> str:
        """The request as a command of a shell; ``url`` is that of the local AWS."""
        target = f"{url}{PREFIX}{self.path}"
        if self.example is not None:
            return f"curl -s {target} -d {shlex.quote(json.dumps(self.example))}"
        method = "" if self.method == "GET" else f"-X {self.method} "
        return f"curl -s {method}{target}"


class Control:
    """``deliver(account, region, bus, event)`` puts an event on a bus; ``reset`` empties the rest
    of the local AWS; ``describe`` adds what the local AWS was started with to the empty world."""

    def __init__(
        self,
        world: World,
        clock: AdjustableClock,
        faults: Faults,
        calls: CallLog,
        *,
        deliver: Callable[[str, str, str, dict[str, Any]], str],
        reset: Callable[[], Awaitable[None]],
        describe: Callable[[], object] = lambda: None,
    ) -> None:
        self._world = world
        self._clock = clock
        self._faults = faults
        self._calls = calls
        self._deliver = deliver
        self._reset_rest = reset
        self._describe = describe

    async def handle(self, request: Request) -> Response:
        """200 with JSON, 400 with a one-line ``error`` for bad input, 404 for no such resource.

        The list of resources is text unless JSON is asked for: people look at it with a browser.
        """
        path = request.path.removeprefix(PREFIX.rstrip("/")).strip("/")
        found = _BY_NAME.get((request.method, path))
        if found is None:
            error = f"{request.method} {PREFIX}{path}: no such resource; GET {PREFIX} lists them"
            return _json(404, {"error": error})
        if found.path == "" and "application/json" not in request.headers.get("accept", ""):
            return _text(200, _start_page(request.headers.get("host", "127.0.0.1:4566")))
        try:
            answer = found.answer(self, request)
            return _json(200, await answer if isawaitable(answer) else answer)
        except ValueError as error:
            return _json(400, {"error": str(error)})
        except RecursionError:
            return _json(400, {"error": "body: nested too deeply"})

    def _list_resources(self, _: Request) -> dict[str, Any]:
        return {
            "resources": [
                {"method": one.method, "path": PREFIX + one.path, "about": one.about}
                | ({} if one.example is None else {"example": one.example})
                for one in RESOURCES
            ]
        }

    def _check_health(self, _: Request) -> dict[str, Any]:
        return {"status": "ok"}

    def _change_world(self, request: Request) -> dict[str, Any]:
        return self._world.apply(_document(request))

    def _read_state(self, _: Request) -> dict[str, Any]:
        return self._world.snapshot()

    def _read_clock(self, _: Request) -> dict[str, Any]:
        return {"now": self._clock.now()}

    def _read_calls(self, _: Request) -> dict[str, Any]:
        return {"calls": [call.as_json() for call in self._calls.read()]}

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

    async def _reset(self, _: Request) -> dict[str, Any]:
        await self._reset_rest()
        self._clock.reset()
        self._world.reset()
        self._faults.clear()
        self._calls.clear()
        self._describe()
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


RESOURCES = (
    Resource("GET", "", "lists these requests", Control._list_resources),
    Resource("GET", "health", "answers once everything is served", Control._check_health),
    Resource(
        "POST",
        "world",
        "changes a fact: an account, a Region, an administrator, a timing, …",
        Control._change_world,
        {"do": "add_account", "account_id": "444455556666", "regions": ["me-south-1"]},
    ),
    Resource(
        "GET",
        "state",
        "what is true: accounts, organizations, memberships with their history, invitations",
        Control._read_state,
    ),
    Resource("GET", "clock", "the services' time, in seconds since 1970", Control._read_clock),
    Resource("POST", "clock", "moves that time forward", Control._advance, {"advance": 3600}),
    Resource("GET", "faults", "which calls are made to fail or are delayed", Control._switches),
    Resource(
        "POST",
        "faults",
        "makes calls fail, or delays them",
        Control._switch_on,
        {"kind": "throttling", "service": "guardduty", "operation": "CreateMembers", "times": 3},
    ),
    Resource("DELETE", "faults", "lets all calls succeed again", Control._switch_off),
    Resource(
        "GET",
        "calls",
        "the calls of the services that MiniStack does not serve, without their parameters",
        Control._read_calls,
    ),
    Resource("DELETE", "calls", "forgets those calls", Control._forget_calls),
    Resource(
        "POST",
        "events",
        "puts an event of an AWS service on an event bus, whole, as the service does",
        Control._put_event,
        {
            "account": "111122223333",
            "region": "us-east-1",
            "bus": "default",
            "event": {
                "source": "aws.account",
                "detail-type": "Region Opt-In Status Change",
                "account": "111122223333",
                "region": "us-east-1",
                "time": "2026-11-21T10:00:00Z",
                "detail": {
                    "accountId": "111122223333",
                    "regionName": "me-south-1",
                    "status": "ENABLED",
                },
            },
        },
    ),
    Resource(
        "POST",
        "reset",
        "empties everything, then adds what --world describes: as it was at the start",
        Control._reset,
    ),
)
_BY_NAME = {(one.method, one.path): one for one in RESOURCES}


def _start_page(host: str) -> str:
    lines = [
        f"The local AWS at http://{host}. Requests that control it, bodies and answers in JSON:\n"
    ]
    for one in RESOURCES:
        lines.append(f"{one.method:7} {PREFIX}{one.path:7}  {one.about}")
        lines.append(f"        {one.as_command(f'http://{host}')}")
    lines.append("\ndocs/local-aws.md describes the rest.\n")
    return "\n".join(lines)


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


def _text(status: int, text: str) -> Response:
    return Response(status, {"Content-Type": "text/plain; charset=utf-8"}, text.encode())
