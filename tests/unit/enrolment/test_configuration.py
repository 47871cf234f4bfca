from __future__ import annotations

import json
from typing import Any

import pytest

from functions.enrolment.configuration import (
    Configuration,
    Invitation,
    Reconcile,
    Timing,
    read_configuration,
)
from functions.enrolment.document import Document
from functions.enrolment.errors import InvalidInput
from functions.services import registry
from tests.support.builders import a_configuration


def read(value: Any) -> Configuration:
    document = Document(value, "rollcall")
    configuration = read_configuration(document, registry.SERVICES)
    document.close()
    return configuration


def test_regions_are_enough() -> None:
    configuration = read({"regions": ["eu-west-1"]})

    assert configuration == Configuration(("eu-west-1",), registry.SERVICES)


def test_what_is_written_is_what_is_read() -> None:
    configuration = Configuration(
        ("eu-west-1", "us-gov-west-1"),
        (registry.DETECTIVE,),
        Invitation("Welcome", send_email=True, member_role="RollcallMember", external_id="x"),
        Timing(first_wait=1, invitation_deadline=8),
        service_regions={"detective": ("eu-west-1",)},
        record_retention_days=0,
        reconcile=Reconcile("rate(2 days)", ("detective",), ("eu-west-1",), 7, {"detective": 3}),
    )

    stored = json.dumps(read(configuration.to_json()).to_json())

    assert read(json.loads(stored)) == configuration


ROLE = {"member_role": "RollcallMember", "external_id": "x"}
STANDARD = "aws-foundational-security-best-practices/v/1.0.0"


@pytest.mark.parametrize(
    ("given", "standards", "features"),
    [
        ({}, None, None),
        ({"standards": None, "detector_features": None}, None, None),
        ({"standards": [], "detector_features": []}, (), ()),
        (
            {"standards": [STANDARD], "detector_features": ["S3_DATA_EVENTS"]},
            (STANDARD,),
            ("S3_DATA_EVENTS",),
        ),
    ],
    ids=["absent", "null", "none", "one"],
)
def test_what_an_acceptance_enables_is_the_default_of_aws_or_exactly_a_list(
    given: dict[str, Any], standards: tuple[str, ...] | None, features: tuple[str, ...] | None
) -> None:
    configuration = read({"regions": ["eu-west-1"], "invitation": ROLE | given})

    assert configuration.invitation == Invitation(
        member_role="RollcallMember",
        external_id="x",
        standards=standards,
        detector_features=features,
    )
    assert read(configuration.to_json()) == configuration


@pytest.mark.parametrize(
    ("given", "configuration"),
    [
        ({"timing": {"grace": "5m"}}, a_configuration(timing=Timing(grace=300))),
        (
            {"reconcile": {"most_changes": 0}},
            a_configuration(reconcile=Reconcile(most_changes=0)),
        ),
        ({"record_retention_days": 30}, a_configuration(record_retention_days=30)),
        ({"record_retention_days": 3650}, a_configuration(record_retention_days=3650)),
    ],
)
def test_what_is_not_given_is_the_default(
    given: dict[str, Any], configuration: Configuration
) -> None:
    assert read({"regions": ["eu-west-1", "us-east-1"]} | given) == configuration


@pytest.mark.parametrize("rate", [0, 1001])
def test_a_rate_is_from_1_to_1000_requests_per_second(rate: int) -> None:
    given = {"regions": ["eu-west-1"], "reconcile": {"rates": {"detective": rate}}}

    with pytest.raises(InvalidInput, match="takes a whole number from 1 to 1000") as refused:
        read(given)

    assert refused.value.field == "rollcall.reconcile.rates.detective"


def test_what_is_the_default_is_not_written() -> None:
    written = Configuration(("eu-west-1",), ()).to_json()

    del written["timing"]
    assert written == {
        "regions": ["eu-west-1"],
        "services": [],
        "invitation": {},
        "scope": {},
        "record_retention_days": 400,
        "reconcile": {},
    }


@pytest.mark.parametrize("schedule", ["off", "rate(1 hour)", "cron(0 4 ? * MON *)"])
def test_a_schedule_is_an_expression_of_eventbridge_scheduler_or_off(schedule: str) -> None:
    configuration = read({"regions": ["eu-west-1"], "reconcile": {"schedule": schedule}})

    assert configuration.reconcile.schedule == schedule


