"""What a step is told, and what it says of what it was not told."""

from __future__ import annotations

import json

import pytest

from functions.aws.settings import Settings
from functions.enrolment.errors import InvalidInput
from functions.services import registry
from tests.support.builders import ADMINISTRATOR, a_configuration

ENVIRONMENT = {
    "ROLLCALL_ADMINISTRATOR": ADMINISTRATOR,
    "ROLLCALL_PARTITION": "aws",
    "ROLLCALL_CONFIGURATION": json.dumps(a_configuration().to_json()),
    "ROLLCALL_TABLE": "table",
    "ROLLCALL_BUS": "bus",
    "ROLLCALL_TOPIC": "arn:aws:sns:eu-west-1:111122223333:rollcall",
    "ROLLCALL_RESULTS_BUCKET": "results",
    "AWS_REGION": "eu-west-1",
}


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment(ENVIRONMENT, registry.SERVICES)

    assert settings.administrator_id == ADMINISTRATOR
    assert settings.partition == "aws"
    assert settings.configuration == a_configuration()
    assert (settings.table, settings.bus) == ("table", "bus")
    assert settings.topic == ENVIRONMENT["ROLLCALL_TOPIC"]
    assert settings.results_bucket == "results"


@pytest.mark.parametrize("name", ["TABLE", "BUS", "TOPIC", "RESULTS_BUCKET"])
def test_what_a_step_is_not_given_is_missed_only_when_used(name: str) -> None:
    given = {key: value for key, value in ENVIRONMENT.items() if key != f"ROLLCALL_{name}"}

    settings = Settings.from_environment(given, registry.SERVICES)

    with pytest.raises(InvalidInput, match=f"^ROLLCALL_{name}: is required"):
        getattr(settings, name.lower())


@pytest.mark.parametrize(
    ("variable", "value", "refusal"),
    [
        ("ROLLCALL_ADMINISTRATOR", "1234", "ROLLCALL_ADMINISTRATOR: takes an account id"),
        ("ROLLCALL_PARTITION", "", "ROLLCALL_PARTITION: takes a string"),
        ("ROLLCALL_CONFIGURATION", "{", "ROLLCALL_CONFIGURATION: takes JSON"),
        ("ROLLCALL_CONFIGURATION", "[]", "ROLLCALL_CONFIGURATION: takes a JSON object"),
        ("ROLLCALL_CONFIGURATION", "{}", r"ROLLCALL_CONFIGURATION\.regions: is required"),
        (
            "ROLLCALL_CONFIGURATION",
            '{"regions": ["eu-west-1"], "region": "eu-west-1"}',
            r"ROLLCALL_CONFIGURATION\.region: is not known",
        ),
    ],
)
def test_a_bad_variable_is_named(variable: str, value: str, refusal: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{refusal}"):
        Settings.from_environment(ENVIRONMENT | {variable: value}, registry.SERVICES)


@pytest.mark.parametrize("name", ["ADMINISTRATOR", "PARTITION", "CONFIGURATION"])
def test_every_step_needs_these(name: str) -> None:
    given = {key: value for key, value in ENVIRONMENT.items() if key != f"ROLLCALL_{name}"}

    with pytest.raises(InvalidInput, match=f"^ROLLCALL_{name}: is required"):
        Settings.from_environment(given, registry.SERVICES)
