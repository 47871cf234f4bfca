"""What every adapter owes, held against the local services: one suite for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Invitation
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    CredentialsRefused,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from functions.enrolment.membership import Answer, Status, Verdict
from functions.enrolment.protection import DETECTOR_FEATURES
from functions.enrolment.reason import ReasonCode
from functions.services.registry import DETECTIVE, GUARDDUTY, SECURITYHUB
from infra.local.gateway.faults import FaultKind
from tests.contract.bench import (
    ADMINISTRATOR,
    MANAGEMENT,
    MEMBER,
    OPT_IN_REGION,
    OTHER,
    SERVICES,
    STRANGER,
    Bench,
    email_of,
)
from tests.support.macie.record import MACIE

if TYPE_CHECKING:
    from collections.abc import Callable

    from functions.services.record import ServiceRecord

VERIFIES_EMAIL = (GUARDDUTY, DETECTIVE, MACIE)
ONE_ADMINISTRATOR_ONLY = (SECURITYHUB, GUARDDUTY, MACIE)
NEEDS_ITS_OWN = (SECURITYHUB, GUARDDUTY, MACIE)
TAKEN = Answer(Verdict.TAKEN)
# The most members that a service lists in a page (botocore).
PAGE = {"securityhub": 50, "guardduty": 50, "detective": 200, "macie2": 25}


@pytest.fixture(params=SERVICES, ids=str)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def statuses(bench: Bench, *accounts: AccountId) -> list[Status]:
    return [observation.status for observation in bench.observe(*accounts)]


def verdicts(answers: dict[AccountId, Answer]) -> dict[AccountId, Verdict]:
    return {account: answer.verdict for account, answer in answers.items()}


def left_as(bench: Bench) -> Status:
    """The status of a former account of the organisation that the service still lists."""
    return Status.DELETED if bench.service == SECURITYHUB else Status.REMOVED


def test_no_account_is_a_member_at_first(bench: Bench) -> None:
    seen = bench.observe(MEMBER, OTHER)

    assert [(one.account_id, one.status, one.raw) for one in seen] == [
        (MEMBER, Status.ABSENT, "Absent"),
        (OTHER, Status.ABSENT, "Absent"),
    ]


def test_members_are_listed_as_they_are_observed_whether_associated_or_not(bench: Bench) -> None:
    enabled, removed, never, invited, created = (
        AccountId(f"{number:012}") for number in range(700, 705)
    )
    for account in (enabled, removed, never):
        bench.add(account, organization=MANAGEMENT)
    for account in (invited, created):
        bench.add(account)
    bench.create(enabled, removed, created)
    bench.invite(invited)
    bench.later()
    bench.world.apply({"do": "remove_account", "account_id": removed})

    listed = list(bench.members())

    expected = {enabled: Status.ENABLED, invited: Status.INVITED}
    if bench.service == DETECTIVE:  # it invites whom it creates, and drops whom it removes
        expected |= {created: Status.INVITED}
    else:
        expected |= {created: Status.CREATED, removed: left_as(bench)}
    assert {one.account_id: one.status for one in listed} == expected
    seen = bench.observe(enabled, removed, never, invited, created)
    assert listed == [one for one in seen if one.status is not Status.ABSENT]


def many_members(bench: Bench) -> list[AccountId]:
    """Enabled members for two full pages and a part of a third."""
    count = 2 * PAGE[bench.service.name] + 20
    accounts = [AccountId(f"{number:012}") for number in range(700, 700 + count)]
    for account in accounts:
        bench.add(account, organization=MANAGEMENT)
    for start in range(0, count, 50):
        bench.create(*accounts[start : start + 50])
    bench.later()
    bench.calls.clear()
    return accounts


def test_many_members_are_listed_each_once_in_full_pages(bench: Bench) -> None:
    accounts = many_members(bench)

    listed = list(bench.members())

    pages = [call for call in bench.calls.read() if call.operation == "ListMembers"]
    assert [one.account_id for one in listed] == accounts
    assert {one.status for one in listed} == {Status.ENABLED}
    assert len(pages) == 3


def test_a_list_that_is_throttled_on_its_way_is_not_taken_for_complete(bench: Bench) -> None:
    accounts = many_members(bench)
    page = PAGE[bench.service.name]
    members = bench.members()
    first = [next(members).account_id for _ in range(page)]
    bench.fail(FaultKind.THROTTLING, "ListMembers")

    with pytest.raises(Throttled, match=rf"^{bench.service.label} ListMembers: "):
        next(members)

    assert first == accounts[:page]


def test_an_account_of_the_organisation_is_enabled_without_an_invitation(bench: Bench) -> None:
    bench.add(MEMBER, organization=MANAGEMENT)

    answers = bench.create(MEMBER)
    bench.later()

    assert answers == {MEMBER: TAKEN}
    assert statuses(bench, MEMBER) == [Status.ENABLED]
    assert bench.invitations_sent() == 0


def test_an_account_outside_is_invited_and_waits_for_its_owner(bench: Bench) -> None:
    bench.add(MEMBER)

    answers = bench.invite(MEMBER)
    bench.later()

    assert answers == {MEMBER: TAKEN}
    assert statuses(bench, MEMBER) == [Status.INVITED]


def test_to_act_again_changes_nothing(bench: Bench) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    bench.later()

    again = bench.invite(MEMBER)
    bench.later()

    assert verdicts(again) == {MEMBER: Verdict.BENIGN}
    assert bench.invitations_sent() == 1


def test_to_create_an_enabled_member_again_changes_nothing(bench: Bench) -> None:
    bench.add(MEMBER, organization=MANAGEMENT)
    bench.create(MEMBER)
    bench.later()

    assert verdicts(bench.create(MEMBER)) == {MEMBER: Verdict.BENIGN}
    assert statuses(bench, MEMBER) == [Status.ENABLED]


def test_fifty_accounts_go_in_one_call_and_come_back_in_order(bench: Bench) -> None:
    accounts = [AccountId(f"{number:012}") for number in range(700, 650, -1)]
    for account in accounts:
        bench.add(account, organization=MANAGEMENT)

    answers = bench.create(*accounts)
    bench.later()

    assert answers == dict.fromkeys(accounts, TAKEN)
    assert [one.account_id for one in bench.observe(*accounts)] == accounts
    assert statuses(bench, *accounts) == [Status.ENABLED] * 50


def test_one_account_in_trouble_leaves_the_others_alone(bench: Bench) -> None:
    bench.add(MEMBER, organization=MANAGEMENT)
    bench.add(OTHER, organization=MANAGEMENT)
    (operation,) = bench.operations_of("create")
    bench.command("unprocess", operation=operation, account_id=OTHER, text="Internal error")

    answers = bench.create(MEMBER, OTHER)
    bench.later()

    assert verdicts(answers) == {MEMBER: Verdict.TAKEN, OTHER: Verdict.RETRY}
    assert answers[OTHER].text.endswith("Internal error")
    assert statuses(bench, MEMBER, OTHER) == [Status.ENABLED, Status.ABSENT]


def test_a_failed_reading_of_one_account_is_not_taken_for_absence(bench: Bench) -> None:
    bench.add(MEMBER, organization=MANAGEMENT)
    bench.add(OTHER, organization=MANAGEMENT)
    bench.create(MEMBER, OTHER)
    bench.later()
    *_, operation = bench.operations_of("observe")
    bench.command("unprocess", operation=operation, account_id=OTHER, text="Internal error")

    seen, unread = bench.observe(MEMBER, OTHER)

    assert (seen.status, seen.detail) == (Status.ENABLED, None)
    assert unread.status is Status.UNKNOWN
    assert (unread.detail or "").endswith("Internal error")


def test_what_is_said_of_an_account_in_unknown_words_is_not_taken_for_absence(
    bench: Bench,
) -> None:
    bench.add(MEMBER, organization=MANAGEMENT)
    bench.create(MEMBER)
    bench.later()
    text = "The account left on its own account"
    *_, operation = bench.operations_of("observe")
    bench.command("unprocess", operation=operation, account_id=MEMBER, text=text)

    (seen,) = bench.observe(MEMBER)

    assert seen.status is Status.UNKNOWN
    assert (seen.detail or "").endswith(text)


def test_the_administrator_cannot_be_its_own_member(bench: Bench) -> None:
    answer = bench.create(ADMINISTRATOR)[ADMINISTRATOR]

    assert (answer.verdict, answer.code) in (
        (Verdict.PERMANENT, ReasonCode.ADMINISTRATOR),
        # What Detective says is not known: tried again within bounds, then reported as it is.
        (Verdict.UNKNOWN, None),
    )


@pytest.mark.parametrize("bench", NEEDS_ITS_OWN, indirect=True)
def test_the_management_account_is_out_of_reach_until_it_enables_the_service(bench: Bench) -> None:
    answers = bench.create(AccountId(MANAGEMENT))

    assert verdicts(answers) == {MANAGEMENT: Verdict.OUT_OF_REACH}
    assert answers[AccountId(MANAGEMENT)].code is ReasonCode.MANAGEMENT_ACCOUNT


@pytest.mark.parametrize("bench", NEEDS_ITS_OWN, indirect=True)
def test_no_more_members_than_allowed(bench: Bench) -> None:
    name = bench.service.name
    limits = {"guardduty": 0} if bench.service == GUARDDUTY else {f"{name}_organization": 0}
    bench.world.apply({"do": "set_limits", **limits})
    bench.add(MEMBER, organization=MANAGEMENT)

    answers = bench.create(MEMBER)

    assert verdicts(answers) == {MEMBER: Verdict.PERMANENT}
    assert answers[MEMBER].code is ReasonCode.MEMBER_LIMIT


@pytest.mark.parametrize("bench", VERIFIES_EMAIL, indirect=True)
def test_an_e_mail_address_that_is_not_the_accounts_fails_verification(bench: Bench) -> None:
    bench.add(MEMBER, email="somebody.else@example.com")

    bench.invite(MEMBER)
    under_way = statuses(bench, MEMBER)
    bench.later()

    assert under_way == [Status.VERIFYING]
    assert statuses(bench, MEMBER) == [Status.VERIFICATION_FAILED]
    assert bench.invitations_sent() == 0


@pytest.mark.parametrize("bench", ONE_ADMINISTRATOR_ONLY, indirect=True)
def test_a_member_of_another_administrator_is_not_taken_over(bench: Bench) -> None:
    bench.add(MEMBER, organization=MANAGEMENT, accepts_after=0)
    bench.invite_from(STRANGER, MEMBER)
    bench.later()

    answers = bench.create(MEMBER)

    assert verdicts(answers) == {MEMBER: Verdict.PERMANENT}
    assert answers[MEMBER].code is ReasonCode.OTHER_ADMINISTRATOR
    assert bench.status(STRANGER, MEMBER) == "ENABLED"


@pytest.mark.parametrize("bench", ONE_ADMINISTRATOR_ONLY, indirect=True)
def test_a_member_of_another_administrator_cannot_accept_ours(bench: Bench) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    bench.invite_from(STRANGER, MEMBER)
    bench.later()
    bench.invitee_of(MEMBER).accept(STRANGER)

    answer = bench.invitee_of(MEMBER).accept(ADMINISTRATOR)

    assert (answer.verdict, answer.code) == (Verdict.PERMANENT, ReasonCode.OTHER_ADMINISTRATOR)
    assert f"(its administrator is {STRANGER})" in answer.text
    assert statuses(bench, MEMBER) == [Status.INVITED]


def each_call(bench: Bench) -> list[Callable[[], object]]:
    """Every call the adapter can make about accounts."""
    resource, service = bench.resource, bench.service
    calls: list[Callable[[], object]] = [
        lambda: bench.administrator.observe(resource, [MEMBER, OTHER]),
        lambda: list(bench.administrator.members(resource)),
        lambda: bench.administrator.create(resource, {MEMBER: email_of(MEMBER)}),
    ]
    if not service.create_invites:
        calls.append(lambda: bench.administrator.invite(resource, [MEMBER, OTHER]))
    if service.restarts:
        calls.append(lambda: bench.administrator.restart(resource, [MEMBER, OTHER]))
    return calls


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.THROTTLING, Throttled),
        (FaultKind.SERVER_ERROR, ServiceUnavailable),
        (FaultKind.ACCESS_DENIED, AccessDenied),
    ],
)
def test_a_failing_service_is_an_error_of_ours_that_says_which_call(
    bench: Bench, kind: FaultKind, error: type[Exception]
) -> None:
    bench.add(MEMBER)
    calls = each_call(bench)
    bench.fail(kind)

    for call in calls:
        with pytest.raises(error, match=f"^{bench.service.label} [A-Z][A-Za-z]+: [A-Za-z]+: "):
            call()


def test_a_service_that_does_not_answer_is_unavailable(bench: Bench) -> None:
    calls = each_call(bench)
    bench.fail(FaultKind.LATENCY, seconds=600)

    for call in calls:
        with pytest.raises(ServiceUnavailable, match="ReadTimeoutError"):
            call()


def test_a_call_that_took_effect_and_then_failed_can_be_made_again(bench: Bench) -> None:
    bench.add(MEMBER, organization=MANAGEMENT)
    (operation,) = bench.operations_of("create")
    bench.fail(FaultKind.EFFECT_THEN_ERROR, operation, times=1)

    with pytest.raises(ServiceUnavailable):
        bench.create(MEMBER)
    bench.later()

    assert verdicts(bench.create(MEMBER)) == {MEMBER: Verdict.BENIGN}
    assert statuses(bench, MEMBER) == [Status.ENABLED]


def test_an_invitation_that_was_sent_and_then_failed_is_not_sent_again(bench: Bench) -> None:
    bench.add(MEMBER)
    (operation,) = bench.operations_of("invite") or bench.operations_of("create")
    bench.fail(FaultKind.EFFECT_THEN_ERROR, operation, times=1)

    with pytest.raises(ServiceUnavailable):
        bench.invite(MEMBER)
    bench.later()

    assert verdicts(bench.invite(MEMBER)) == {MEMBER: Verdict.BENIGN}
    assert bench.invitations_sent() == 1


@pytest.mark.parametrize(
    "read", [lambda it: it.observe(MEMBER), lambda it: list(it.members())], ids=["observe", "list"]
)
@pytest.mark.parametrize("service", SERVICES, ids=str)
def test_an_administrator_without_set_up_is_told_the_call_that_sets_it_up(
    service: ServiceRecord, read: Callable[[Bench], object]
) -> None:
    bench = Bench(service, set_up=False)

    with pytest.raises(AdministratorNotReady, match=rf"eu-west-1.*: call {service} [A-Z]"):
        read(bench)

    assert not bench.is_on(ADMINISTRATOR)


def test_our_invitation_is_accepted_in_the_member_account(bench: Bench) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    bench.later()

    answer = bench.invitee_of(MEMBER).accept(ADMINISTRATOR)

    assert answer == TAKEN
    assert statuses(bench, MEMBER) == [Status.ENABLED]


def test_a_strangers_invitation_is_never_accepted(bench: Bench) -> None:
    bench.add(MEMBER)
    bench.invite_from(STRANGER, MEMBER)
    bench.later()

    answer = bench.invitee_of(MEMBER).accept(ADMINISTRATOR)

    assert answer.verdict is Verdict.RETRY
    assert bench.status(STRANGER, MEMBER) == "INVITED"


def test_ours_is_accepted_beside_a_strangers(bench: Bench) -> None:
    bench.add(MEMBER)
    bench.invite_from(STRANGER, MEMBER)
    bench.invite(MEMBER)
    bench.later()

    answer = bench.invitee_of(MEMBER).accept(ADMINISTRATOR)

    assert answer == TAKEN
    assert bench.status(STRANGER, MEMBER) == "INVITED"


def test_ours_is_found_behind_a_page_of_strangers(bench: Bench) -> None:
    bench.add(MEMBER)
    # Invitations are listed by administrator, at most 200 a page (Detective), the others fewer.
    strangers = [f"{number:012}" for number in range(1, 202)]
    for stranger in strangers:
        bench.invite_from(stranger, MEMBER)
    bench.invite(MEMBER)
    bench.later()

    answer = bench.invitee_of(MEMBER).accept(ADMINISTRATOR)

    listed = [call for call in bench.calls.read() if call.operation == "ListInvitations"]
    assert answer == TAKEN
    assert len(listed) >= 2
    assert {bench.status(stranger, MEMBER) for stranger in strangers} == {"INVITED"}


def test_an_invitation_that_is_not_there_yet_is_looked_for_again_later(bench: Bench) -> None:
    bench.add(MEMBER)
    bench.create(MEMBER)

    assert bench.invitee_of(MEMBER).accept(ADMINISTRATOR).verdict is Verdict.RETRY


def test_an_acceptance_is_not_made_twice(bench: Bench) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    bench.later()
    bench.invitee_of(MEMBER).accept(ADMINISTRATOR)

    assert bench.invitee_of(MEMBER).accept(ADMINISTRATOR).verdict is Verdict.BENIGN


def test_an_acceptance_that_took_effect_and_is_repeated_by_botocore_is_benign(bench: Bench) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    bench.later()
    bench.fail(FaultKind.EFFECT_THEN_ERROR, "AcceptAdministratorInvitation", times=1)
    bench.fail(FaultKind.EFFECT_THEN_ERROR, "AcceptInvitation", times=1)

    answer = bench.invitee_of(MEMBER, attempts=2).accept(ADMINISTRATOR)

    assert answer.verdict is Verdict.BENIGN
    assert statuses(bench, MEMBER) == [Status.ENABLED]


@pytest.mark.parametrize("bench", ONE_ADMINISTRATOR_ONLY, indirect=True)
@pytest.mark.parametrize("kind", [FaultKind.SERVER_ERROR, FaultKind.ACCESS_DENIED])
def test_an_acceptance_that_took_effect_is_not_put_down_to_another_administrator(
    bench: Bench, kind: FaultKind
) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    bench.later()
    for operation in ("AcceptAdministratorInvitation", "AcceptInvitation"):
        bench.fail(FaultKind.EFFECT_THEN_ERROR, operation, times=1)
    bench.fail(kind, "GetAdministratorAccount")

    answer = bench.invitee_of(MEMBER, attempts=2).accept(ADMINISTRATOR)

    assert answer.code is not ReasonCode.OTHER_ADMINISTRATOR
    assert statuses(bench, MEMBER) == [Status.ENABLED]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.THROTTLING, Throttled),
        (FaultKind.SERVER_ERROR, ServiceUnavailable),
        (FaultKind.ACCESS_DENIED, AccessDenied),
    ],
)
def test_a_failing_service_fails_the_acceptance(
    bench: Bench, kind: FaultKind, error: type[Exception]
) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    bench.later()
    bench.fail(kind, account_id=MEMBER)

    with pytest.raises(error):
        bench.invitee_of(MEMBER).accept(ADMINISTRATOR)

    assert statuses(bench, MEMBER) == [Status.INVITED]


@pytest.mark.parametrize("bench", NEEDS_ITS_OWN, indirect=True)
def test_the_service_is_enabled_in_the_member_account_for_our_invitation(bench: Bench) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    bench.later()
    before = bench.is_on(MEMBER)

    bench.invitee_of(MEMBER).accept(ADMINISTRATOR)

    assert (before, bench.is_on(MEMBER)) == (False, True)


@pytest.mark.parametrize(
    ("service", "on", "calls"),
    [
        # Here the local Security Hub lists invitations for a hub only: once in vain.
        (SECURITYHUB, False, 4),
        (SECURITYHUB, True, 3),
        (GUARDDUTY, False, 3),
        (GUARDDUTY, True, 4),
        (DETECTIVE, False, 2),
    ],
)
def test_an_acceptance_takes_few_calls(service: ServiceRecord, on: bool, calls: int) -> None:
    bench = Bench(service)
    bench.add(MEMBER)
    if on:
        bench.command("enable", account_id=MEMBER, regions=[bench.region])
    bench.invite(MEMBER)
    bench.later()
    bench.calls.clear()

    answer = bench.invitee_of(MEMBER).accept(ADMINISTRATOR)

    assert answer == TAKEN
    assert len(bench.calls.read()) == calls


@pytest.mark.parametrize("bench", [GUARDDUTY], indirect=True)
@pytest.mark.parametrize("wanted", [None, (), ("RUNTIME_MONITORING",)])
def test_a_detector_of_the_members_own_stays_as_it_is(
    bench: Bench, wanted: tuple[str, ...] | None
) -> None:
    bench.add(MEMBER)
    detector = bench.direct(MEMBER, "CreateDetector", Enable=True, Tags={"team": "blue"})
    before = bench.direct(MEMBER, "GetDetector", **detector)
    bench.invite(MEMBER)
    bench.later()

    invitation = Invitation(detector_features=wanted)
    answer = bench.invitee_of(MEMBER, invitation).accept(ADMINISTRATOR)

    assert answer == TAKEN
    assert bench.direct(MEMBER, "GetDetector", **detector) == before


BEST_PRACTICES = "aws-foundational-security-best-practices/v/1.0.0"
CIS = "cis-aws-foundations-benchmark/v/1.2.0"
NIST = "nist-800-53/v/5.0.0"


def standards_of(bench: Bench, account: str) -> set[str]:
    subscriptions = bench.direct(account, "GetEnabledStandards")["StandardsSubscriptions"]
    return {one["StandardsArn"].partition("/")[2] for one in subscriptions}


def features_of(bench: Bench, account: str) -> set[str]:
    """The optional features that are enabled in the account's detector."""
    (detector,) = bench.direct(account, "ListDetectors")["DetectorIds"]
    features = bench.direct(account, "GetDetector", DetectorId=detector)["Features"]
    enabled = {one["Name"] for one in features if one["Status"] == "ENABLED"}
    return enabled & set(DETECTOR_FEATURES)