@pytest.mark.parametrize(
    "schedule", ["daily", "OFF", "cron()", 4], ids=["word", "case", "empty", "number"]
)
def test_any_other_schedule_is_refused(schedule: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        read({"regions": ["eu-west-1"], "reconcile": {"schedule": schedule}})

    assert refused.value.field == "rollcall.reconcile.schedule"
    assert str(refused.value).endswith(
        "schedule: takes rate(…) or cron(…) as EventBridge Scheduler does, or off"
    )


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ([], "rollcall: takes a JSON object"),
        ({}, "rollcall.regions: is required"),
        ({"regions": []}, "rollcall.regions: takes a list of 1 to 40 items"),
        ({"regions": ["Ireland"]}, "rollcall.regions[0]: takes the name of a Region"),
        ({"regions": ["eu-west-1", "eu-west-1"]}, "rollcall.regions[1]: repeats an earlier item"),
        ({"regions": ["eu-west-1"], "region": 1}, "rollcall.region: is not known here"),
        ({"regions": ["eu-west-1"], "services": ["macie"]}, "rollcall.services[0]: takes one of"),
        (
            {"regions": ["eu-west-1"], "timing": {"first_wait": "soon"}},
            "rollcall.timing.first_wait: takes a duration",
        ),
        (
            {"regions": ["eu-west-1"], "timing": {"invitation_deadline": "366d"}},
            "rollcall.timing.invitation_deadline: takes a duration",
        ),
        (
            {"regions": ["eu-west-1"], "timing": {"most_attempts": True}},
            "rollcall.timing.most_attempts: takes a whole number from 1 to 10",
        ),
        (
            {"regions": ["eu-west-1"], "invitation": {"send_email": "no"}},
            "rollcall.invitation.send_email: takes true or false",
        ),
        (
            {"regions": ["eu-west-1"], "invitation": {"message": "x" * 1001}},
            "rollcall.invitation.message: takes a string of 1 to 1000 characters",
        ),
        (
            {"regions": ["eu-west-1"], "invitation": {"member_role": "x" * 65}},
            "rollcall.invitation.member_role: takes a string of 1 to 64 characters",
        ),
        (
            {"regions": ["eu-west-1"], "invitation": {"external_id": "x" * 1225}},
            "rollcall.invitation.external_id: takes a string of 1 to 1224 characters",
        ),
        (
            {"regions": ["eu-west-1"], "reconcile": {"most_changes": -1}},
            "rollcall.reconcile.most_changes: takes a whole number from 0 to 50000",
        ),
        (
            {"regions": ["eu-west-1"], "invitation": {"member_role": "RollcallMember"}},
            "rollcall.invitation.external_id: is required where member_role is given",
        ),
        *(
            ({"regions": ["eu-west-1"], "invitation": ROLE | invitation}, refusal)
            for invitation, refusal in (
                ({"standards": STANDARD}, "rollcall.invitation.standards: takes a list of 0 to 25"),
                (
                    {"standards": [STANDARD, f"standards/{STANDARD}"]},
                    "rollcall.invitation.standards[1]: takes the part of a standard's ARN after",
                ),
                (
                    {"standards": [STANDARD, STANDARD]},
                    "rollcall.invitation.standards[1]: repeats an earlier item",
                ),
                (
                    {"detector_features": ["RDS_LOGIN_EVENTS", "FLOW_LOGS"]},
                    "rollcall.invitation.detector_features[1]: takes one of S3_DATA_EVENTS, EKS",
                ),
                (
                    {
                        "detector_features": [
                            "RUNTIME_MONITORING",
                            "S3_DATA_EVENTS",
                            "EKS_RUNTIME_MONITORING",
                        ]
                    },
                    "rollcall.invitation.detector_features[2]: takes only one of"
                    " EKS_RUNTIME_MONITORING and RUNTIME_MONITORING: the latter includes",
                ),
            )
        ),
        *(
            (
                {"regions": ["eu-west-1"], "invitation": {key: []}},
                f"rollcall.invitation.member_role: is required where {key} is given",
            )
            for key in ("standards", "detector_features")
        ),
        *(
            (
                {"regions": ["eu-west-1"], "record_retention_days": days},
                "rollcall.record_retention_days: takes a whole number from 30 to 3650, or 0",
            )
            for days in (1, 29, 3651, -1, False, True, "400", 400.0)
        ),
        (
            {"regions": ["eu-west-1"], "service_regions": {"detective": ["us-east-1"]}},
            "rollcall.service_regions.detective[0]: takes one of eu-west-1",
        ),
        (
            {
                "regions": ["eu-west-1"],
                "services": ["guardduty"],
                "service_regions": {"detective": ["eu-west-1"]},
            },
            "rollcall.service_regions.detective: is not known here; known are guardduty",
        ),
    ],
)
def test_a_bad_value_is_refused_by_its_key_and_what_it_takes(value: Any, refusal: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(value)

    assert str(refused.value).startswith(refusal)
