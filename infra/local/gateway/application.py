"""One ASGI application on one port: the control interface, our services, and the rest of AWS."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Protocol

from infra.local.gateway.control import PREFIX
from infra.local.wire.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import TypeAlias

    from infra.local.gateway.control import Control
    from infra.local.gateway.endpoint import Endpoint

    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


class EmitsEvents(Protocol):
    def drain_events(self) -> list[dict[str, Any]]:
        """The service events since the last call."""
        ...


class Gateway:
    """``rest`` serves every request that is not for our services, and the lifespan.

    ``on_ready`` is called once the application takes requests.
    """

    def __init__(
        self, endpoint: Endpoint, control: Control, rest: App, on_ready: Callable[[], None]
    ) -> None:
        self._endpoint = endpoint
        self._control = control
        self._rest = rest
        self._on_ready = on_ready

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._rest(scope, receive, self._announcing(send))
        elif scope["type"] == "http" and f"{scope['path']}/".startswith(PREFIX):
            request = replace(_head(scope), body=await _body(receive))
            await _send(send, await self._control.handle(request))
        elif scope["type"] == "http" and self._endpoint.owns(_head(scope)):
            request = replace(_head(scope), body=await _body(receive))
            response = self._endpoint.handle(request)
            await asyncio.sleep(response.delay)
            await _send(send, response)
        else:
            await self._rest(scope, receive, send)

    def _announcing(self, send: Send) -> Send:
        async def announce(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self._on_ready()

        return announce


def relay_events(
    world: EmitsEvents, deliver: Callable[[str, str, str, dict[str, Any]], object]
) -> None:
    """Put what the services have emitted on the default bus of each event's account and Region."""
    for event in world.drain_events():
        deliver(event["account"], event["region"], "default", event)


def _head(scope: Message) -> Request:
    """The request without its body: enough to tell whose it is."""
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("ascii"),
        query=scope["query_string"].decode("ascii"),
        headers={
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        },
    )


async def _body(receive: Receive) -> bytes:
    parts, more = list[bytes](), True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _send(send: Send, response: Response) -> None:
    headers = {
        **response.headers,
        "Content-Length": str(len(response.body)),
        "Date": formatdate(usegmt=True),
    }
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send(
        {"type": "http.response.start", "status": response.status, "headers": encoded},
    )
    await send({"type": "http.response.body", "body": response.body})
