"""The rules: made of what the intake accepts, and matching that and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from moto.events.models import EventPattern

from functions.enrolment.configuration import Configuration
from functions.enrolment.scope import Scope
from functions.enrolment.target import ServiceName
from functions.intake.arrivals import ARRIVALS
from infra.organization import wanted_patterns
from tests.infra.conftest import ORGANIZED
from tests.infra.support import arrival_rules, name_of, the
from tests.support.arrivals import BROUGHT_BY, OPTED_IN_TO, SAMPLES
from tests.support.events import sample

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERYWHERE = Configuration(regions=("eu-west-1",), services=tuple(ServiceName))
STACKS = ("Rollcall", "RollcallOrganizationEvents", "RollcallControlTowerEvents")
FORWARDED_BY = {
    "RollcallOrganizationEvents": {
        "CreateAccountResult",
        "AcceptHandshake",
        "AccountJoinedOrganization",
        "MoveAccount",
        "Region Opt-In Status Change",
    },
    "RollcallControlTowerEvents": {"CreateManagedAccount", "UpdateManagedAccount"},
}


def patterns(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rules' patterns, by the event's name."""
    rules = arrival_rules(template).values()
    return {name_of(rule): rule["EventPattern"] for rule in rules}


def test_the_machine_is_started_by_all_the_intake_accepts(
    templates: Mapping[str, Mapping[str, Any]],
) -> None:
    made = patterns(templates["Rollcall"])
    opt_in = made.pop("Region Opt-In Status Change")

    assert made == {name: ARRIVALS[name].pattern for name in made}
    assert {*made, "Region Opt-In Status Change"} == set(ARRIVALS)
    assert opt_in["detail"] == {"status": ["ENABLED"], "regionName": [OPTED_IN_TO]}


@pytest.mark.parametrize("stack", FORWARDED_BY)
def test_each_event_is_forwarded_from_where_it_appears(
    templates: Mapping[str, Mapping[str, Any]], stack: str
) -> None:
    started = patterns(templates["Rollcall"])

    assert patterns(templates[stack]) == {name: started[name] for name in FORWARDED_BY[stack]}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("stack", STACKS)
def test_an_event_that_brings_an_account_matches_its_one_rule(
    templates: Mapping[str, Mapping[str, Any]], stack: str, name: str
) -> None:
    rules = patterns(templates[stack])
    matching = [
        rule
        for rule, pattern in rules.items()
        if EventPattern.load(json.dumps(pattern)).matches_event(sample(name))  # type: ignore[arg-type]  # a JSON object is what it takes
    ]

    assert matching == [rule for rule in (BROUGHT_BY.get(name),) if rule in rules]


def test_a_move_matters_only_to_a_scope_of_organizational_units() -> None:
    by_tag = replace(EVERYWHERE, scope=Scope(exclude_tags={"sandbox": "*"}))
    outside = replace(EVERYWHERE, scope=Scope(exclude_paths=("o-aa111bb222/r-ab12/",)))

    assert "MoveAccount" not in wanted_patterns(EVERYWHERE)
    assert "MoveAccount" not in wanted_patterns(by_tag)
    assert "MoveAccount" in wanted_patterns(outside)


def test_an_opt_in_matters_only_for_configured_regions_that_need_it() -> None:
    regions = ("eu-west-1", "me-south-1", "af-south-1")
    wanted = wanted_patterns(replace(EVERYWHERE, regions=regions))
    status = wanted["Region Opt-In Status Change"]["detail"]

    assert status["regionName"] == ["me-south-1", "af-south-1"]
    assert "Region Opt-In Status Change" not in wanted_patterns(EVERYWHERE)


def test_asking_for_patterns_changes_none_of_the_intakes() -> None:
    wanted_patterns(ORGANIZED.configuration)

    assert "regionName" not in ARRIVALS["Region Opt-In Status Change"].pattern["detail"]


@pytest.mark.parametrize("stack", STACKS)
def test_a_rule_says_what_it_is_for(templates: Mapping[str, Mapping[str, Any]], stack: str) -> None:
    purpose = "starts a run" if stack == "Rollcall" else "goes on to Rollcall's bus"

    for rule in arrival_rules(templates[stack]).values():
        assert rule["Description"] == f"Rollcall: {name_of(rule)} {purpose}"
        assert rule["State"] == "ENABLED"


def test_with_nothing_optional_there_are_five_rules(template: Mapping[str, Any]) -> None:
    assert set(patterns(template)) == {
        "CreateAccountResult",
        "AcceptHandshake",
        "AccountJoinedOrganization",
        "CreateManagedAccount",
        "UpdateManagedAccount",
    }
    assert the(template, "AWS::Events::EventBus")["Name"] == "rollcall"
