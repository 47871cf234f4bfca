"""The rules: their patterns are those of the intake and match its events only."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from moto.events.models import EventPattern

from functions.enrolment.configuration import Configuration
from functions.enrolment.scope import Scope
from functions.intake.arrivals import ARRIVALS
from functions.services import registry
from infra.organization import wanted_patterns
from tests.infra.conftest import ORGANIZED
from tests.infra.support import arrival_rules, name_of, the
from tests.support.event_samples import BROUGHT_BY, OPTED_IN_TO, SAMPLES
from tests.support.events import sample

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERYWHERE = Configuration(regions=("eu-west-1",), services=registry.SERVICES)
STACKS = (
    "Rollcall",
    "RollcallOrganizationEvents",
    "RollcallControlTowerEvents",
    "RollcallRegionEvents",
)
FORWARDED_BY = {
    "RollcallOrganizationEvents": {
        "CreateAccountResult",
        "AcceptHandshake",
        "AccountJoinedOrganization",
        "MoveAccount",
        "Region Opt-In Status Change",
    },
    "RollcallControlTowerEvents": {
        "CreateManagedAccount",
        "UpdateManagedAccount",
        "EnableBaseline",
    },
    "RollcallRegionEvents": {"Region Opt-In Status Change"},
}


def patterns(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rules' patterns, by the event's name."""
    rules = arrival_rules(template).values()
    return {name_of(rule): rule["EventPattern"] for rule in rules}


def test_every_event_that_the_intake_accepts_starts_the_machine(
    templates: Mapping[str, Mapping[str, Any]],
) -> None:
    synthesised = patterns(templates["Rollcall"])
    opt_in = synthesised.pop("Region Opt-In Status Change")

    assert synthesised == {name: ARRIVALS[name].pattern for name in synthesised}
    assert {*synthesised, "Region Opt-In Status Change"} == set(ARRIVALS)
    assert opt_in["detail"] == {"status": ["ENABLED"], "regionName": [OPTED_IN_TO]}


@pytest.mark.parametrize("stack", FORWARDED_BY)
def test_each_event_is_forwarded_from_the_region_it_is_published_in(
    templates: Mapping[str, Mapping[str, Any]], stack: str
) -> None:
    started = patterns(templates["Rollcall"])

    assert patterns(templates[stack]) == {name: started[name] for name in FORWARDED_BY[stack]}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("stack", STACKS)
def test_an_event_about_a_new_account_matches_its_one_rule(
    templates: Mapping[str, Mapping[str, Any]], stack: str, name: str
) -> None:
    rules = patterns(templates[stack])
    matching = [
        rule
        for rule, pattern in rules.items()
        if EventPattern.load(json.dumps(pattern)).matches_event(sample(name))  # type: ignore[arg-type]  # takes a JSON object
    ]

    assert matching == [rule for rule in (BROUGHT_BY.get(name),) if rule in rules]


def test_moves_have_a_rule_only_with_a_scope_of_organizational_units() -> None:
    by_tag = replace(EVERYWHERE, scope=Scope(exclude_tags={"sandbox": "*"}))
    outside = replace(EVERYWHERE, scope=Scope(exclude_paths=("o-aa111bb222/r-ab12/",)))

    assert "MoveAccount" not in wanted_patterns(EVERYWHERE)
    assert "MoveAccount" not in wanted_patterns(by_tag)
    assert "MoveAccount" in wanted_patterns(outside)


def test_opt_ins_have_a_rule_only_for_configured_opt_in_regions() -> None:
    regions = ("eu-west-1", "me-south-1", "af-south-1")
    wanted = wanted_patterns(replace(EVERYWHERE, regions=regions))
    status = wanted["Region Opt-In Status Change"]["detail"]

    assert status["regionName"] == ["me-south-1", "af-south-1"]
    assert "Region Opt-In Status Change" not in wanted_patterns(EVERYWHERE)


def test_wanted_patterns_does_not_change_those_of_the_intake() -> None:
    wanted_patterns(ORGANIZED.configuration)

    assert "regionName" not in ARRIVALS["Region Opt-In Status Change"].pattern["detail"]


@pytest.mark.parametrize("stack", STACKS)
def test_a_rule_has_its_purpose_as_description(
    templates: Mapping[str, Mapping[str, Any]], stack: str
) -> None:
    purpose = "starts a run" if stack == "Rollcall" else "is forwarded to Rollcall's bus"

    for rule in arrival_rules(templates[stack]).values():
        assert rule["Description"] == f"Rollcall: {name_of(rule)} {purpose}"
        assert rule["State"] == "ENABLED"


def test_with_nothing_optional_there_are_six_rules(template: Mapping[str, Any]) -> None:
    assert set(patterns(template)) == {
        "CreateAccountResult",
        "AcceptHandshake",
        "AccountJoinedOrganization",
        "CreateManagedAccount",
        "UpdateManagedAccount",
        "EnableBaseline",
    }
    assert the(template, "AWS::Events::EventBus")["Name"] == "rollcall"
