from __future__ import annotations

from dataclasses import replace

import pytest

from functions.enrolment.account import AccountId, Mode, OrganizationAccount
from functions.enrolment.errors import InvalidInput
from functions.enrolment.membership import Outcome
from functions.enrolment.plan import Facts, Plan, make_plan
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.scope import Scope
from functions.enrolment.target import ServiceName, Target
from tests.support.builders import (
    ACCOUNT,
    ADMINISTRATOR,
    EMAIL,
    MANAGEMENT,
    NOW,
    OTHER,
    a_configuration,
)


def a_request(
    *accounts: AccountId, email: str | None = None, mode: Mode | None = None
) -> OnboardingRequest:
    requested = tuple(RequestedAccount(a, email) for a in accounts or (ACCOUNT,))
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
    held: dict[AccountId, str] | None = None,
    regions: tuple[str, ...] = ("eu-west-1", "us-east-1"),
    scope: Scope | None = None,
) -> Plan:
    configuration = a_configuration(regions=regions, scope=scope or Scope())
    return make_plan(request, facts, configuration, held or {}, NOW)


def test_every_service_in_every_region_is_a_target_and_detective_waits_for_guardduty() -> None:
    planned = plan(a_request()).targets

    assert [t.target for t in planned] == [
        Target(service, region)
        for region in ("eu-west-1", "us-east-1")
        for service in (ServiceName.SECURITYHUB, ServiceName.GUARDDUTY, ServiceName.DETECTIVE)
    ]
    assert [t.waits_for for t in planned[:3]] == [None, None, ServiceName.GUARDDUTY]


def test_detective_waits_for_nothing_where_guardduty_is_not_planned() -> None:
    request = replace(a_request(), services=(ServiceName.DETECTIVE,), regions=("us-east-1",))

    assert [t.waits_for for t in plan(request).targets] == [None]


def test_an_account_of_the_organisation_is_enrolled_with_the_organisations_email() -> None:
    account = plan(a_request(email="other@example.com")).accounts[0]

    assert (account.mode, account.email) == (Mode.ORGANIZATION, EMAIL)


def test_an_account_outside_the_organisation_is_invited_with_the_email_given() -> None:
    account = plan(a_request(OTHER, email="owner@example.com")).accounts[0]

    assert (account.mode, account.email) == (Mode.INVITATION, "owner@example.com")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (a_request(ACCOUNT, OTHER), "accounts[1].email"),
        (a_request(mode=Mode.INVITATION), "mode"),
        (a_request(OTHER, email=EMAIL, mode=Mode.ORGANIZATION), "mode"),
    ],
)
def test_what_contradicts_the_facts_is_refused(request_: OnboardingRequest, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan(request_)

    assert refused.value.field == field


def reasons(planned: Plan) -> set[tuple[Outcome | None, str | None]]:
    return {(s.membership.outcome, s.membership.reason) for s in planned.settled}


def test_the_administrator_is_not_a_member_of_itself() -> None:
    planned = plan(a_request(ADMINISTRATOR))

    assert planned.targets == ()
    assert reasons(planned) == {
        (Outcome.SKIPPED, "the administrator account is not a member of itself")
    }


def test_one_account_left_out_leaves_the_others_in() -> None:
    planned = plan(a_request(ADMINISTRATOR, ACCOUNT))

    assert {t.left_out for t in planned.targets} == {(ADMINISTRATOR,)}


@pytest.mark.parametrize("state", ["SUSPENDED", "PENDING_CLOSURE", "CLOSED", "PENDING_ACTIVATION"])
def test_an_account_that_is_not_active_is_skipped(state: str) -> None:
    planned = plan(a_request(), replace(FACTS, directory={ACCOUNT: known(ACCOUNT, state)}))

    assert reasons(planned) == {(Outcome.SKIPPED, f"Organizations says the account is {state}")}


def test_an_account_another_onboarding_works_on_is_skipped() -> None:
    planned = plan(a_request(), held={ACCOUNT: "onboarding-0"})

    assert reasons(planned) == {
        (Outcome.SKIPPED, "onboarding onboarding-0 is at work on this account")
    }


def test_a_service_administered_by_another_account_fails_with_the_call_that_would_fix_it() -> None:
    delegated = {ServiceName.GUARDDUTY: False, ServiceName.SECURITYHUB: None}
    planned = plan(a_request(), replace(FACTS, delegated=delegated))

    assert {s.target.service for s in planned.settled} == {ServiceName.GUARDDUTY}
    ((outcome, reason), _) = sorted(reasons(planned), key=str)
    assert outcome is Outcome.FAILED
    assert "EnableOrganizationAdminAccount" in (reason or "")


def test_a_region_the_account_has_not_opted_into_is_skipped() -> None:
    facts = replace(FACTS, regions={ACCOUNT: frozenset({"eu-west-1", "ap-east-1"})})

    planned = plan(a_request(), facts, regions=("eu-west-1", "ap-east-1", "me-south-1"))

    assert {s.target.region for s in planned.settled} == {"me-south-1"}
    assert reasons(planned) == {(Outcome.SKIPPED, "the account has not opted in to me-south-1")}


def test_regions_that_cannot_be_looked_up_are_tried() -> None:
    planned = plan(a_request(), replace(FACTS, regions={ACCOUNT: None}), regions=("me-south-1",))

    assert not planned.settled
    assert planned.notes == (
        f"whether {ACCOUNT} has opted in to me-south-1 could not be looked up (account"
        " ListRegions): its enrolment there was tried",
    )


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

    assert planned.targets == ()
    ((outcome, reason),) = reasons(planned)
    assert outcome is Outcome.SKIPPED
    assert (reason or "").startswith("out of scope: the configuration ")


def test_an_account_outside_the_organisation_has_neither_path_nor_tags_to_go_by() -> None:
    request = a_request(OTHER, email=EMAIL)

    assert plan(request, scope=Scope(include_paths=("o-1/",))).targets
    assert not plan(request, scope=Scope(exclude_accounts=(OTHER,))).targets