@pytest.mark.parametrize("bench", [SECURITYHUB], indirect=True)
@pytest.mark.parametrize(
    ("wanted", "enabled"),
    [(None, {BEST_PRACTICES, CIS}), ((), set()), ((NIST, CIS), {NIST, CIS})],
    ids=["default", "none", "two"],
)
def test_a_new_hub_has_the_standards_configured(
    bench: Bench, wanted: tuple[str, ...] | None, enabled: set[str]
) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)

    answer = bench.invitee_of(MEMBER, Invitation(standards=wanted)).accept(ADMINISTRATOR)

    assert answer == TAKEN
    assert standards_of(bench, MEMBER) == enabled


@pytest.mark.parametrize("bench", [SECURITYHUB], indirect=True)
@pytest.mark.parametrize(("wanted", "enabled"), [(None, set()), ((), set()), ((NIST,), {NIST})])
def test_a_hub_of_the_members_own_gets_only_the_standards_that_are_listed(
    bench: Bench, wanted: tuple[str, ...] | None, enabled: set[str]
) -> None:
    bench.add(MEMBER)
    bench.direct(MEMBER, "EnableSecurityHub", EnableDefaultStandards=False)
    bench.invite(MEMBER)

    answer = bench.invitee_of(MEMBER, Invitation(standards=wanted)).accept(ADMINISTRATOR)

    assert answer == TAKEN
    assert standards_of(bench, MEMBER) == enabled


