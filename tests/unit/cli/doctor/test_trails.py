"""Which trails deliver the events about accounts, and what mends those that do not."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from infra.cli.doctor.finding import Level, Unread
from infra.cli.doctor.trails import Trail, judge_trails, takes_writes
from tests.support.builders import MANAGEMENT

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
HERE = "us-east-1"
ORGANIZATIONS = "organizations.amazonaws.com"
CONTROL_TOWER = "controltower.amazonaws.com"
EVERYTHING = {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}
READS = {"EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]}


def a_trail(**changes: Any) -> Trail:
    given: dict[str, Any] = {
        "name": "all",
        "home_region": HERE,
        "multi_region": True,
        "global_services": True,
        "logs": True,
        "selectors": EVERYTHING,
    }
    return Trail(**given | changes)


SINGLE = {"multi_region": False}
ELSEWHERE = {"home_region": "eu-west-1"}


@pytest.mark.parametrize(
    ("trails", "level", "said", "commands"),
    [
        ([{}], OK, "The trail all delivers management events", []),
        ([ELSEWHERE], OK, "The trail all delivers", []),
        ([SINGLE], OK, "The trail all delivers", []),
        ([{"selectors": READS}, {"name": "good"}], OK, "The trail good delivers", []),
        ([], FAIL, "No trail", ["create-trail", "start-logging --name management-events"]),
        ([{"logs": False}], FAIL, "does not log", ["start-logging --name all --region us-east-1"]),
        (
            [ELSEWHERE | {"logs": False}],
            FAIL,
            "does not log",
            ["start-logging --name all --region eu-west-1"],
        ),
        (
            [SINGLE | ELSEWHERE],
            FAIL,
            "logs events of eu-west-1 only",
            [
                "update-trail --name all --is-multi-region-trail --include-global-service-events"
                " --region eu-west-1"
            ],
        ),
        (
            [SINGLE | {"global_services": False}],
            WARN,
            "leaves out the events of global services: EventBridge may not get the events",
            ["update-trail --name all --include-global-service-events --region us-east-1"],
        ),
        (
            [{"selectors": READS}],
            FAIL,
            "leave out management events that write (organizations.amazonaws.com)",
            ["put-event-selectors --trail-name all --event-selectors '[{"],
        ),
        (
            [{"selectors": READS, "logs": False}],
            FAIL,
            "leave out management events that write (organizations.amazonaws.com) and does not log",
            ["put-event-selectors --trail-name all", "start-logging --name all"],
        ),
        (
            [{"selectors": READS, "logs": False}, {"name": "near", "logs": False}],
            FAIL,
            "The trail near of",
            ["start-logging --name near"],
        ),
        (
            [{"logs": False}, SINGLE | {"name": "near", "global_services": False}],
            WARN,
            "The trail near of",
            ["update-trail --name near"],
        ),
    ],
    ids=[
        *("multi-Region", "home elsewhere", "single-Region here", "second of two", "none"),
        *("stopped", "stopped elsewhere", "single-Region elsewhere", "no global services"),
        *("reads only", "two problems", "fewest problems", "nothing certain"),
    ],
)
def test_a_trail_delivers_the_events_or_is_named_with_what_mends_it(
    trails: list[dict[str, Any]], level: Level, said: str, commands: list[str]
) -> None:
    finding = judge_trails([a_trail(**one) for one in trails], {ORGANIZATIONS}, HERE, MANAGEMENT)

    assert finding.level is level
    assert said in finding.reason
    found = finding.command.split(" && ") if finding.command else []
    assert len(found) == len(commands)
    for command, begins in zip(found, commands, strict=True):
        assert command.startswith(f"aws cloudtrail {begins}")


def test_control_tower_is_no_global_service() -> None:
    """Its events are published in its home Region."""
    trail = a_trail(multi_region=False, global_services=False)
    assert judge_trails([trail], {CONTROL_TOWER}, HERE, MANAGEMENT).level is OK


REFUSED = Unread("some:Action", "denied")


@pytest.mark.parametrize(
    ("trails", "level"),
    [
        (REFUSED, WARN),
        ([REFUSED], WARN),
        ([a_trail(logs=False), REFUSED], WARN),
        ([REFUSED, a_trail()], OK),
    ],
    ids=["all", "the only one", "beside a stopped one", "beside a sound one"],
)
def test_trails_that_may_not_be_read_are_a_warning_unless_another_delivers(
    trails: Any, level: Level
) -> None:
    finding = judge_trails(trails, {ORGANIZATIONS}, HERE, MANAGEMENT)
    assert finding.level is level
    assert ("allow some:Action" in finding.reason) is (level is WARN)


def basic(**selector: Any) -> dict[str, Any]:
    return {"EventSelectors": [selector]}


def advanced(*fields: tuple[str, str, str]) -> dict[str, Any]:
    """A selector for management events with further fields: field, operator, value."""
    selectors = [("eventCategory", "Equals", "Management"), *fields]
    found = [{"Field": field, operator: [value]} for field, operator, value in selectors]
    return {"AdvancedEventSelectors": [{"Name": "A && B", "FieldSelectors": found}]}


SELECTORS = {
    "all": (basic(ReadWriteType="All", IncludeManagementEvents=True), True),
    "writes": (basic(ReadWriteType="WriteOnly"), True),
    "reads": (basic(ReadWriteType="ReadOnly"), False),
    "no management events": (basic(IncludeManagementEvents=False), False),
    "without KMS": (basic(ExcludeManagementEventSources=["kms.amazonaws.com"]), True),
    "without Organizations": (basic(ExcludeManagementEventSources=[ORGANIZATIONS]), False),
    "second of two": (
        {"EventSelectors": [{"ReadWriteType": "ReadOnly"}, {"ReadWriteType": "WriteOnly"}]},
        True,
    ),
    "advanced": (advanced(), True),
    "advanced writes": (advanced(("readOnly", "Equals", "false")), True),
    "advanced reads": (advanced(("readOnly", "Equals", "true")), False),
    "advanced without KMS": (advanced(("eventSource", "NotEquals", "kms.amazonaws.com")), True),
    "advanced without Organizations": (
        advanced(("eventSource", "NotEquals", ORGANIZATIONS)),
        False,
    ),
    "advanced of others": (advanced(("eventSource", "Equals", "iam.amazonaws.com")), False),
    "advanced not beginning so": (advanced(("eventSource", "NotStartsWith", "organ")), False),
    "advanced not ending so": (advanced(("eventSource", "NotEndsWith", ".com")), False),
    "advanced beginning so": (advanced(("eventSource", "StartsWith", "organ")), True),
    "advanced ending otherwise": (advanced(("eventSource", "EndsWith", ".org")), False),
    "advanced data": (
        {
            "AdvancedEventSelectors": [
                {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}
            ]
        },
        False,
    ),
    "none": ({}, False),
}


@pytest.mark.parametrize("case", SELECTORS)
def test_event_selectors_take_events_that_write(case: str) -> None:
    selectors, taken = SELECTORS[case]
    assert takes_writes(selectors, ORGANIZATIONS) is taken


@pytest.mark.parametrize("case", [case for case, (_, taken) in SELECTORS.items() if not taken])
def test_mended_selectors_take_events_that_write_and_all_that_they_took(case: str) -> None:
    selectors, _ = SELECTORS[case]
    finding = judge_trails([a_trail(selectors=selectors)], {ORGANIZATIONS}, HERE, MANAGEMENT)

    assert " && " not in finding.command
    words = shlex.split(finding.command)
    [option] = [word for word in words if word.endswith("event-selectors") and word[0] == "-"]
    kind = "AdvancedEventSelectors" if "advanced" in option else "EventSelectors"
    mended = json.loads(words[words.index(option) + 1])
    assert mended[:-1] == selectors.get(kind, [])
    assert takes_writes({kind: mended}, ORGANIZATIONS)
