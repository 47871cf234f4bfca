"""The page about the local AWS is what the code says."""

from __future__ import annotations

import pytest

from infra.local.commands import COMMANDS
from infra.local.facts.at_aws import AT_AWS
from infra.local.facts.clock import ManualClock
from infra.local.facts.timings import TIMINGS
from infra.local.gateway.control import RESOURCES
from infra.local.gateway.faults import KEYS, KINDS, Fault, FaultKind
from infra.local.operations import PAGE, page
from infra.local.services.registry import SERVICES
from infra.local.world import World


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == page(), "generate it again: python -m infra.local.operations"


def test_every_command_is_described() -> None:
    with pytest.raises(ValueError, match=r"^do: one of ") as refused:
        World(ManualClock()).apply({"do": "nothing"})

    assert str(refused.value) == f"do: one of {', '.join(COMMANDS)}"


def test_every_timing_and_limit_says_what_aws_does() -> None:
    names = {*TIMINGS, *(name for kind in SERVICES for name in (*kind.timings, *kind.limits))}

    assert names == AT_AWS.keys(), "add what AWS does to infra/local/facts/at_aws.py"


def test_every_fault_is_described() -> None:
    assert list(KINDS) == list(FaultKind)
    assert tuple(KEYS) == Fault.__slots__


def test_whatever_takes_a_body_has_an_example() -> None:
    bodies = {one.path for one in RESOURCES if one.method == "POST"} - {"reset"}

    assert {one.path for one in RESOURCES if one.example is not None} == bodies