@pytest.mark.parametrize("bench", [SECURITYHUB], indirect=True)
@pytest.mark.parametrize("wanted", [None, (), (NIST,)])
def test_a_hub_with_standards_keeps_them(bench: Bench, wanted: tuple[str, ...] | None) -> None:
    bench.add(MEMBER)
    bench.direct(MEMBER, "EnableSecurityHub")
    bench.invite(MEMBER)

    answer = bench.invitee_of(MEMBER, Invitation(standards=wanted)).accept(ADMINISTRATOR)

    assert answer == TAKEN
    assert standards_of(bench, MEMBER) == {BEST_PRACTICES, CIS}


@pytest.mark.parametrize("bench", [SECURITYHUB], indirect=True)
def test_a_standard_that_there_is_not_is_named_and_nothing_is_accepted(bench: Bench) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    invitee = bench.invitee_of(MEMBER, Invitation(standards=("cis/v/9.0.0",)))

    with pytest.raises(ServiceRefused, match=r"InvalidInputException.*cis/v/9\.0\.0"):
        invitee.accept(ADMINISTRATOR)

    assert statuses(bench, MEMBER) == [Status.INVITED]


@pytest.mark.parametrize("bench", [SECURITYHUB], indirect=True)
@pytest.mark.parametrize("operation", ["EnableSecurityHub", "BatchEnableStandards"])
@pytest.mark.parametrize("kind", [FaultKind.THROTTLING, FaultKind.EFFECT_THEN_ERROR])
def test_an_acceptance_that_fails_on_the_way_ends_with_the_standards(
    bench: Bench, operation: str, kind: FaultKind
) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    bench.fail(kind, operation, times=1)
    invitee = bench.invitee_of(MEMBER, Invitation(standards=(NIST, CIS)))

    with pytest.raises((Throttled, ServiceUnavailable)):
        invitee.accept(ADMINISTRATOR)
    not_yet = statuses(bench, MEMBER)

    assert invitee.accept(ADMINISTRATOR) == TAKEN
    assert not_yet == [Status.INVITED]
    assert standards_of(bench, MEMBER) == {NIST, CIS}


