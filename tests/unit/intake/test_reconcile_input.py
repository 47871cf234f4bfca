"""What a reconcile may be started with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from functions.enrolment.configuration import Reconcile
from functions.enrolment.errors import InvalidInput
from functions.enrolment.rate import Rate
from functions.enrolment.reconcile import Settings
from functions.intake.reconcile_input import read_reconcile_input
from functions.services import registry
from tests.support.builders import a_configuration

DOCUMENT = json.loads(Path("docs/reconcile-input.schema.json").read_text())
SCHEMA = Draft202012Validator(DOCUMENT)
USUAL = Reconcile(services=("guardduty",), most_changes=7)
CONFIGURATION = a_configuration(reconcile=USUAL)
RATES = {"guardduty": Rate(3, 3), "securityhub": Rate(10, 30), "detective": Rate(5, 10)}


def test_the_schema_names_every_service() -> None:
    names = DOCUMENT["properties"]["services"]["items"]["enum"]

    assert names == [service.name for service in registry.SERVICES]


@pytest.mark.parametrize(
    ("given", "source", "targets", "settings"),
    [
        (
            {},
            "manual",
            ["guardduty#eu-west-1", "guardduty#us-east-1"],
            Settings(most_changes=7, rates=RATES),
        ),
        (
            {"source": "schedule"},
            "schedule",
            ["guardduty#eu-west-1", "guardduty#us-east-1"],
            Settings(most_changes=7, rates=RATES),
        ),
        (
            {
                "services": ["detective", "securityhub"],
                "regions": ["us-east-1"],
                "most_changes": 300,
                "retry_failed": True,
                "report_only": True,
            },
            "manual",
            ["securityhub#us-east-1", "detective#us-east-1"],
            Settings(most_changes=300, retry_failed=True, report_only=True, rates=RATES),
        ),
        ({"services": None, "most_changes": 0}, "manual", None, None),
    ],
    ids=["nothing", "schedule", "everything", "null is absent"],
)
def test_what_is_not_given_is_as_configured(
    given: dict[str, Any], source: str, targets: list[str] | None, settings: Settings | None
) -> None:
    SCHEMA.validate(given)

    request = read_reconcile_input(given, CONFIGURATION, RATES)

    assert request.source == source
    if targets is not None:
        assert [target.key for target in request.targets] == targets
        assert request.settings == settings


def test_a_target_that_aws_does_not_offer_is_left_out() -> None:
    region = min(registry.DETECTIVE.not_offered)
    configuration = a_configuration(regions=("eu-west-1", region))

    targets = read_reconcile_input({"services": ["detective"]}, configuration, RATES).targets

    assert [target.region for target in targets] == ["eu-west-1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "input: takes a JSON object"),
        ({"accounts": []}, "accounts: is not known here; known are most_changes, .*"),
        ({"source": "manual"}, "source: takes one of schedule"),
        ({"services": ["macie2"]}, r"services\[0\]: takes one of securityhub, guardduty"),
        ({"services": []}, "services: takes a list of 1 to 3 items"),
        ({"regions": ["eu-north-1"]}, r"regions\[0\]: takes one of eu-west-1, us-east-1"),
        ({"most_changes": -1}, "most_changes: takes a whole number from 0 to 50000"),
        ({"most_changes": True}, "most_changes: takes a whole number from 0 to 50000"),
        ({"retry_failed": "yes"}, "retry_failed: takes true or false"),
        ({"report_only": 1}, "report_only: takes true or false"),
    ],
    ids=lambda value: json.dumps(value) if not isinstance(value, str) else None,
)
def test_a_refusal_names_the_field_and_what_it_takes(given: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_reconcile_input(given, CONFIGURATION, RATES)

    # The configured Regions are not known to the schema.
    assert "regions" in given or list(SCHEMA.iter_errors(given))


def test_a_region_without_any_selected_service_is_refused() -> None:
    limited = a_configuration(service_regions={"detective": ("eu-west-1",)})

    with pytest.raises(InvalidInput, match="regions: takes a Region in which a selected service"):
        read_reconcile_input({"services": ["detective"], "regions": ["us-east-1"]}, limited, RATES)
