"""A run as it is shown in a terminal."""

from __future__ import annotations

from dataclasses import replace

from functions.enrolment.membership import Membership, Observation, Outcome, Status
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import Target
from functions.services import registry
from infra.cli.follow import by_reason, line
from tests.support.builders import ACCOUNT, NOW, OTHER, a_membership

CODE = ReasonCode.NOT_ACCEPTED
MONDAY, TUESDAY = "2027-01-11T08:00:00Z (4 d)", "2027-01-12T08:00:00Z (3 d)"


def failed(region: str, text: str) -> Membership:
    membership = a_membership(target=Target(registry.GUARDDUTY, region))
    seen = membership.seen(Observation(membership.account_id, Status.INVITED, "Invited"), NOW)
    return seen.settled(Outcome.FAILED, Reason(CODE, text), NOW + 2.5)


def test_a_membership_is_one_line_with_the_first_part_of_its_reason() -> None:
    shown = line(failed("eu-west-1", f"nobody accepted; Invited since {MONDAY}; ask")).plain

    assert shown.endswith("  Invited  2.5 s  failed: nobody accepted")


def test_reasons_that_differ_only_in_target_and_time_are_shown_once() -> None:
    records = [
        failed("us-east-1", f"Invited since {TUESDAY}; accept it in us-east-1"),
        failed("eu-west-1", f"Invited since {MONDAY}; accept it in eu-west-1"),
        failed("eu-west-2", f"Invited since {MONDAY}; ask its owner"),
        replace(failed("eu-west-1", f"Invited since {MONDAY}"), account_id=OTHER),
    ]

    shown = [text.plain.split("\n") for text in by_reason(records, 120)]

    assert [[part.strip() for part in lines] for lines in shown] == [
        [
            f"{ACCOUNT}  failed: Invited since {MONDAY}; accept it in eu-west-1",
            "GuardDuty eu-west-1, GuardDuty us-east-1",
        ],
        [f"{ACCOUNT}  failed: Invited since {MONDAY}; ask its owner", "GuardDuty eu-west-2"],
        [f"{OTHER}  failed: Invited since {MONDAY}", "GuardDuty eu-west-1"],
    ]