@pytest.mark.parametrize("region", ["ap-east-2", "me-south-1"])
def test_a_region_that_does_not_offer_every_feature_keeps_nobody_out(region: str) -> None:
    bench = Bench(GUARDDUTY, region=region)
    bench.add(MEMBER, regions=[region])
    bench.invite(MEMBER)
    bench.later()
    invitee = bench.invitee_of(MEMBER, Invitation(detector_features=("AI_ANALYST",)))

    answer = invitee.accept(ADMINISTRATOR)

    assert answer == TAKEN
    assert features_of(bench, MEMBER) == set()


@pytest.mark.parametrize("bench", [GUARDDUTY], indirect=True)
@pytest.mark.parametrize(
    ("wanted", "enabled"),
    [
        (None, set(DETECTOR_FEATURES[:5]) | {"AI_PROTECTION"}),
        ((), set()),
        (("S3_DATA_EVENTS", "RUNTIME_MONITORING"), {"S3_DATA_EVENTS", "RUNTIME_MONITORING"}),
    ],
    ids=["default", "none", "two"],
)
def test_a_new_detector_has_exactly_the_features_configured(
    bench: Bench, wanted: tuple[str, ...] | None, enabled: set[str]
) -> None:
    bench.add(MEMBER)
    bench.invite(MEMBER)
    bench.later()

    invitation = Invitation(detector_features=wanted)
    answer = bench.invitee_of(MEMBER, invitation).accept(ADMINISTRATOR)

    assert answer == TAKEN
    assert features_of(bench, MEMBER) == enabled


