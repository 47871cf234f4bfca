"""Someone at the command line of a deployment that runs in this process."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from functions.steps import wiring
from infra.cli.__main__ import main
from infra.cli.failures import print_unread_once
from infra.cli.site import Site
from infra.names import Names
from tests.support.schemas import schema_of

if TYPE_CHECKING:
    import pytest

    from tests.support.rollcall import Rollcall


@dataclass
class Operator:
    """What they see never has an e-mail address; ``errors`` is the last standard error."""

    rollcall: Rollcall
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    errors: str = ""

    def sees(self, verb: str, *arguments: str, width: int | None = None) -> tuple[int, list[str]]:
        """The exit status, and the lines of the output, or of the error if nothing was done.

        ``width`` is that of a terminal; without it the output is redirected.
        """
        outputs = {"StateMachineArn": self.rollcall.machine_arn}
        reading = replace(wiring.wiring(), unread=print_unread_once())
        site = Site(Names(), reading, outputs)
        with self.monkeypatch.context() as patch:
            patch.setattr(importlib.import_module(f"infra.cli.{verb}"), "site_of", lambda *_: site)
            if width is not None:
                patch.setenv("FORCE_COLOR", "1")
                patch.setenv("NO_COLOR", "1")
                patch.setenv("TERM", "dumb")
                patch.setenv("COLUMNS", str(width))
                # Without it, rich takes 80 columns for a dumb terminal.
                patch.setenv("LINES", "50")
            self.capsys.readouterr()
            with self.rollcall.used.of(verb):
                status = main([verb, *arguments])
        seen = self.capsys.readouterr()
        self.errors = seen.err
        assert "@" not in seen.out + seen.err
        return status, (seen.err if status == 2 else seen.out).splitlines()

    def reads(self, verb: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit status and the document, which is as its schema says."""
        status, lines = self.sees(verb, *arguments, "--json")
        (line,) = lines
        document: dict[str, Any] = json.loads(line)
        schema_of(f"cli/{verb}").validate(document)
        return status, document
