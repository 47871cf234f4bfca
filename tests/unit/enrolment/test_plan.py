from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from functions.enrolment.account import AccountId, Mode, OrganizationAccount
from functions.enrolment.errors import InvalidInput
from functions.enrolment.membership import Membership, Outcome
from functions.enrolment.plan import Facts, Plan, make_plan, waits_for
from functions.enrolment.reason import ReasonCode
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.scope import Scope
from functions.enrolment.target import Target
from functions.services import registry
from tests.support.builders import (
    ACCOUNT,
    ADMINISTRATOR,
    EMAIL,
    MANAGEMENT,
    NOW,
    OTHER,
    a_configuration,
)

if TYPE_CHECKING:
    from functions.enrolment.service import Service

SH, GD, DT = registry.SECURITYHUB, registry.GUARDDUTY, registry.DETECTIVE


def a_request(
    *accounts: AccountId,
    email: str | None = None,
    mode: Mode | None = None,
    own_mode: Mode | None = None,
) -> OnboardingRequest:
    requested = tuple(RequestedAccount(a, email, own_mode) for a in accounts or (ACCOUNT,))
    return OnboardingRequest(requested, source="manual", automatic=False, mode=mode)


def known(account_id: AccountId, state: str = "ACTIVE") -> OrganizationAccount:
    return OrganizationAccount(account_id, EMAIL, state)


FACTS = Facts(
    administrator_id=ADMINISTRATOR,
    management_id=MANAGEMENT,
    directory={ACCOUNT: known(ACCOUNT)},
    delegated={},
    regions={},
)


def plan(
    request: OnboardingRequest,
    facts: Facts = FACTS,
    regions: tuple[str, ...] = ("eu-west-1", "us-east-1"),
    scope: Scope | None = None,
) -> Plan:
    configuration = a_configuration(regions=regions, scope=scope or Scope())
    return make_plan(request, facts, configuration, NOW)


def test_every_account_is_enrolled_in_every_service_in_every_region() -> None:
    planned = plan(a_request(ACCOUNT, OTHER, email=EMAIL))

    targets = tuple(
        Target(service, region) for region in ("eu-west-1", "us-east-1") for service in (SH, GD, DT)
    )
    assert planned.targets == targets
    assert planned.covered == (
        *(Membership(ACCOUNT, target, Mode.ORGANIZATION) for target in targets),
        *(Membership(OTHER, target, Mode.INVITATION) for target in targets),
    )


def test_services_and_regions_that_are_asked_for_are_the_targets() -> None:
    request = replace(a_request(), services=(DT,), regions=("us-east-1",))

    assert plan(request).targets == (Target(DT, "us-east-1"),)


@pytest.mark.parametrize(
    ("service", "planned", "awaited"),
    [
        (DT, [Target(GD, "eu-west-1")], GD),
        (DT, [Target(GD, "us-east-1"), Target(SH, "eu-west-1")], None),
        (GD, [Target(DT, "eu-west-1")], None),
        (SH, [Target(GD, "eu-west-1")], None),
    ],
)
def test_detective_waits_for_guardduty_where_that_is_planned_in_its_region(
    service: Service, planned: list[Target], awaited: Service | None
) -> None:
    target = Target(service, "eu-west-1")

    assert waits_for(target, [target, *planned]) is awaited


EMAIL_NEEDED = f"is required for {OTHER}: it does not belong to the organisation"
NEVER_INVITED = (
    f"takes organization for {ACCOUNT}: it belongs to the organisation, whose accounts are never"
    " invited"
)
INVITED_ONLY = f"takes invitation for {OTHER}: it does not belong to the organisation"


def test_an_account_of_the_organisation_is_enrolled_as_the_organisation_has_it() -> None:
    facts = replace(FACTS, directory={ACCOUNT: replace(known(ACCOUNT), joined_at=NOW - 60)})

    account = plan(a_request(email="other@example.com"), facts).accounts[0]

    assert (account.mode, account.email) == (Mode.ORGANIZATION, EMAIL)
    assert account.joined_at == NOW - 60


def test_an_account_outside_the_organisation_is_invited_with_the_email_given() -> None:
    account = plan(a_request(OTHER, email="owner@example.com")).accounts[0]

    assert (account.mode, account.email) == (Mode.INVITATION, "owner@example.com")


