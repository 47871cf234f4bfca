"""Run the local AWS: ``python -m infra.local``."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from functions.enrolment.errors import InvalidInput
from infra.local.described.building import build
from infra.local.described.description import Description
from infra.local.described.reader import load
from infra.local.environment import environment, exports
from infra.local.facts.clock import WallClock
from infra.local.gateway.application import Gateway, relay_events
from infra.local.gateway.calls import CallLog
from infra.local.gateway.control import PREFIX, Control
from infra.local.gateway.endpoint import Endpoint
from infra.local.gateway.faults import Faults
from infra.local.gateway.server import is_exposed, listen, log_to, prepare, run, url_of
from infra.local.ministack.shared_code import SharedCode
from infra.local.world import World

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_ABOUT = """\
An AWS on this machine, for any program that uses an AWS SDK or the AWS CLI. It prints the variables
that a program needs in its environment, and runs until Ctrl-C. docs/local-aws.md describes it.
"""
_EXAMPLES = """\
examples:
  python -m infra.local
  python -m infra.local --world docs/local-world.example.json
  python -m infra.local --port 0 --speed 60 --log aws.log

Exit status 0: it was stopped; 1: it failed; 2: an argument or the world's file is invalid.
"""
# Who calls if nobody is described.
_ACCOUNT = "111122223333"
_REGION = "us-east-1"


def main() -> None:
    arguments = _parser().parse_args()
    description = _description(arguments.world)
    listener = _listener(arguments.host, arguments.port)
    url = url_of(listener)
    if is_exposed(listener):
        sys.stderr.write(
            f"infra.local: {arguments.host} can be reached from other machines. Signatures are not "
            "verified: whoever reaches the port can act as every account and run code here.\n"
        )
    prepare(os.environ, url, arguments.wait_scale)
    try:
        log_to(arguments.log)
    except OSError as error:
        _refuse(f"--log {arguments.log}: {error.strerror}")

    # MiniStack reads its settings when it is imported, and sets up logging of its own.
    from infra.local.ministack import backend
    from infra.local.ministack.corrections import Outdated, correct_ministack
    from infra.local.ministack.roles import make_role

    log_to(arguments.log)
    clock, faults, calls = WallClock(arguments.speed), Faults(arguments.seed), CallLog()
    world = World(clock, seed=arguments.seed, make_role=make_role)
    shared_code = SharedCode()
    try:
        correct_ministack(world, shared_code)
        build(world, description)
    except Outdated as error:
        sys.exit(f"infra.local: {error}")
    except InvalidInput as error:
        _refuse(f"{arguments.world}: {error}")

    def stop() -> None:
        backend.stop_workers()
        shared_code.remove()

    endpoint = Endpoint(world, clock, faults, calls, backend.account_of)
    control = Control(
        world,
        clock,
        faults,
        calls,
        deliver=backend.deliver_service_event,
        reset=backend.reset,
        describe=partial(build, world, description),
    )
    run(
        Gateway(endpoint, control, backend.app, _announcing(url, description)),
        listener,
        until_stdin_closes=arguments.until_stdin_closes,
        relay=lambda: relay_events(world, backend.deliver_service_event),
        stop=stop,
    )


def _description(path: Path | None) -> Description:
    if path is None:
        return Description()
    try:
        return load(path)
    except OSError as error:
        _refuse(f"{path}: {error.strerror}")
    except InvalidInput as error:
        _refuse(f"{path}: {error}")


def _listener(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            sys.exit(f"infra.local: --port {port}: {reason}")
        _refuse(f"--host {host}: {reason}")


def _announcing(url: str, description: Description) -> Callable[[], None]:
    """Programs read the first line: it ends with the URL."""
    organization = description.organization
    account_id = organization.management if organization else _ACCOUNT
    text = (
        f"Local AWS ready at {url}\n\n"
        f"{exports(environment(url, account_id, _REGION))}\n\n"
        f"The access key id is the account that calls. docs/local-aws.md and {url}{PREFIX} say what"
        " can be done next. Ctrl-C stops it.\n"
    )

    def announce() -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    return announce


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"infra.local: {message}\n")
    sys.exit(2)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("takes a whole number from 0 to 65535")
    return int(text)


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 <= factor <= 1_000_000:
        raise argparse.ArgumentTypeError("takes a number from 0 to 1000000")
    return factor


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra.local",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--world",
        metavar="FILE",
        type=Path,
        help="start with the organisation that a JSON file describes (docs/local-world.schema.json)"
        " instead of with no accounts",
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="listen on this address, such as 0.0.0.0 in a container; signatures are not verified,"
        " so whoever reaches it can do everything (default: %(default)s)",
    )
    parser.add_argument(
        "--port", type=_port, default=4566, help="0 takes a free port (default: %(default)s)"
    )
    parser.add_argument(
        "--speed",
        type=_factor,
        metavar="FACTOR",
        default=1.0,
        help="seconds of the services' clock in a real second (default: 1)",
    )
    parser.add_argument(
        "--wait-scale",
        type=_factor,
        metavar="FACTOR",
        default=1.0,
        help="factor for Step Functions' Wait states and retry intervals (default: 1)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="NUMBER",
        default=0,
        help="for ids and for faults with a probability: the same number gives the same"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--log", metavar="FILE", help="log everything to this file, not warnings to stderr"
    )
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="stop when standard input is closed"
    )
    return parser


if __name__ == "__main__":
    main()
