"""Targets by the names that documents and rows give them."""

from __future__ import annotations

from typing import Any

import pytest

from functions.enrolment.errors import Unreadable
from functions.enrolment.target import Target, read_target, target_of
from functions.services import registry

GUARDDUTY = Target(registry.GUARDDUTY, "eu-west-1")


def test_a_target_is_named_by_its_service_and_region() -> None:
    stored = {"service": "guardduty", "region": "eu-west-1", "accounts": 3}

    assert read_target(registry.SERVICES, "guardduty", "eu-west-1") == GUARDDUTY
    assert target_of(stored, registry.SERVICES) == GUARDDUTY


def test_a_service_that_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match=r"^there is no service macie2$"):
        read_target(registry.SERVICES, "macie2", "eu-west-1")


@pytest.mark.parametrize(
    ("stored", "refusal"),
    [
        (
            {"service": "macie2", "region": "eu-west-1"},
            "service: takes a service that this version knows",
        ),
        ({"service": 1, "region": "eu-west-1"}, "service: takes a text"),
        ({"region": "eu-west-1"}, "service: is required"),
        ({"service": "guardduty"}, "region: is required"),
    ],
)
def test_what_names_no_target_is_refused_by_its_field(stored: dict[str, Any], refusal: str) -> None:
    with pytest.raises(Unreadable) as refused:
        target_of(stored, registry.SERVICES)

    assert str(refused.value) == refusal
