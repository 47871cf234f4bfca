"""Which targets a selection means."""

from __future__ import annotations

import pytest

from functions.enrolment.errors import InvalidInput
from functions.services.registry import DETECTIVE, GUARDDUTY
from infra.cli.options import Wanted
from infra.cli.survey import offered_targets
from tests.support.builders import a_configuration

# Detective is not offered in the second Region.
CONFIGURATION = a_configuration(
    regions=("eu-west-1", "ap-northeast-3"), services=(GUARDDUTY, DETECTIVE)
)


def test_targets_that_aws_does_not_offer_are_not_read() -> None:
    found = [
        (str(one.service), one.region) for one in Wanted().among(offered_targets(CONFIGURATION))
    ]
    assert found == [
        ("guardduty", "eu-west-1"),
        ("detective", "eu-west-1"),
        ("guardduty", "ap-northeast-3"),
    ]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted((), ("eu-wset-1",)), "not eu-wset-1 (did you mean eu-west-1?)"),
        (Wanted(("guarduty",)), "not guarduty (did you mean guardduty?)"),
        (Wanted(("Guard Duty",)), "not Guard Duty (did you mean guardduty?)"),
        (Wanted((), ("sa-east-1",)), "not sa-east-1"),
    ],
    ids=["Region", "service", "label", "nothing near"],
)
def test_a_word_that_is_not_configured_is_told_with_the_nearest(
    wanted: Wanted, message: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        wanted.among(offered_targets(CONFIGURATION))

    assert str(refused.value).endswith(f", {message}")


def test_a_selection_without_any_target_is_refused() -> None:
    """Not reported as free of gaps."""
    with pytest.raises(InvalidInput, match=r"^--region: takes a Region in which a selected"):
        Wanted(("detective",), ("ap-northeast-3",)).among(offered_targets(CONFIGURATION))
