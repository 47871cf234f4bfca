from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.automation import Automatic, Automation, auto_enable
from functions.enrolment.explain import explain
from functions.enrolment.membership import (
    Action,
    Membership,
    Observation,
    Outcome,
    Status,
    Transition,
    Verdict,
)
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.results import (
    MOST_BYTES,
    Result,
    as_many_as_fit,
    result_document,
    result_line,
    result_text,
)
from functions.enrolment.target import Target, read_target
from functions.services import registry
from tests.support.builders import ACCOUNT, NOW, OTHER, TARGET, a_membership, an_onboarding, tried

if TYPE_CHECKING:
    from functions.enrolment.membership import MembershipKey

ONBOARDING = an_onboarding(accounts=(ACCOUNT, OTHER))
THIRD = AccountId("666677778888")
DETECTIVE = Target(registry.DETECTIVE, "eu-west-1")


def a_result(*memberships: Membership, at: float = NOW + 61, **changes: Any) -> Result:
    return replace(Result(ONBOARDING, memberships, at), **changes)


def ended(outcome: Outcome, account_id: AccountId = ACCOUNT, **changes: Any) -> Membership:
    """Enabled or not, 2.5 seconds after its first reading."""
    membership = a_membership(Status.ABSENT, account_id=account_id)
    membership = membership.seen(Observation(account_id, Status.ENABLED, "Enabled"), NOW + 2.5)
    return replace(membership.settled(outcome, None, NOW + 2.5), **changes)


ENABLED = ended(Outcome.ENABLED)
SKIPPED = ended(Outcome.SKIPPED, OTHER, reason=Reason(ReasonCode.OUT_OF_SCOPE, "why not"))
FAILED = ended(Outcome.FAILED, THIRD, reason=Reason(ReasonCode.REFUSED, "Internal error"))
WAITING = a_membership(Status.INVITED, account_id=OTHER)
# Of another run, which is at work on it, or found it enabled.
AT_WORK = replace(WAITING, onboarding_id="onboarding-0")
FOUND = replace(ended(Outcome.ALREADY_ENABLED), onboarding_id="onboarding-0")


def key_of(entry: dict[str, Any]) -> MembershipKey:
    """Which membership an entry of the document is about."""
    target = read_target(registry.SERVICES, entry["service"], entry["region"])
    return entry["account_id"], target


@pytest.mark.parametrize(
    ("result", "complete"),
    [
        (a_result(), True),
        (a_result(ENABLED, ended(Outcome.ALREADY_ENABLED), SKIPPED), True),
        (a_result(ENABLED, ended(Outcome.FAILED)), False),
        (a_result(ENABLED, ended(Outcome.TIMED_OUT)), False),
        (a_result(ENABLED, failure="the execution was aborted"), False),
        (a_result(ENABLED, WAITING, final=False), False),
        (a_result(ENABLED, left=(AT_WORK,)), True),
        (a_result(left=(AT_WORK,)), False),
        (a_result(SKIPPED, left=(AT_WORK, FOUND)), False),
        (a_result(left=(FOUND,)), True),
    ],
    ids=[
        "nothing to enrol",
        "enabled or skipped",
        "one failed",
        "one timed out",
        "ended before its time",
        "one is waited for",
        "one left to another run at work",
        "all left to another run at work",
        "nothing done, one left to another run at work",
        "all enabled by another run",
    ],
)
def test_what_makes_a_run_complete(result: Result, *, complete: bool) -> None:
    assert result.complete is complete


def test_the_document_begins_with_what_did_not_work_and_then_what_is_waited_for() -> None:
    ids = [AccountId(str(number) * 12) for number in range(7)]
    others = (
        ended(Outcome.ENABLED, ids[2]),
        ended(Outcome.ALREADY_ENABLED, ids[1]),
        ended(Outcome.SKIPPED, ids[0]),
        a_membership(Status.INVITED, account_id=ids[3]),
        ended(Outcome.TIMED_OUT, ids[5]),
        ended(Outcome.FAILED, ids[6]),
        ended(Outcome.FAILED, ids[4]),
        ended(Outcome.ENABLED, ids[0], target=DETECTIVE),
    )

    document = result_document(a_result(*others))

    assert [(m["account_id"], m["outcome"]) for m in document["memberships"]] == [
        (ids[4], "failed"),
        (ids[5], "timed out"),
        (ids[6], "failed"),
        (ids[3], None),
        (ids[0], "skipped"),
        (ids[0], "enabled"),
        (ids[1], "already enabled"),
        (ids[2], "enabled"),
    ]
    assert document["counts"] == {
        "enabled": 2,
        "already enabled": 1,
        "failed": 2,
        "timed out": 1,
        "skipped": 1,
    }
    assert document["waiting"] == 1


