"""The scenarios without invitations: output and exit status."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from typing import TYPE_CHECKING

from infra.cli.local.played_events import WAVES
from infra.cli.local.scenarios import (
    HEALTHY,
    NEVER_ANSWERS,
    NOT_OPTED_IN,
    OPT_IN_REGION,
    REGIONS,
    SUSPENDED,
    TROUBLE_REGIONS,
    WRONG_EMAIL,
)
from tests.e2e.support import LABELS, PATIENCE, memberships

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from tests.e2e.conftest import Starts
    from tests.e2e.support import Command

MOST_SECONDS = 60


def test_an_account_that_is_created_is_enrolled_everywhere(
    start: Starts, capsys: pytest.CaptureFixture[str]
) -> None:
    command = start("local")

    assert command.ended() == 0, command.output
    ended = memberships(command.output)
    assert sorted((m.service, m.region) for m in ended) == sorted(product(LABELS, REGIONS))
    assert {m.outcome for m in ended} == {"enabled"}
    assert len({m.account_id for m in ended}) == 1
    assert "Execution SUCCEEDED" in command.output
    assert "Result from the topic arrived" in command.output
    assert "Result from the bus arrived" in command.output
    assert "Published: 12 enabled" in command.output
    took = float(command.line(r"^([\d.]+) s from start to published result")[1])
    with capsys.disabled():  # 15 s where nothing else runs
        print(f"[{took} s from event to published result]")  # noqa: T201  # for people to see
    assert took < MOST_SECONDS
    assert "\x1b" not in command.output


def test_each_problem_is_reported_with_its_reason_and_stops_nothing_else(
    side_by_side: Mapping[str, Command],
) -> None:
    command = side_by_side["trouble"]

    assert command.ended() == 1, command.output
    assert "Execution FAILED: OnboardingIncomplete: " in command.output
    assert "Result from the topic arrived" in command.output
    assert "Result from the bus arrived" in command.output
    listed, _, summary = command.output.partition("Not enabled:")
    ends = {(m.account_id, m.service, m.region): (m.outcome, m.reason) for m in memberships(listed)}
    accounts = (HEALTHY, NOT_OPTED_IN, SUSPENDED, WRONG_EMAIL, NEVER_ANSWERS)
    assert ends.keys() == set(product(accounts, LABELS, TROUBLE_REGIONS))
    for (account_id, service, region), (outcome, reason) in ends.items():
        expected, text = expected_end(account_id, service, region)
        where = f"{account_id} {service} {region}: {outcome}: {reason}"
        assert outcome == expected, where
        assert text in (reason or ""), where
        if outcome != "enabled":
            assert f"{outcome}: {reason}" in summary, where


def test_each_new_account_is_enrolled_once_and_unrelated_events_are_ignored(
    side_by_side: Mapping[str, Command],
) -> None:
    command = side_by_side["organization"]

    assert command.ended() == 0, command.output
    _, _, listed = command.output.partition("REASON\n")
    rows = [re.split(r"  +", line, maxsplit=3) for line in listed.splitlines()]
    assert len(rows) == sum(map(len, WAVES))
    by_result = Counter((name, result) for name, _, result, _ in rows)
    assert by_result["CreateAccountResult", "started"] == 1
    assert by_result["AcceptHandshake", "started"] == 1
    assert by_result["Region Opt-In Status Change", "started"] == 2
    assert by_result["EnableBaseline", "duplicate"] == 1
    assert by_result["EnableBaseline", "ignored"] == 1
    assert by_result["MoveAccount", "duplicate"] == 1
    assert by_result["AccountJoinedOrganization", "refused"] == 1
    assert by_result["CreateAccount", "ignored"] == 1
    assert Counter(result for _, _, result, _ in rows) == {
        "started": 4,
        "duplicate": 8,
        "refused": 1,
        "ignored": 9,
    }


def expected_end(account_id: str, service: str, region: str) -> tuple[str, str]:
    """The expected outcome, and a part of its reason."""
    if account_id == SUSPENDED:
        return "skipped", "SUSPENDED"
    if account_id == NOT_OPTED_IN and region == OPT_IN_REGION:
        return "skipped", f"has not opted in to {OPT_IN_REGION}"
    if (service, region) == ("Security Hub CSPM", "us-east-1"):
        return "failed", "InternalException"
    if account_id == NEVER_ANSWERS:
        return "timed out", "nobody has accepted the invitation"
    # Security Hub has no e-mail address to verify.
    if account_id == WRONG_EMAIL and service != "Security Hub CSPM":
        return "failed", "e-mail address given is not the one of the account's root user"
    return "enabled", ""


def test_an_organisation_that_was_there_before_is_reconciled(start: Starts) -> None:
    # The scenario backfill, and what people do afterwards.
    command = start("local", "--scenario", "gaps")

    assert command.ended(seconds=2 * PATIENCE) == 0, command.output
    assert "ConfirmationRequired" in command.output
    assert "Coverage before: 3222 gaps" in command.output
    assert "Coverage after: 6 gaps" in command.output
    assert "Coverage now: 61 gaps" in command.output
