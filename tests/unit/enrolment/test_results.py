from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.membership import Outcome, Transition
from functions.enrolment.records import MembershipRecord, OnboardingRecord
from functions.enrolment.results import (
    MOST_BYTES,
    is_complete,
    result_document,
    result_line,
    result_text,
)
from functions.enrolment.target import ServiceName, Target
from tests.support.builders import ACCOUNT, NOW, OTHER, TARGET

ONBOARDING = OnboardingRecord(
    id="onboarding-1",
    source="manual",
    automatic=False,
    dry_run=False,
    accounts=(ACCOUNT, OTHER),
    started_at=NOW,
    lease_until=NOW + 900,
)


def a_record(outcome: Outcome, account_id: AccountId = ACCOUNT, **changes: Any) -> MembershipRecord:
    record = MembershipRecord(
        account_id=account_id,
        target=TARGET,
        onboarding_id="onboarding-1",
        mode=Mode.ORGANIZATION,
        updated_at=NOW,
        raw="Enabled",
        transitions=(Transition("Absent", NOW), Transition("Enabled", NOW + 2.5)),
        outcome=outcome,
        settled_at=NOW + 2.5,
    )
    return replace(record, **changes)


def test_only_what_failed_or_timed_out_makes_a_run_incomplete() -> None:
    fine = [a_record(Outcome.ENABLED), a_record(Outcome.ALREADY_ENABLED), a_record(Outcome.SKIPPED)]

    assert is_complete(fine)
    assert not is_complete([*fine, a_record(Outcome.FAILED)])
    assert not is_complete([*fine, a_record(Outcome.TIMED_OUT)])


def test_the_document_begins_with_what_did_not_work() -> None:
    records = [
        a_record(Outcome.ENABLED),
        a_record(Outcome.SKIPPED, OTHER, reason="why not"),
        a_record(Outcome.FAILED, OTHER, reason="why"),
    ]

    document = result_document(ONBOARDING, records, NOW + 60)

    assert [m["outcome"] for m in document["memberships"]] == ["failed", "skipped", "enabled"]
    assert document["counts"] == {
        "enabled": 1,
        "already enabled": 0,
        "failed": 1,
        "timed out": 0,
        "skipped": 1,
    }
    assert document["memberships"][2] == {
        "account_id": ACCOUNT,
        "service": "guardduty",
        "region": "eu-west-1",
        "mode": "organization",
        "outcome": "enabled",
        "status": "Enabled",
        "reason": None,
        "attempts": {},
        "transitions": [
            {"status": "Absent", "at": "2027-01-15T08:00:00.000Z"},
            {"status": "Enabled", "at": "2027-01-15T08:00:02.500Z"},
        ],
        "seconds": 2.5,
    }


def test_a_document_of_any_size_fits_an_event_and_counts_what_it_leaves_out() -> None:
    records = [
        a_record(Outcome.ENABLED, AccountId(f"{number:012d}"), target=Target(service, region))
        for number in range(50)
        for service in ServiceName
        for region in (f"eu-west-{n}" for n in range(1, 31))
    ]

    document = result_document(ONBOARDING, records, NOW)

    assert len(json.dumps(document).encode()) <= MOST_BYTES + 1024
    assert len(document["memberships"]) + document["omitted"] == len(records) == 4500
    assert document["counts"]["enabled"] == 4500


def test_people_read_one_line_first_and_then_each_reason() -> None:
    records = [a_record(Outcome.ENABLED), a_record(Outcome.FAILED, OTHER, reason="Internal error")]

    assert result_line(ONBOARDING, records) == "Rollcall: 2 accounts: 1 enabled, 1 failed"
    assert result_text(ONBOARDING, records, NOW + 61).splitlines() == [
        "Rollcall: 2 accounts: 1 enabled, 1 failed",
        "Onboarding onboarding-1, manual, took 1 min 1 s.",
        "",
        f"{OTHER}  GuardDuty  eu-west-1  failed: Internal error",
    ]


def test_a_dry_run_is_called_one() -> None:
    dry_run = replace(ONBOARDING, accounts=(ACCOUNT,), dry_run=True)

    assert result_line(dry_run, []) == "Rollcall (dry run): 1 account: nothing to enrol"


def test_what_could_not_be_found_out_is_told_to_programs_and_people() -> None:
    document = result_document(ONBOARDING, [], NOW, ["this is not known"])
    text = result_text(ONBOARDING, [], NOW, ["this is not known"])

    assert document["notes"] == ["this is not known"]
    assert text.splitlines()[-1] == "Note: this is not known."