@pytest.mark.parametrize("bench", [GUARDDUTY], indirect=True)
def test_a_stopped_member_is_started_again(bench: Bench) -> None:
    bench.add(MEMBER, organization=MANAGEMENT)
    bench.create(MEMBER)
    bench.later()
    bench.direct(
        ADMINISTRATOR, "StopMonitoringMembers", DetectorId=bench.resource, AccountIds=[MEMBER]
    )
    stopped = statuses(bench, MEMBER)

    answers = bench.administrator.restart(bench.resource, [MEMBER, OTHER])

    assert stopped == [Status.DISABLED]
    assert verdicts(dict(answers)) == {MEMBER: Verdict.TAKEN, OTHER: Verdict.PERMANENT}
    assert statuses(bench, MEMBER) == [Status.ENABLED]


@pytest.mark.parametrize("bench", [SECURITYHUB, GUARDDUTY], indirect=True)
@pytest.mark.parametrize("outside", [True, False])
def test_a_former_member_is_created_and_then_invited_again(bench: Bench, outside: bool) -> None:
    bench.add(MEMBER, organization=None if outside else MANAGEMENT, accepts_after=0)
    bench.invite(MEMBER)
    bench.later()
    if outside:
        named = {"DetectorId": bench.resource} if bench.service == GUARDDUTY else {}
        bench.direct(ADMINISTRATOR, "DisassociateMembers", AccountIds=[MEMBER], **named)
    else:
        bench.world.apply({"do": "remove_account", "account_id": MEMBER})
    former = statuses(bench, MEMBER)

    created = bench.create(MEMBER)
    between = statuses(bench, MEMBER)
    invited = bench.administrator.invite(bench.resource, [MEMBER])
    bench.later()

    gone = Status.REMOVED if outside else left_as(bench)
    assert (former, between) == ([gone], [Status.CREATED])
    assert (created, invited) == ({MEMBER: TAKEN}, {MEMBER: TAKEN})
    assert statuses(bench, MEMBER) == [Status.ENABLED]