def test_the_document_tells_of_a_membership_what_was_seen_and_done() -> None:
    membership = replace(tried(ENABLED, Action.CREATE), settled_at=NOW + 2.5004)

    (entry,) = result_document(a_result(membership))["memberships"]

    assert entry == {
        "account_id": ACCOUNT,
        "service": "guardduty",
        "region": "eu-west-1",
        "mode": "organization",
        "outcome": "enabled",
        "status": "Enabled",
        "automation": None,
        "reason": None,
        "reason_code": None,
        "attempts": {"create": 1},
        "transitions": [
            {"status": "Absent", "at": "2027-01-15T08:00:00.000Z"},
            {"status": "Enabled", "at": "2027-01-15T08:00:02.500Z"},
        ],
        "transitions_omitted": 0,
        "seconds": 2.5,
    }


def test_the_document_tells_of_the_run_how_it_ended() -> None:
    document = result_document(a_result(ENABLED, notes=("a note",), failure="why"))

    del document["memberships"], document["counts"]
    assert document == {
        "version": "1",
        "onboarding_id": "onboarding-1",
        "source": "manual",
        "dry_run": False,
        "final": True,
        "complete": False,
        "outcome": "failed",
        "started_at": "2027-01-15T08:00:00.000Z",
        "ended_at": "2027-01-15T08:01:01.000Z",
        "as_of": "2027-01-15T08:01:01.000Z",
        "accounts": [ACCOUNT, OTHER],
        "failed_accounts": [OTHER],
        "waiting": 0,
        "watch": [],
        "failure": "why",
        "notes": ["a note"],
        "omitted": 0,
    }


@pytest.mark.parametrize(
    ("result", "outcome", "failed_accounts"),
    [
        (a_result(ENABLED, SKIPPED), "complete", []),
        (a_result(ENABLED, FAILED), "incomplete", [THIRD]),
        (a_result(ended(Outcome.TIMED_OUT), SKIPPED), "incomplete", [ACCOUNT]),
        (a_result(left=(AT_WORK,)), "incomplete", []),
        (a_result(WAITING, FAILED, final=False), "waiting", [THIRD]),
        (a_result(ENABLED, left=(AT_WORK,), failure="why"), "failed", []),
        (a_result(failure="why"), "failed", [ACCOUNT, OTHER]),
    ],
    ids=["fine", "failed", "timed out", "left", "interim", "ended early", "before its plan"],
)
def test_the_outcome_and_the_accounts_that_failed_can_be_matched(
    result: Result, outcome: str, failed_accounts: list[str]
) -> None:
    document = result_document(result, 0)

    assert document["memberships"] == []
    assert (document["outcome"], document["failed_accounts"]) == (outcome, failed_accounts)


def test_only_what_this_run_did_is_told_and_how_many_transitions_are_not() -> None:
    before = tried(a_membership(), Action.INVITE).taken("onboarding-2", WAITING.mode, NOW)
    membership = replace(
        before, transitions=(Transition("Created", NOW),), transition_count=40
    ).settled(Outcome.FAILED, FAILED.reason, NOW + 1)

    (entry,) = result_document(a_result(membership))["memberships"]

    assert (entry["attempts"], entry["transitions_omitted"]) == ({}, 39)


def test_no_address_is_told_that_a_reason_quotes() -> None:
    said = "the configuration excludes the tag owner=a@b.example"
    quoting = explain(ReasonCode.OUT_OF_SCOPE, SKIPPED, said)
    told = a_result(replace(SKIPPED, reason=quoting))

    assert "the tag owner=(e-mail)" in result_text(told)
    assert "a@b.example" not in result_text(told) + json.dumps(result_document(told))


def test_what_ended_before_it_began_took_no_time() -> None:
    membership = a_membership().settled(Outcome.SKIPPED, SKIPPED.reason, NOW)

    (entry,) = result_document(a_result(membership))["memberships"]

    assert (entry["status"], entry["transitions"], entry["seconds"]) == (None, [], 0)


@pytest.mark.parametrize("failed", [0, 4500])
def test_a_document_of_any_size_fits_an_event_and_counts_what_it_leaves_out(failed: int) -> None:
    everything = [
        ended(
            Outcome.FAILED if number * 90 < failed else Outcome.ENABLED,
            AccountId(f"{number:012d}"),
            target=Target(service, region),
            reason=Reason(ReasonCode.REFUSED, 'Zürich "quoted" ' * 20),
        )
        for number in range(50)
        for service in registry.SERVICES
        for region in (f"eu-west-{n}" for n in range(1, 31))
    ]

    document = result_document(a_result(*everything), MOST_BYTES)

    assert MOST_BYTES - 1024 < len(json.dumps(document).encode()) <= MOST_BYTES
    assert len(document["memberships"]) + document["omitted"] == len(everything) == 4500
    assert len(document["memberships"]) > 100
    assert document["counts"]["enabled"] == 4500 - failed


