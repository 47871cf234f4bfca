"""Draws docs/watch.svg, what ``rollcall watch`` writes to a terminal: ``make picture``.

The run is one of the synthesised state machine with the real steps, on the services of the local
AWS and in virtual time, so that the picture is the same each time. ``test_picture.py`` compares.
"""

from __future__ import annotations

import io
import logging
import re
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.text import Text

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Configuration
from functions.services import registry
from functions.steps import wiring
from infra.asset import ROOT
from infra.cli import watch
from infra.cli.follow import follow
from infra.cli.site import Site
from infra.cli.watching import Watching
from infra.names import Names
from tests.conftest import synthesised, template_in
from tests.simulation.rollcall import ONBOARDING, RECONCILE, simulated
from tests.support.organization import add_account, found_organization
from tests.support.terminal import drawn

if TYPE_CHECKING:
    from tests.simulation.rollcall import SimulatedRollcall

PICTURE = ROOT / "docs" / "watch.svg"
WIDTH, HEIGHT = 100, 30
RUN = "manual-20270115T0800Z-0f3a5c1b9d2e"
# From the beginning of the run: then some of the memberships have an outcome, and some do not.
SECONDS = 33
_HEALTHY, _TAKEN, _SUSPENDED = map(AccountId, ("444455556666", "555566667777", "666677778888"))
_OTHER_ADMINISTRATOR = AccountId("777788889999")
_CONFIGURATION = Configuration(("eu-central-1", "eu-west-1"), registry.SERVICES)
# What rich writes between frames: to hide the cursor, to move it, and to erase a line.
_MOVES = re.compile(r"\r|\x1b\[\?25[hl]|\x1b\[\d*[AK]")


def picture(template: dict[str, Any], patch: pytest.MonkeyPatch) -> str:
    """The picture as SVG."""
    lines = [Text(f"$ rollcall watch {RUN}"), *screen(template, patch).split("\n")]
    return drawn("rollcall watch: a run in progress", lines, WIDTH)


def screen(template: dict[str, Any], patch: pytest.MonkeyPatch) -> Text:
    """What the terminal shows ``SECONDS`` after the beginning of a run, with its colours."""
    with simulated(template, _CONFIGURATION, patch) as running:
        _prepare(running)
        accounts = [{"id": each} for each in (_HEALTHY, _TAKEN, _SUSPENDED)]
        running.machines.start(ONBOARDING, RUN, {"accounts": accounts})
        return Text.from_ansi(_watched(running, running.clock.now() + SECONDS, patch))


def _prepare(running: SimulatedRollcall) -> None:
    """Three accounts of an organisation: one is suspended, and one a member of another
    administrator."""
    world = running.world
    found_organization(world, _CONFIGURATION)
    add_account(world, _HEALTHY)
    add_account(world, _SUSPENDED, state="SUSPENDED")
    place = {"service": "guardduty", "regions": ["eu-west-1"]}
    for account in (_OTHER_ADMINISTRATOR, _TAKEN):
        world.apply({"do": "add_account", "account_id": account, "accepts_after": 0})
    world.apply({"do": "enable", "account_id": _OTHER_ADMINISTRATOR, **place})
    invitation = {"administrator": _OTHER_ADMINISTRATOR, "account_id": _TAKEN}
    world.apply({"do": "invite", **invitation, **place})
    running.clock.advance(10)
    add_account(world, _TAKEN)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _watched(running: SimulatedRollcall, until: float, patch: pytest.MonkeyPatch) -> str:
    """The frame that the verb has written to a terminal by then, when it is stopped by Ctrl-C."""
    outputs = {"StateMachineArn": ONBOARDING, "ReconcileMachineArn": RECONCILE}
    site = Site(Names(), wiring.wiring(), outputs)
    terminal, steps, frame = _Terminal(), io.StringIO(), ""

    def pass_seconds(seconds: float) -> None:
        nonlocal frame
        later = running.clock.now() + seconds
        if later > until:
            frame = _MOVES.split(terminal.getvalue())[-1]
            raise KeyboardInterrupt
        with redirect_stdout(steps):
            running.agenda.run(later)
        running.clock.at(later)

    patch.setattr(watch, "follow", partial(follow, now=running.clock.now, sleep=pass_seconds))
    patch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", "COLUMNS": WIDTH, "LINES": HEIGHT}.items():
        patch.setenv(name, str(value))
    with redirect_stdout(terminal), redirect_stderr(io.StringIO()):
        # The run is planned as soon as it begins.
        pass_seconds(0)
        watch.watch(Watching(site, [RUN]), "")
    return frame


def main() -> None:
    """Draw the picture."""
    logging.disable()
    # The CDK warns of what is not about the picture.
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
        template = template_in(synthesised(Path(folder)))
    with pytest.MonkeyPatch.context() as patch:
        drawing = picture(template, patch)
    PICTURE.write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    main()
