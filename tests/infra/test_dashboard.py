"""The dashboard draws what is measured, and says which command has the details."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws import metrics
from functions.enrolment.results import RunOutcome
from functions.services import registry
from tests.infra.support import machine_of, resources, text, the

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_SERVICES = {metrics.ENABLED, metrics.TO_BE_ENABLED, metrics.TIME_TO_ENABLED}


@pytest.fixture
def widgets(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    body = json.loads(text(the(template, "AWS::CloudWatch::Dashboard")["DashboardBody"]))
    found: list[dict[str, Any]] = body["widgets"]
    return found


@pytest.fixture
def graphs(widgets: list[dict[str, Any]]) -> dict[str, list[list[Any]]]:
    """The metrics of each graph, by its title."""
    return {
        widget["properties"]["title"]: widget["properties"]["metrics"]
        for widget in widgets
        if widget["type"] == "metric"
    }


def drawn(lines: list[list[Any]]) -> set[tuple[str, ...]]:
    """Namespace, name and dimensions of each metric, without its options."""
    return {
        tuple(str(part) for part in line if not isinstance(part, dict))
        for line in lines
        if isinstance(line[0], str)
    }


def test_it_is_named_after_the_deployment(template: Mapping[str, Any]) -> None:
    assert the(template, "AWS::CloudWatch::Dashboard")["DashboardName"] == "Rollcall"


def test_every_service_and_outcome_that_is_measured_is_drawn(
    graphs: dict[str, list[list[Any]]],
) -> None:
    everything = set().union(*map(drawn, graphs.values()))
    own = {line for line in everything if line[0] == "Rollcall"}

    assert own == {
        *(
            ("Rollcall", name, "service", service.name)
            for name in OF_SERVICES
            for service in registry.SERVICES
        ),
        *(
            ("Rollcall", metrics.RUNS, "outcome", str(outcome))
            for outcome in RunOutcome
            if outcome is not RunOutcome.WAITING
        ),
        ("Rollcall", metrics.THROTTLED_STEPS),
    }
    statistics = {line[-1].get("stat") for line in graphs["Time to Enabled"]}
    assert statistics == {"p50", "p95"}
    ((search,),) = graphs["Gaps by reason code"]
    assert search["expression"] == (
        "SEARCH('{\"Rollcall\",reason_code} MetricName=\"Gaps\"', 'Maximum', 86400)"
    )


def test_coverage_is_a_share_of_what_is_to_be_enabled(graphs: dict[str, list[list[Any]]]) -> None:
    expressions = [each for line in graphs["Coverage"] for each in line if isinstance(each, dict)]
    shares = {each["label"]: each["expression"] for each in expressions if "expression" in each}

    assert set(shares) == {service.label for service in registry.SERVICES}
    assert "100 * guardduty_enabled / guardduty_all" in shares["GuardDuty"]


def test_both_machines_and_every_queue_are_drawn(
    template: Mapping[str, Any], graphs: dict[str, list[list[Any]]]
) -> None:
    machine, reconciles = machine_of(template), machine_of(template, "ReconcileMachineArn")
    ended = graphs["Executions that failed, were aborted or timed out"]
    queues = set(resources(template, "AWS::SQS::Queue"))

    assert {(line[1], line[3]) for line in ended} == {
        (f"Executions{how}", arn)
        for how in ("Failed", "Aborted", "TimedOut")
        for arn in (machine, reconciles)
    }
    throttled = {line[3] for line in drawn(graphs["Throttled"]) if line[0] == "AWS/States"}
    assert throttled == {machine, reconciles, f"{machine}/Target"}
    for title, name in (
        ("Undelivered", "ApproximateNumberOfMessagesVisible"),
        ("Age of the oldest undelivered message", "ApproximateAgeOfOldestMessage"),
    ):
        assert {(line[1], line[3]) for line in drawn(graphs[title])} == {
            (name, queue) for queue in queues
        }


def test_the_texts_name_commands_of_this_deployment(widgets: list[dict[str, Any]]) -> None:
    texts = [each["properties"]["markdown"] for each in widgets if each["type"] == "text"]

    assert [re.findall("`(.*)`", each) for each in texts] == [
        [".venv/bin/rollcall status --gaps"],
        [".venv/bin/rollcall runs"],
        [".venv/bin/rollcall redrive"],
    ]
