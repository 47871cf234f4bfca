"""The table of reasons: programs rely on its codes, people on its words."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from functions.enrolment.membership import Outcome
from functions.enrolment.reason import MEANINGS, WAITING, Meaning, ReasonCode

# A code is never renamed or taken away: somebody's program goes by it. New ones are added here.
CODES = {
    "administrator",
    "out-of-scope",
    "account-pending-activation",
    "account-not-active",
    "not-delegated",
    "region-not-enabled",
    "service-not-offered",
    "administrator-not-ready",
    "administrator-region-not-enabled",
    "access-denied",
    "refused",
    "unavailable",
    "email-unusable",
    "wrong-email",
    "member-limit",
    "other-administrator",
    "management-account-not-enabled",
    "account-suspended",
    "region-disabled",
    "resigned",
    "removed",
    "not-created",
    "not-enabled",
    "not-verified",
    "left-out-by-policy",
    "policy-not-applied",
    "policy-unreadable",
    "left-half-way",
    "not-invited",
    "not-accepted",
    "acceptance-failed",
    "invitation-declined",
    "being-verified",
    "monitoring-off",
    "prerequisite-skipped",
    "guardduty-not-enabled",
    "volume-unknown",
    "volume-too-high",
    "unreadable",
    "unknown-status",
    "not-read",
    "other-run",
    "dry-run",
    "step-failed",
    "run-ended",
    "other",
}
NAMES = {
    *("service", "name", "prerequisite", "region", "status", "said", "also", "take_out", "fix"),
    *("again", "and_again"),
}
# There is nothing to be done, or it is said with the rest.
WITHOUT_REMEDY = {
    ReasonCode.ADMINISTRATOR,
    ReasonCode.NOT_READ,
    ReasonCode.OTHER_RUN,
    ReasonCode.DRY_RUN,
    ReasonCode.OTHER,
}


def names_in(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_the_codes_are_the_ones_that_programs_know() -> None:
    assert set(ReasonCode) == CODES
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in CODES)


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ReasonCode)


def test_every_code_but_a_few_says_what_to_do() -> None:
    assert {code for code, meaning in MEANINGS.items() if not meaning.remedy} == WITHOUT_REMEDY


@pytest.mark.parametrize("meaning", MEANINGS.values(), ids=list(MEANINGS))
def test_a_meaning_names_only_what_is_known_of_a_membership(meaning: Meaning) -> None:
    assert names_in(meaning.what + meaning.remedy) <= NAMES


@pytest.mark.parametrize("meaning", MEANINGS.values(), ids=list(MEANINGS))
def test_a_meaning_joins_what_comes_before_and_after_it(meaning: Meaning) -> None:
    for part in (meaning.what, meaning.remedy):
        assert part == part.strip().rstrip(".;:,")


@pytest.mark.parametrize("meaning", MEANINGS.values(), ids=list(MEANINGS))
def test_a_reason_is_of_what_is_not_enabled(meaning: Meaning) -> None:
    assert len(set(meaning.outcomes)) == len(meaning.outcomes)
    assert set(meaning.outcomes) <= {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.SKIPPED, WAITING}
