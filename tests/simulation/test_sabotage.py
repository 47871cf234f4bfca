"""Does the simulation notice what it is there for?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation.sabotages import SABOTAGES
from tests.simulation.seeds import play_seed
from tests.simulation.test_seeds import SEEDS

if TYPE_CHECKING:
    from tests.simulation.deployed import Deployed


def test_there_are_enough_mistakes() -> None:
    assert len(SABOTAGES) > 20


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_mistake_is_found(deployed: Deployed, name: str) -> None:
    sabotage = SABOTAGES[name]
    assert sabotage.seed < SEEDS

    with sabotage.make():
        played = play_seed(sabotage.seed, deployed)

    # What a step raises may come of the mistake itself: the world has to show it.
    assert {each.invariant for each in played.broken} - {"no step raises what it should not"}
