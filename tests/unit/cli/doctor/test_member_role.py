"""What is said of the member role."""

from __future__ import annotations

from typing import Any

import pytest

from infra.cli.doctor.finding import Level, Unread
from infra.cli.doctor.member_role import MemberRoleFacts, judge_member_role
from tests.support.builders import OTHER

ACCEPTING = "arn:aws:iam::111122223333:role/RollcallAcceptInvitations"


@pytest.mark.parametrize(
    ("assumes", "levels", "said"),
    [
        ({OTHER: True}, [Level.OK, Level.WARN], f"may assume RollcallMember in {OTHER}"),
        ({OTHER: False}, [Level.FAIL], f"does not let it assume RollcallMember in {OTHER}"),
        (Unread("iam:SimulatePrincipalPolicy", "x"), [Level.WARN], "allow iam:SimulateP"),
    ],
    ids=["may", "may not", "refused"],
)
def test_what_the_accepting_role_may_do_is_checked_and_the_trust_is_not(
    assumes: Any, levels: list[Level], said: str
) -> None:
    found = list(judge_member_role(MemberRoleFacts("RollcallMember", ACCEPTING, assumes, [OTHER])))

    assert [one.level for one in found] == levels
    assert said in found[0].reason
    if len(found) == 2:
        assert f"whether it trusts {ACCEPTING}, is not checked" in found[1].reason
        assert found[1].account == OTHER


def test_without_a_member_role_people_accept() -> None:
    [finding] = judge_member_role(None)
    assert finding.level is Level.OK
