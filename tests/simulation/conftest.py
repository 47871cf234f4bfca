"""What is deployed, for all simulations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulation import deployed as templates

if TYPE_CHECKING:
    from tests.simulation.deployed import Deployed


@pytest.fixture(scope="session")
def deployed(template: dict[str, Any], member_role: dict[str, Any]) -> Deployed:
    """The machines and roles of the synthesised templates."""
    return templates.deployed(template, member_role)