def test_the_complete_document_leaves_nothing_out() -> None:
    document = result_document(a_result(*[ENABLED] * 4500))

    assert (len(document["memberships"]), document["omitted"]) == (4500, 0)


@pytest.mark.parametrize(
    ("membership", "reason"),
    [
        (AT_WORK, "onboarding onboarding-0 has this membership in progress"),
        (FOUND, "onboarding onboarding-0 found it Enabled at 2027-01-15T08:00:02.500Z"),
        (
            replace(FAILED, onboarding_id="onboarding-0"),
            "onboarding onboarding-0 had this membership: failed: Internal error",
        ),
        (
            replace(FOUND, settled_at=NOW + 86400),
            "onboarding onboarding-0 has this membership in progress",
        ),
        (
            replace(FOUND, taken_at=NOW + 86400, settled_at=NOW + 86400 + 2),
            "onboarding onboarding-0 took this membership at 2027-01-16T08:00:00.000Z",
        ),
        (
            replace(FOUND, settled_at=NOW + 61),
            "onboarding onboarding-0 found it Enabled at 2027-01-15T08:01:01.000Z",
        ),
        (
            replace(AT_WORK, taken_at=NOW + 61),
            "onboarding onboarding-0 has this membership in progress",
        ),
    ],
    ids=[
        *("at work", "enabled", "failed", "enabled after the end", "taken after the end"),
        *("enabled at the end", "taken at the end"),
    ],
)
def test_what_is_left_to_another_run_is_skipped_and_says_to_which(
    membership: Membership, reason: str
) -> None:
    document = result_document(a_result(left=(tried(membership, Action.INVITE),)))

    (entry,) = document["memberships"]
    assert (entry["outcome"], entry["reason_code"]) == ("skipped", "other-run")
    assert entry["reason"] == reason
    assert (entry["attempts"], entry["transitions"], entry["transitions_omitted"]) == ({}, [], 0)
    assert entry["seconds"] == 0
    assert document["counts"]["skipped"] == 1


def test_the_runs_at_work_on_what_is_left_to_them_are_to_be_watched() -> None:
    others = [replace(AT_WORK, onboarding_id=f"onboarding-{n}") for n in (9, 8, 9)]
    result = a_result(ENABLED, left=(*others, replace(FOUND, onboarding_id="onboarding-7")))

    assert result_document(result)["watch"] == ["onboarding-8", "onboarding-9"]
    assert result_line(result) == (
        "Rollcall: 2 accounts: 1 enabled, 4 skipped: watch onboarding onboarding-8, onboarding-9"
    )


def test_people_read_one_line_first_and_then_each_reason() -> None:
    text = result_text(a_result(ENABLED, SKIPPED, FAILED, notes=("this is not known",)))

    assert text.splitlines() == [
        "Rollcall: 2 accounts: 1 enabled, 1 failed, 1 skipped",
        "Onboarding onboarding-1, manual, took 1 min 1 s.",
        "",
        f"{THIRD}  GuardDuty  eu-west-1  failed: Internal error",
        f"{OTHER}  GuardDuty  eu-west-1  skipped: why not",
        "Note: this is not known.",
    ]


@pytest.mark.parametrize(
    ("failed", "more"),
    [(60, []), (61, ["... and 1 more; the complete document has them."])],
)
def test_people_read_no_more_lines_than_they_can(failed: int, more: list[str]) -> None:
    lines = result_text(a_result(*[FAILED] * failed)).splitlines()

    assert lines[3:] == [f"{THIRD}  GuardDuty  eu-west-1  failed: Internal error"] * 60 + more


CHECKED = a_membership(Status.ACCEPTED_BUT_DISABLED, account_id=OTHER, target=DETECTIVE)
INVITED = a_membership(Status.INVITED, Mode.INVITATION, OTHER)
GUARDDUTY_ENDED = a_membership(Status.RESIGNED, account_id=OTHER).settled(
    Outcome.FAILED, Reason(ReasonCode.RESIGNED, "it left"), NOW
)