@pytest.mark.parametrize("bench", [DETECTIVE], indirect=True)
def test_a_member_of_unknown_volume_is_started_once_its_volume_is_known(bench: Bench) -> None:
    bench.world.apply({"do": "set_timings", "detective_recheck": None})
    bench.add(MEMBER, organization=MANAGEMENT, volume="unknown")
    bench.create(MEMBER)
    bench.later()
    (disabled,) = bench.observe(MEMBER)
    bench.world.apply({"do": "set_account", "account_id": MEMBER, "volume": "known"})

    answers = bench.administrator.restart(bench.resource, [OTHER, MEMBER])

    assert (disabled.status, disabled.detail) == (Status.ACCEPTED_BUT_DISABLED, "VOLUME_UNKNOWN")
    assert verdicts(dict(answers)) == {OTHER: Verdict.UNKNOWN, MEMBER: Verdict.TAKEN}
    assert statuses(bench, MEMBER) == [Status.ENABLED]


@pytest.mark.parametrize("service", SERVICES, ids=str)
def test_an_account_without_the_region_is_told_apart_from_a_denied_one(
    service: ServiceRecord,
) -> None:
    bench = Bench(service, region=OPT_IN_REGION)
    bench.add(MEMBER)

    with pytest.raises(CredentialsRefused):
        bench.invitee_of(MEMBER).accept(ADMINISTRATOR)


