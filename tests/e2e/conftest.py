"""Fixtures that start the command line and stop it when the tests end, also if they fail."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.e2e.support import Command

if TYPE_CHECKING:
    from collections.abc import Iterator


class Starts(Protocol):
    def __call__(self, *arguments: str, program: tuple[str, ...] = ()) -> Command: ...


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starts]:
    """Starts ``python -m infra.cli`` with the arguments, or another program."""
    with ExitStack() as stack:

        def begin(*arguments: str, program: tuple[str, ...] = ()) -> Command:
            command = Command(tmp_path_factory.mktemp("run"), *arguments, program=program)
            stack.callback(command.kill)
            return command

        yield begin


@pytest.fixture(scope="session")
def side_by_side(start: Starts) -> dict[str, Command]:
    """The scenarios that mostly wait, started together."""
    return {
        "invitation": start("local", "--scenario", "invitation", "--keep"),
        "trouble": start("local", "--scenario", "trouble"),
        "organization": start("local", "--scenario", "organization"),
    }
