"""What an accepted account gets: which standards and features the configuration may name."""

from __future__ import annotations

import pytest

from functions.enrolment.errors import InvalidInput
from functions.enrolment.protection import DETECTOR_FEATURES, detector_features, standards

NO_STANDARD = (
    "takes the part of a standard's ARN after standards/ or ruleset/, such as"
    " aws-foundational-security-best-practices/v/1.0.0"
)


@pytest.mark.parametrize(
    "given", [[], ["pci-dss/v/4.0.1"], [f"standard-{number}/v/1.0" for number in range(25)]]
)
def test_up_to_25_standards_are_read_in_their_order(given: list[str]) -> None:
    assert standards(given, "standards") == tuple(given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["standards/pci-dss/v/4.0.1"], f"standards[0]: {NO_STANDARD}"),
        (["pci-dss/v/4.0.1", 7], f"standards[1]: {NO_STANDARD}"),
        (
            [f"standard-{number}/v/1.0" for number in range(26)],
            "standards: takes a list of 0 to 25",
        ),
    ],
    ids=["the ARN's part before it too", "no text", "more than Security Hub takes"],
)
def test_what_is_no_list_of_standards_is_refused(given: object, expected: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        standards(given, "standards")

    assert str(refused.value).startswith(expected)


@pytest.mark.parametrize("one", ["EKS_RUNTIME_MONITORING", "RUNTIME_MONITORING"])
def test_all_features_are_read_but_for_one_of_two_that_exclude_each_other(one: str) -> None:
    other = {"EKS_RUNTIME_MONITORING", "RUNTIME_MONITORING"} - {one}
    given = [name for name in DETECTOR_FEATURES if name not in other]

    assert detector_features(given, "features") == tuple(given)


def test_features_that_exclude_each_other_are_refused_at_the_second() -> None:
    given = ["RUNTIME_MONITORING", "AI_ANALYST", "EKS_RUNTIME_MONITORING"]

    with pytest.raises(InvalidInput) as refused:
        detector_features(given, "features")

    assert str(refused.value) == (
        "features[2]: takes only one of EKS_RUNTIME_MONITORING and RUNTIME_MONITORING: the latter"
        " includes the former"
    )
