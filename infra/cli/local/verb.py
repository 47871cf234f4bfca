"""``rollcall local``: deploy to an AWS on this machine, start a run, follow it to its result."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from typer import Option

from functions.enrolment.errors import InvalidInput
from infra.cli.local.deployment import DeploymentFailed
from infra.cli.local.play import LOG, Play
from infra.cli.local.scenarios import SCENARIOS, ScenarioName
from infra.cli.progress import doing
from infra.cli.stack import NotDeployed
from infra.local.process import LocalAwsFailed, local_aws

EXAMPLES = """\
rollcall local --scenario invitation
rollcall local --keep"""

_ABOUT = "; ".join(f"{scenario.name}: {scenario.about}" for scenario in SCENARIOS.values())


def run(
    scenario: Annotated[
        ScenarioName, Option(metavar="NAME", help=f"The scenario to play. {_ABOUT}.")
    ] = "creation",
    keep: Annotated[
        bool, Option("--keep", help="Leave the local AWS running until Ctrl-C.")
    ] = False,
) -> int:
    """Deploy to a local AWS and follow a run.

    Starts an AWS on this machine, deploys to it, starts a run and follows it to its result. All
    processes are stopped at the end, also on Ctrl-C and on failure.

    Exit status 0: every membership is Enabled and the result was received; 1: otherwise; 2: invalid
    arguments; 130: stopped by Ctrl-C, unless the run had ended and --keep was given.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit)
    terminal = sys.stdout.isatty()
    console = Console(highlight=False, soft_wrap=not terminal)
    LOG.parent.mkdir(parents=True, exist_ok=True)
    # A local AWS that another command keeps running goes on writing to its own, unlinked log.
    LOG.unlink(missing_ok=True)
    try:
        with TemporaryDirectory(prefix="rollcall-", ignore_cleanup_errors=True) as folder:
            # Temporary files of the CDK, the local AWS and its workers are deleted with it.
            os.environ["TMPDIR"] = folder
            with ExitStack() as stack:
                with doing("the local AWS starts", console):
                    aws = stack.enter_context(local_aws(LOG))
                return Play(console, aws, SCENARIOS[scenario], Path(folder)).run(keep=keep)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130
    except (
        DeploymentFailed,
        InvalidInput,
        NotDeployed,
        LocalAwsFailed,
        OSError,
        BotoCoreError,
        ClientError,
    ) as error:
        errors = Console(stderr=True, highlight=False, soft_wrap=True)
        errors.print(str(error), style="red", markup=False)
        return 1


def _exit(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)