@pytest.mark.parametrize(
    ("waiting", "others", "code", "text"),
    [
        (INVITED, (), "not-accepted", "nobody has accepted the invitation"),
        (
            tried(INVITED, Action.ACCEPT, Verdict.RETRY, text="the role cannot be assumed"),
            (),
            "acceptance-failed",
            "last tried: accept at 2027-01-15T08:00:00Z: the role cannot be assumed",
        ),
        (CHECKED, (), "volume-unknown", "make sure that GuardDuty is enabled for it in eu-west-1"),
        (CHECKED, (INVITED,), "guardduty-not-enabled", "eu-west-1 waits: nobody has accepted"),
        (CHECKED, (GUARDDUTY_ENDED,), "guardduty-not-enabled", "eu-west-1 failed: it left"),
        (CHECKED, (ended(Outcome.ENABLED, OTHER),), "volume-unknown", "does not ingest"),
    ],
    ids=[
        "invited",
        "not accepted",
        "alone",
        "after one",
        "after a failed one",
        "after an enabled one",
    ],
)
@pytest.mark.parametrize("whose", ["memberships", "left"])
def test_the_interim_result_says_who_or_what_is_waited_for(
    waiting: Membership, others: tuple[Membership, ...], code: str, text: str, whose: str
) -> None:
    """What is waited for may be this run's, or left to another run."""
    known: dict[str, Any] = {"memberships": (ENABLED, waiting), "left": ()}
    known[whose] += others
    interim = a_result(final=False, **known)

    document = result_document(interim)

    (entry,) = (e for e in document["memberships"] if waiting.key == key_of(e))
    assert (entry["outcome"], entry["reason_code"]) == (None, code)
    assert text in entry["reason"]
    assert f"waiting: {entry['reason']}" in result_text(interim)


def test_the_interim_result_says_that_it_is_not_the_last() -> None:
    interim = a_result(ENABLED, WAITING, final=False)

    assert result_text(interim).splitlines()[:2] == [
        "Rollcall: 2 accounts: 1 enabled, 1 waiting",
        "Onboarding onboarding-1, manual, after 1 min 1 s; the final result follows.",
    ]
    document = result_document(interim)
    assert (document["final"], document["ended_at"]) == (False, None)
    assert document["as_of"] == "2027-01-15T08:01:01.000Z"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "Rollcall: 2 accounts: nothing to enrol"),
        (
            {"onboarding": an_onboarding(dry_run=True)},
            "Rollcall (dry run): 1 account: nothing to enrol",
        ),
        ({"failure": "refused: accounts: x"}, "Rollcall: 2 accounts: refused: accounts: x"),
        (
            {"failure": "refused: accounts: x", "onboarding": an_onboarding(accounts=())},
            "Rollcall: refused: accounts: x",
        ),
        (
            {"failure": "the execution was aborted", "memberships": (ENABLED, FAILED)},
            "Rollcall: 2 accounts: 1 enabled, 1 failed: the execution was aborted",
        ),
    ],
    ids=["nothing", "dry run", "refused", "refused before its accounts were known", "aborted"],
)
def test_one_line_tells_a_run_as_a_whole(changes: dict[str, Any], line: str) -> None:
    assert result_line(a_result(**changes)) == line


def test_the_result_says_what_the_services_did_by_themselves_and_what_is_unknown_of_it() -> None:
    """What Rollcall created or restarted, or no setting explains, the service did not do."""

    def elsewhere(region: str, membership: Membership) -> Membership:
        return replace(membership, target=replace(TARGET, region=region))

    absent = replace(ENABLED, attempts={})
    by_itself = absent.told(auto_enable("NEW"), NOW)
    of_other = replace(by_itself, account_id=OTHER)
    unassociated = Automation(Automatic.UNASSOCIATED, "no configuration policy applies")
    by_nobody = elsewhere("us-east-2", absent.told(unassociated, NOW))
    acted = (
        elsewhere("us-east-1", tried(by_itself, Action.CREATE)),
        elsewhere("eu-north-1", tried(absent.told(auto_enable("ALL"), NOW), Action.RESTART)),
    )
    unknown = elsewhere("us-west-2", FAILED).told(
        Automation(Automatic.UNKNOWN, "what it does by itself could not be read: denied"), NOW
    )

    result = a_result(FAILED, by_itself, of_other, by_nobody, *acted, unknown, notes=("a note",))

    assert result_document(result)["notes"] == [
        "a note",
        "GuardDuty itself enabled 2 of the memberships (auto-enable NEW)",
        "GuardDuty: what it does by itself could not be read: denied",
    ]
    assert "Note: GuardDuty itself enabled 2 of" in result_text(result)
    kinds = [entry["automation"] for entry in result_document(result)["memberships"]]
    assert kinds == [None, "unknown", "all", "new", "new", "unassociated", "new"]


def test_entries_fit_as_far_as_their_bytes_with_separators_do() -> None:
    entries = [{"number": number} for number in range(3)]
    room = 3 * len('{"number": 0}, ')

    assert as_many_as_fit(entries, room) == entries
    assert as_many_as_fit(entries, room - 1) == entries[:2]
    assert as_many_as_fit(entries, None) == entries