@pytest.mark.parametrize(
    ("request_", "field", "takes"),
    [
        (a_request(ACCOUNT, OTHER), "accounts[1].email", EMAIL_NEEDED),
        (a_request(mode=Mode.INVITATION), "mode", NEVER_INVITED),
        (a_request(OTHER, email=EMAIL, mode=Mode.ORGANIZATION), "mode", INVITED_ONLY),
        (
            a_request(ACCOUNT, mode=Mode.ORGANIZATION, own_mode=Mode.INVITATION),
            "accounts[0].mode",
            NEVER_INVITED,
        ),
        (
            a_request(OTHER, email=EMAIL, mode=Mode.INVITATION, own_mode=Mode.ORGANIZATION),
            "accounts[0].mode",
            INVITED_ONLY,
        ),
    ],
)
def test_what_contradicts_the_facts_is_refused(
    request_: OnboardingRequest, field: str, takes: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan(request_)

    assert refused.value.field == field
    assert takes in str(refused.value)


def reasons(planned: Plan) -> set[tuple[Outcome | None, ReasonCode | None, str]]:
    """How memberships ended that were never begun, and why."""
    return {
        (m.outcome, m.reason.code if m.reason else None, str(m.reason)) for m in planned.settled
    }


def test_the_administrator_is_not_a_member_of_itself() -> None:
    planned = plan(a_request(ADMINISTRATOR))

    assert (len(planned.settled), planned.covered) == (6, ())
    assert reasons(planned) == {
        (
            Outcome.SKIPPED,
            ReasonCode.ADMINISTRATOR,
            "the administrator account is not a member of itself",
        )
    }


def test_one_account_that_is_not_enrolled_leaves_the_others_in() -> None:
    planned = plan(a_request(ADMINISTRATOR, ACCOUNT))

    assert {m.account_id for m in planned.settled} == {ADMINISTRATOR}
    assert [m.key for m in planned.covered] == [(ACCOUNT, target) for target in planned.targets]


def test_what_is_not_enrolled_ends_when_it_is_planned() -> None:
    planned = plan(a_request(ADMINISTRATOR))

    assert {m.settled_at for m in planned.settled} == {NOW}


@pytest.mark.parametrize(
    ("state", "outcome", "code", "to_do"),
    [
        ("SUSPENDED", Outcome.SKIPPED, ReasonCode.ACCOUNT_NOT_ACTIVE, "if it becomes ACTIVE"),
        ("PENDING_CLOSURE", Outcome.SKIPPED, ReasonCode.ACCOUNT_NOT_ACTIVE, "if it becomes ACTIVE"),
        ("CLOSED", Outcome.SKIPPED, ReasonCode.ACCOUNT_NOT_ACTIVE, "if it becomes ACTIVE"),
        ("LATER_STATE", Outcome.SKIPPED, ReasonCode.ACCOUNT_NOT_ACTIVE, "if it becomes ACTIVE"),
        ("PENDING_ACTIVATION", Outcome.FAILED, ReasonCode.ACCOUNT_PENDING, "complete its sign-up"),
    ],
)
def test_an_account_that_is_not_active_is_not_enrolled(
    state: str, outcome: Outcome, code: ReasonCode, to_do: str
) -> None:
    planned = plan(a_request(), replace(FACTS, directory={ACCOUNT: known(ACCOUNT, state)}))

    ((ended, why, text),) = reasons(planned)
    assert (ended, why, planned.covered) == (outcome, code, ())
    assert text.startswith(f"Organizations reports the account as {state}")
    assert to_do in text


def test_a_service_that_is_not_offered_in_a_region_is_skipped_there() -> None:
    delegated: dict[Service, bool | None] = {SH: True, GD: True, DT: False}
    planned = plan(a_request(), replace(FACTS, delegated=delegated), ("ap-northeast-3",))

    ((outcome, code, text),) = reasons(planned)
    assert (outcome, code) == (Outcome.SKIPPED, ReasonCode.NOT_OFFERED)
    assert "AWS does not offer Detective in ap-northeast-3" in text
    assert {target.service for target in {m.target for m in planned.covered}} == {SH, GD}


def test_a_service_with_regions_of_its_own_is_enrolled_in_those_and_in_no_others() -> None:
    regions = {"detective": ("ap-northeast-3",)}
    configuration = a_configuration(
        regions=("eu-west-1", "ap-northeast-3"), services=(GD, DT), service_regions=regions
    )

    planned = make_plan(a_request(), FACTS, configuration, NOW)

    assert [(target.service, target.region) for target in planned.targets] == [
        (GD, "eu-west-1"),
        (GD, "ap-northeast-3"),
        (DT, "ap-northeast-3"),
    ]
    assert not planned.settled
    only = replace(a_request(), services=(DT,), regions=("eu-west-1",))
    with pytest.raises(InvalidInput, match=r"^regions: takes a Region in which a requested"):
        make_plan(only, FACTS, configuration, NOW)


def test_a_service_administered_by_another_account_fails_with_the_call_that_would_fix_it() -> None:
    delegated: dict[Service, bool | None] = {GD: False, SH: None}
    planned = plan(a_request(), replace(FACTS, delegated=delegated))

    assert {m.target.service for m in planned.settled} == {GD}
    assert reasons(planned) == {
        (
            Outcome.FAILED,
            ReasonCode.NOT_DELEGATED,
            "the administrator account is not the delegated administrator of GuardDuty in"
            f" {region} ({ADMINISTRATOR}); to do: call"
            f" guardduty EnableOrganizationAdminAccount in {region} from the management account,"
            " and start again",
        )
        for region in ("eu-west-1", "us-east-1")
    }


def test_a_region_the_account_has_not_opted_into_is_skipped() -> None:
    facts = replace(FACTS, regions={ACCOUNT: frozenset({"eu-west-1", "ap-east-1"})})

    planned = plan(a_request(), facts, regions=("eu-west-1", "ap-east-1", "me-south-1"))

    assert {m.target.region for m in planned.settled} == {"me-south-1"}
    ((outcome, code, text),) = reasons(planned)
    assert (outcome, code) == (Outcome.SKIPPED, ReasonCode.REGION_NOT_ENABLED)
    assert text.startswith("the account has not opted in to me-south-1; to do: opt it in")


@pytest.mark.parametrize(
    ("account", "regions", "known"),
    [
        (ACCOUNT, {ACCOUNT: frozenset({"me-south-1"})}, True),
        (ACCOUNT, {ACCOUNT: None}, False),
        (ACCOUNT, {}, False),
        (OTHER, {}, False),
    ],
    ids=["looked up", "could not be looked up", "not looked at", "outside the organisation"],
)
def test_an_account_says_whether_its_regions_are_known(
    account: AccountId, regions: dict[AccountId, frozenset[str] | None], *, known: bool
) -> None:
    planned = plan(a_request(account, email=EMAIL), replace(FACTS, regions=regions))

    assert [each.regions_known for each in planned.accounts] == [known]


def test_regions_that_cannot_be_looked_up_are_tried_and_noted() -> None:
    facts = replace(FACTS, regions={ACCOUNT: None})

    planned = plan(a_request(), facts, regions=("me-south-1", "eu-west-1", "af-south-1"))

    assert not planned.settled
    assert planned.notes == (
        f"whether {ACCOUNT} has opted in to af-south-1, me-south-1 could not be looked up (account"
        " ListRegions): its enrolment there was tried",
    )


def test_regions_that_were_looked_up_are_not_noted() -> None:
    facts = replace(FACTS, regions={ACCOUNT: frozenset({"me-south-1"})})

    assert plan(a_request(), facts, regions=("me-south-1",)).notes == ()


def test_of_the_targets_requested_those_wanted_are_planned() -> None:
    wanted = [Target(GD, "us-east-1")]

    planned = make_plan(a_request(), FACTS, a_configuration(), NOW, wanted)

    assert planned.targets == tuple(wanted)


def test_what_is_not_enrolled_for_another_reason_is_not_noted() -> None:
    facts = replace(
        FACTS, directory={ACCOUNT: known(ACCOUNT, "SUSPENDED")}, regions={ACCOUNT: None}
    )

    assert plan(a_request(), facts, regions=("me-south-1",)).notes == ()


@pytest.mark.parametrize(
    "scope",
    [Scope(exclude_paths=("o-1/r-1/",)), Scope(exclude_tags={"a": "b"}), Scope((), (), (OTHER,))],
)
def test_an_account_out_of_scope_is_skipped_everywhere_with_the_reason(scope: Scope) -> None:
    facts = replace(
        FACTS,
        directory={ACCOUNT: replace(known(ACCOUNT), path=f"o-1/r-1/{ACCOUNT}/")},
        tags={ACCOUNT: {"a": "b"}},
    )

    planned = plan(a_request(), facts, scope=scope)

    assert planned.covered == ()
    ((outcome, code, text),) = reasons(planned)
    assert (outcome, code) == (Outcome.SKIPPED, ReasonCode.OUT_OF_SCOPE)
    assert text.startswith("out of scope: the configuration ")


def test_an_account_outside_the_organisation_has_neither_path_nor_tags_to_go_by() -> None:
    request = a_request(OTHER, email=EMAIL)

    assert plan(request, scope=Scope(include_paths=("o-1/",))).covered
    excluded = plan(request, scope=Scope(exclude_accounts=(OTHER,)))
    assert not excluded.covered
    assert {m.mode for m in excluded.settled} == {Mode.INVITATION}
    ((_, _, text),) = reasons(excluded)
    assert text.startswith("out of scope: the configuration excludes the account; ")


def test_an_account_whose_tags_are_not_known_has_none() -> None:
    scope = Scope(exclude_tags={"a": "b"})

    assert plan(a_request(), scope=scope).covered


def test_an_account_of_the_organisation_may_be_excluded_by_its_id() -> None:
    assert not plan(a_request(), scope=Scope(exclude_accounts=(ACCOUNT,))).covered
