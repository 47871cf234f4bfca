"""Mistakes that the simulation found once are found again, and are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation.found import FOUND
from tests.simulation.seeds import play

if TYPE_CHECKING:
    from tests.simulation.deployed import Deployed


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_mended_and_would_be_found_again(deployed: Deployed, name: str) -> None:
    found = FOUND[name]

    mended = play(found.weeks, deployed)
    with found.undo():
        undone = play(found.weeks, deployed)

    assert mended.broken == []
    assert undone.broken
