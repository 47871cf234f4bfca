"""Lambda finds every step's handler, and the garbage collector works afterwards."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import pytest

from functions import start, steps
from functions.steps import get_members

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _nothing_stays_frozen() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_a_step_is_started_by_its_handler() -> None:
    assert start.get_members is get_members.handler

    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_the_collector_is_off_while_a_step_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    enabled: list[bool] = []

    class Watching:
        def find_spec(self, name: str, *_: object) -> None:
            enabled.append(gc.isenabled())

    # Importing it again replaces both, until the test is over.
    monkeypatch.delitem(sys.modules, "functions.steps.get_members")
    monkeypatch.setattr(steps, "get_members", get_members)
    monkeypatch.setattr(sys, "meta_path", [Watching(), *sys.meta_path])

    assert callable(start.get_members)
    assert enabled
    assert not any(enabled)


def test_a_step_that_is_not_there_is_named_and_the_collector_works() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_step"):
        _ = start.no_such_step

    assert gc.isenabled()
