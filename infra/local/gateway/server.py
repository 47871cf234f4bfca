"""The gateway as a process: one port, nothing left behind when it ends."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hypercorn.asyncio import serve as serve_http
from hypercorn.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from infra.local.gateway.application import Gateway

_RELAY_SECONDS = 0.2


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        OSError: ``host`` is not an address of this machine, or the port is taken.
    """
    if not host:
        raise OSError(errno.EADDRNOTAVAIL, "takes an address of this machine")
    # Of a name with several addresses, the first is taken.
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL at which programs on this machine reach it."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://{host}:{port}" if address.version == 4 else f"http://[{host}]:{port}"


def is_exposed(listener: socket.socket) -> bool:
    """Whether other machines can reach it."""
    return not ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def prepare(environment: MutableMapping[str, str], url: str, wait_scale: float) -> None:
    """What MiniStack reads when it is imported, and what its Lambda workers inherit.

    The caller's own AWS settings are dropped, so that nothing can reach for the real AWS.
    """
    for name in [name for name in environment if name.startswith("AWS_")]:
        del environment[name]
    # Compiled code is what makes a second worker start fast.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    address = urlsplit(url)
    unproxied = ",".join(filter(None, [environment.get("NO_PROXY"), address.hostname]))
    environment.update(
        AWS_CONFIG_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_ENDPOINT_URL=url,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        GATEWAY_PORT=str(address.port),
        IOT_MTLS_ENABLED="0",
        NO_PROXY=unproxied,
        SFN_WAIT_SCALE=str(wait_scale),
        SFTP_ENABLED="0",
        no_proxy=unproxied,
    )


def log_to(path: str | None) -> None:
    """Everything to a file, or warnings to standard error."""
    handler = logging.FileHandler(path) if path else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(
        handlers=[handler], level=logging.INFO if path else logging.WARNING, force=True
    )


def run(
    gateway: Gateway,
    listener: socket.socket,
    *,
    until_stdin_closes: bool,
    relay: Callable[[], None],
    stop: Callable[[], None],
) -> None:
    """Serve until SIGTERM, SIGINT or, if wanted, the end of standard input; then ``stop``.

    ``relay`` is called several times a second.
    """
    status = 1
    try:
        served = _serve(gateway, listener, relay, until_stdin_closes=until_stdin_closes)
        # Not asyncio.run, which waits for every thread: invocations end only when stopped.
        asyncio.new_event_loop().run_until_complete(served)
        stop()
        status = 0
    finally:
        if status:
            logging.getLogger(__name__).critical("The gateway failed", exc_info=True)
        logging.shutdown()
        # Executions and invocations run on in threads that Python would wait for, for as long as
        # a Wait state lasts.
        os._exit(status)


async def _serve(
    gateway: Gateway,
    listener: socket.socket,
    relay: Callable[[], None],
    *,
    until_stdin_closes: bool,
) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    if until_stdin_closes:
        # The end of the parent, however it ends, closes the pipe.
        watch = threading.Thread(
            target=_wait_for_end_of_stdin,
            args=(lambda: loop.call_soon_threadsafe(ended.set),),
            daemon=True,
        )
        watch.start()
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    relaying = asyncio.create_task(_every(_RELAY_SECONDS, relay))
    await serve_http(gateway, config, shutdown_trigger=ended.wait)
    relaying.cancel()


async def _every(seconds: float, do: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        do()


def _wait_for_end_of_stdin(then: Callable[[], object]) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    then()
