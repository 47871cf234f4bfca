"""Run the local AWS: ``python -m infra.local --port 4566``."""

from __future__ import annotations

import argparse
import os
import sys

from infra.local.facts.clock import WallClock
from infra.local.gateway.application import Gateway, relay_events
from infra.local.gateway.calls import CallLog
from infra.local.gateway.control import Control
from infra.local.gateway.endpoint import Endpoint
from infra.local.gateway.faults import Faults
from infra.local.gateway.server import HOST, listen, log_to, prepare, run
from infra.local.ministack.shared_code import SharedCode
from infra.local.world import World


def main() -> None:
    arguments = _parser().parse_args()
    try:
        listener = listen(arguments.port)
    except OSError as error:
        sys.exit(f"infra.local: port {arguments.port}: {error.strerror}")
    port = listener.getsockname()[1]
    prepare(os.environ, port, arguments.wait_scale)

    log_to(arguments.log)

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
    except Outdated as error:
        sys.exit(f"infra.local: {error}")

    def stop() -> None:
        backend.stop_workers()
        shared_code.remove()

    def announce() -> None:
        sys.stdout.write(f"Local AWS ready at http://{HOST}:{port}\n")
        sys.stdout.flush()

    endpoint = Endpoint(world, clock, faults, calls, backend.account_of)
    control = Control(
        world,
        clock,
        faults,
        calls,
        deliver=backend.deliver_service_event,
        reset=backend.reset,
    )
    gateway = Gateway(endpoint, control, backend.app, announce)
    run(
        gateway,
        listener,
        until_stdin_closes=arguments.until_stdin_closes,
        relay=lambda: relay_events(world, backend.deliver_service_event),
        stop=stop,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("--port", type=int, default=4566, help="0 takes a free port")
    parser.add_argument("--log", metavar="FILE", help="log everything here, not to stderr")
    parser.add_argument("--seed", type=int, default=0, help="of what is left to chance")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="seconds of the services' clock in a real second"
    )
    parser.add_argument(
        "--wait-scale", type=float, default=1.0, help="of Step Functions waits and retry intervals"
    )
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end with the process that started this"
    )
    return parser


if __name__ == "__main__":
    main()