@pytest.mark.parametrize(
    ("service", "status"),
    [(SECURITYHUB, Status.CREATED), (GUARDDUTY, Status.REGION_DISABLED)],
)
def test_a_member_that_has_not_opted_in_to_the_region_is_not_enabled(
    service: ServiceRecord, status: Status
) -> None:
    bench = Bench(service, region=OPT_IN_REGION)
    bench.add(MEMBER, organization=MANAGEMENT)
    bench.create(MEMBER)
    bench.later()

    assert statuses(bench, MEMBER) == [status]


@pytest.mark.parametrize(
    "invitation",
    [Invitation(), Invitation(standards=(), detector_features=()), Invitation(standards=(NIST,))],
    ids=["default", "none", "standards"],
)
def test_the_permissions_named_are_the_calls_made(bench: Bench, invitation: Invitation) -> None:
    called: dict[str, set[str]] = {}

    def note(verb: str) -> None:
        called[verb] = called.get(verb, set()) | bench.operations_called()
        bench.calls.clear()

    bench.add(MEMBER)
    bench.add(OTHER, accepts_after=0)
    resource = bench.resource
    bench.administrator.observe(resource, [MEMBER])
    note("observe")
    list(bench.members())
    note("list")
    bench.administrator.automation(resource, [MEMBER])
    note("automation")
    emails = {MEMBER: email_of(MEMBER), OTHER: email_of(OTHER)}
    bench.administrator.create(resource, emails)
    note("create")
    if not bench.service.create_invites:
        bench.administrator.invite(resource, [MEMBER, OTHER])
        note("invite")
    if bench.service.restarts:
        bench.administrator.restart(resource, [MEMBER])
        note("restart")
    bench.later()
    bench.invitee_of(MEMBER, invitation).accept(ADMINISTRATOR)
    bench.invitee_of(OTHER, invitation).accept(ADMINISTRATOR)
    note("accept")

    # Those of a central configuration come on top: test_permissions of the workflows has them.
    assert called.pop("automation") <= set(bench.service.permissions["automation"])
    permitted = {
        **bench.service.permissions,
        "accept": bench.service.accepting(invitation).permissions,
    }
    for verb in ("observe", "list", "create", "invite", "restart", "accept"):
        assert called.get(verb, set()) == set(permitted[verb]), verb
