"""What reconciles have found so far: the age of gaps, and memberships that were lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.errors import Unreadable
from functions.enrolment.known_gaps import (
    KnownGaps,
    KnownTarget,
    known_from_json,
    known_to_json,
    lost,
    with_found,
)
from functions.enrolment.reconcile import Disposition
from functions.enrolment.reconcile_plan import StoredGap
from functions.enrolment.target import Target
from functions.services import registry
from tests.support.builders import NOW, TARGET

HERE = ("guardduty", "eu-west-1")
THERE = ("guardduty", "us-east-1")
BOTH = (HERE, THERE)
ONE, TWO, THREE = (AccountId(str(number) * 12) for number in (1, 2, 3))
DAY, HOUR = 86_400, 3_600


def gap(account: AccountId, target: Target = TARGET) -> StoredGap:
    return StoredGap(account, target, "Absent", "create", Disposition.RUN, None, None, 0)


def here(at: float, enabled: int, *accounts: AccountId, since: float = NOW) -> KnownGaps:
    return {HERE: KnownTarget(at, enabled, dict.fromkeys(accounts, since))}


def test_a_gap_has_the_time_at_which_it_was_first_found() -> None:
    known = here(NOW, 5, ONE, TWO, since=NOW - DAY)

    now = with_found(known, {HERE: 6}, [gap(ONE), gap(THREE)], NOW + DAY, BOTH)

    assert now == {HERE: KnownTarget(NOW + DAY, 6, {ONE: NOW - DAY, THREE: NOW + DAY})}


def test_a_gap_that_was_closed_in_between_begins_anew() -> None:
    closed = with_found(here(NOW, 5, ONE), {HERE: 6}, [], NOW + DAY, BOTH)

    again = with_found(closed, {HERE: 5}, [gap(ONE)], NOW + 2 * DAY, BOTH)

    assert again[HERE].since == {ONE: NOW + 2 * DAY}


@pytest.mark.parametrize(
    ("after", "old"),
    [(0, 0), (6 * HOUR, 0), (DAY - HOUR // 4, 1), (3 * DAY, 1)],
    ids=["the same", "the same day", "a daily one, a bit early", "days later"],
)
def test_a_gap_is_old_when_reconciles_have_found_it_for_a_day(after: float, old: int) -> None:
    known = with_found({}, {HERE: 5}, [gap(ONE)], NOW, BOTH)

    now = with_found(known, {HERE: 5}, [gap(ONE), gap(TWO)], NOW + after, BOTH)

    assert now[HERE].old == old


def test_a_target_that_was_not_read_stays_as_it_was_and_one_not_configured_goes() -> None:
    known = here(NOW, 5, ONE) | {THERE: KnownTarget(NOW, 1, {})}

    unread = with_found(known, {THERE: 2}, [gap(TWO)], NOW + DAY, BOTH)
    gone = with_found(known, {THERE: 2}, [], NOW + DAY, [THERE])

    assert unread == here(NOW, 5, ONE) | {THERE: KnownTarget(NOW + DAY, 2, {})}
    assert set(gone) == {THERE}


def test_what_a_later_reconcile_found_is_not_replaced() -> None:
    known = here(NOW + DAY, 5, ONE)

    assert with_found(known, {HERE: 9}, [gap(TWO)], NOW, BOTH) == known


def test_what_the_same_reconcile_finds_when_its_step_is_retried_replaces_what_it_found() -> None:
    first = with_found({}, {HERE: 5}, [gap(ONE), gap(TWO)], NOW, BOTH)

    assert with_found(first, {HERE: 6}, [gap(TWO)], NOW, BOTH) == here(NOW, 6, TWO)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (here(NOW, 5, ONE), 0),
        (here(NOW, 4, ONE, TWO), 1),
        (here(NOW, 2, ONE, TWO, THREE), 2),
        (here(NOW, 4, ONE), 0),
        (here(NOW, 5, ONE, TWO), 0),
        (here(NOW, 6), 0),
        ({THERE: KnownTarget(NOW, 0, {ONE: NOW})}, 0),
    ],
    ids=[
        "nothing changed",
        "one was removed",
        "more enabled are gone than there are new gaps",
        "an account left the organisation",
        "a new account failed",
        "a gap was closed",
        "a target without anything to compare with",
    ],
)
def test_what_was_enabled_and_is_a_gap_now_was_lost(now: KnownGaps, expected: int) -> None:
    assert lost(here(NOW - DAY, 5, ONE), now) == expected


def test_what_is_known_is_read_as_it_was_persisted() -> None:
    known: KnownGaps = {
        HERE: KnownTarget(NOW, 5, {ONE: NOW, TWO: NOW - 0.25, THREE: NOW}),
        THERE: KnownTarget(NOW + 1, 0, {}),
    }

    assert known_from_json(json.loads(json.dumps(known_to_json(known)))) == known
    assert known_from_json(known_to_json({})) == {}


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"service": None}, "targets[0].service: takes a text"),
        ({"region": 7}, "targets[0].region: takes a text"),
        ({"at": "x"}, "targets[0].at: takes a time in epoch seconds"),
        ({"enabled": "5"}, "targets[0].enabled: takes a whole number"),
        ({"gaps": [7]}, "targets[0].gaps[0]: takes an object"),
        ({"gaps": [{"accounts": []}]}, "targets[0].gaps[0].since: is required"),
        ({"gaps": [{"since": NOW}]}, "targets[0].gaps[0].accounts: is required"),
        (
            {"gaps": [{"since": NOW, "accounts": [ONE, 7]}]},
            "targets[0].gaps[0].accounts[1]: takes a text",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_fields_path(
    changes: dict[str, Any], refusal: str
) -> None:
    document = known_to_json(here(NOW, 5, ONE))
    document["targets"][0] |= changes

    with pytest.raises(Unreadable) as refused:
        known_from_json(document)

    assert str(refused.value) == refusal


def test_accounts_with_the_same_time_are_persisted_in_one_list() -> None:
    known = here(NOW, 5, ONE, TWO) | {THERE: KnownTarget(NOW + 1, 0, {THREE: NOW - 1})}

    assert known_to_json(known) == {
        "version": "1",
        "targets": [
            {
                "service": "guardduty",
                "region": "eu-west-1",
                "at": NOW,
                "enabled": 5,
                "gaps": [{"since": NOW, "accounts": [ONE, TWO]}],
            },
            {
                "service": "guardduty",
                "region": "us-east-1",
                "at": NOW + 1,
                "enabled": 0,
                "gaps": [{"since": NOW - 1, "accounts": [THREE]}],
            },
        ],
    }


def test_the_place_of_a_gap_is_its_target() -> None:
    elsewhere = Target(registry.GUARDDUTY, "us-east-1")

    now = with_found({}, dict.fromkeys(BOTH, 0), [gap(ONE), gap(TWO, elsewhere)], NOW, BOTH)

    assert {place: set(it.since) for place, it in now.items()} == {HERE: {ONE}, THERE: {TWO}}
