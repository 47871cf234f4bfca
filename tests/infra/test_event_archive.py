"""The archive keeps the events that start runs, and of the bus nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from moto.events.models import EventPattern

from functions.enrolment.configuration import Configuration
from functions.enrolment.regions import is_opt_in
from functions.enrolment.scope import Scope
from functions.services import registry
from infra.config import DeploymentConfig
from infra.local.facts.regions import OPT_IN_REGIONS
from infra.organization import archived_pattern, wanted_patterns
from tests.infra.conftest import ORGANIZED, synthesise
from tests.infra.support import resources, text, the
from tests.infra.test_event_rules import patterns
from tests.support.event_samples import BROUGHT_BY, SAMPLES
from tests.support.events import sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What a rule may have; AWS documents no other limit for an archive (EventBridge user guide,
# "Quotas").
MOST_CHARACTERS = 2048


def archive(template: Mapping[str, Any]) -> dict[str, Any]:
    return the(template, "AWS::Events::Archive")


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    found: bool = EventPattern.load(json.dumps(pattern)).matches_event(event)  # type: ignore[arg-type]  # takes a JSON object
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_it_keeps_the_events_that_start_a_run(
    templates: Mapping[str, Mapping[str, Any]], name: str
) -> None:
    pattern = archive(templates["Rollcall"])["EventPattern"]

    assert matches(pattern, sample(name)) is (name in BROUGHT_BY)


@pytest.mark.parametrize("source", ["rollcall", "aws.states", "aws.sts"])
def test_it_keeps_nothing_else(templates: Mapping[str, Mapping[str, Any]], source: str) -> None:
    """Such as Rollcall's own results, whose replay would tell subscribers the past again."""
    event = sample("create_account_result_succeeded") | {"source": source}

    assert not matches(archive(templates["Rollcall"])["EventPattern"], event)


@pytest.mark.parametrize("name", BROUGHT_BY)
def test_a_replayed_event_matches_the_rule_that_it_matched(
    templates: Mapping[str, Mapping[str, Any]], name: str
) -> None:
    event = sample(name) | {"replay-name": "after-the-outage"}
    rules = patterns(templates["Rollcall"])

    assert [rule for rule, pattern in rules.items() if matches(pattern, event)] == [
        BROUGHT_BY[name]
    ]


def test_its_pattern_is_short_enough_with_every_opt_in_region() -> None:
    assert all(map(is_opt_in, OPT_IN_REGIONS))
    configuration = Configuration(
        tuple(sorted(OPT_IN_REGIONS)),
        registry.SERVICES,
        scope=Scope(include_paths=("o-aa111bb222/",)),
    )

    pattern = archived_pattern(wanted_patterns(configuration))

    assert len(json.dumps(pattern, separators=(",", ":"))) < MOST_CHARACTERS - 100


def test_it_is_of_the_own_bus_for_two_weeks(templates: Mapping[str, Mapping[str, Any]]) -> None:
    template = templates["Rollcall"]
    (bus,) = resources(template, "AWS::Events::EventBus")

    assert text(archive(template)["SourceArn"]) == bus
    assert archive(template)["RetentionDays"] == 14


def test_it_can_be_left_out(tmp_path: Path) -> None:
    without = replace(DeploymentConfig(ORGANIZED.configuration), event_retention_days=0)

    template = synthesise(without, tmp_path)["Rollcall"]

    assert not resources(template, "AWS::Events::Archive")
    assert "EventArchiveArn" not in template["Outputs"]
