"""Plans an onboarding: its accounts, modes and targets, and the memberships it does not enrol."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from functions.enrolment.account import Account, AccountId, AccountState, Mode, OrganizationAccount
from functions.enrolment.errors import InvalidInput
from functions.enrolment.explain import explain
from functions.enrolment.membership import Membership, Outcome
from functions.enrolment.reason import ReasonCode
from functions.enrolment.regions import is_opt_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from functions.enrolment.configuration import Configuration
    from functions.enrolment.request import OnboardingRequest
    from functions.enrolment.scope import Scope
    from functions.enrolment.service import Service
    from functions.enrolment.target import Target


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that a plan is based on.

    ``management_id`` is None if there is no organisation. ``directory`` holds the accounts that
    belong to it. ``delegated`` says whether this administrator is the delegated administrator of a
    service, None if unknown. ``regions`` holds the Regions enabled for an account, None if unknown;
    it is used for opt-in Regions only. ``tags`` are used only if the scope contains tags.
    """

    administrator_id: AccountId
    management_id: AccountId | None
    directory: Mapping[AccountId, OrganizationAccount]
    delegated: Mapping[Service, bool | None]
    regions: Mapping[AccountId, frozenset[str] | None]
    tags: Mapping[AccountId, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every account at every target, except the memberships that are ``settled`` from the start.

    ``notes`` say what could not be looked up, and what is done nevertheless, and which accounts of
    a reconcile have left the organisation since.
    """

    accounts: tuple[Account, ...]
    targets: tuple[Target, ...]
    settled: tuple[Membership, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def covered(self) -> tuple[Membership, ...]:
        """The memberships to enrol, without a status, ordered by account."""
        ended = {membership.key for membership in self.settled}
        return tuple(
            Membership(account.id, target, account.mode)
            for account in self.accounts
            for target in self.targets
            if (account.id, target) not in ended
        )


def make_plan(
    request: OnboardingRequest,
    facts: Facts,
    configuration: Configuration,
    now: float,
    wanted: Collection[Target] | None = None,
) -> Plan:
    """Plan an onboarding; of the requested targets at the ``wanted`` ones, if given.

    Raises:
        InvalidInput: an account outside the organisation has no e-mail address, the requested mode
            is not the one the facts give, or no requested service is configured in a requested
            Region.
    """
    accounts = tuple(_account(index, request, facts) for index in range(len(request.accounts)))
    services = request.services or configuration.services
    regions = request.regions or configuration.regions
    targets = tuple(
        target
        for target in configuration.targets
        if target.service in services and target.region in regions
        if wanted is None or target in wanted
    )
    if not targets and not request.automatic:
        raise InvalidInput("regions", "takes a Region in which a requested service is configured")
    settled = []
    for target in targets:
        for account in accounts:
            ended = not_enrolled(account, target, facts, configuration)
            if ended is not None:
                outcome, code, said = ended
                membership = Membership(account.id, target, account.mode)
                reason = explain(code, membership, said)
                settled.append(membership.settled(outcome, reason, now))
    plan = Plan(accounts, targets, tuple(settled))
    return replace(plan, notes=tuple(_notes(plan, facts)))


def waits_for(target: Target, targets: Collection[Target]) -> Service | None:
    """The service that a target waits for, if that service is planned in the Region too."""
    first = target.comes_after
    return first.service if first is not None and first in targets else None


def _account(index: int, request: OnboardingRequest, facts: Facts) -> Account:
    requested = request.accounts[index]
    expected = request.expected(requested)
    field = "mode" if requested.mode is None else f"accounts[{index}].mode"
    known = facts.directory.get(requested.id)
    if known is not None:
        if expected is Mode.INVITATION:
            raise InvalidInput(
                field,
                f"takes organization for {requested.id}: it belongs to the organisation, whose"
                " accounts are never invited",
            )
        regions_known = facts.regions.get(requested.id) is not None
        return Account(requested.id, known.email, Mode.ORGANIZATION, regions_known, known.joined_at)
    if expected is Mode.ORGANIZATION:
        raise InvalidInput(
            field, f"takes invitation for {requested.id}: it does not belong to the organisation"
        )
    if requested.email is None and requested.id != facts.administrator_id:
        raise InvalidInput(
            f"accounts[{index}].email",
            f"is required for {requested.id}: it does not belong to the organisation",
        )
    return Account(requested.id, requested.email, Mode.INVITATION)


def not_enrolled(
    account: Account, target: Target, facts: Facts, configuration: Configuration
) -> tuple[Outcome, ReasonCode, str] | None:
    """Outcome and reason if an account is not to be enrolled at a target."""
    if account.id == facts.administrator_id:
        return Outcome.SKIPPED, ReasonCode.ADMINISTRATOR, ""
    exclusion_reason = _out_of_scope(account, facts, configuration.scope)
    if exclusion_reason is not None:
        return Outcome.SKIPPED, ReasonCode.OUT_OF_SCOPE, exclusion_reason
    if not configuration.is_offered(target):
        return Outcome.SKIPPED, ReasonCode.NOT_OFFERED, ""
    known = facts.directory.get(account.id)
    not_active = None if known is None else why_not_active(known)
    if not_active is not None:
        return not_active
    if account.mode is Mode.ORGANIZATION and facts.delegated.get(target.service) is False:
        return Outcome.FAILED, ReasonCode.NOT_DELEGATED, facts.administrator_id
    enabled = facts.regions.get(account.id)
    if is_opt_in(target.region) and enabled is not None and target.region not in enabled:
        return Outcome.SKIPPED, ReasonCode.REGION_NOT_ENABLED, ""
    return None


def why_not_active(known: OrganizationAccount) -> tuple[Outcome, ReasonCode, str] | None:
    """Outcome and reason if an account of the organisation is not ACTIVE."""
    if known.state == AccountState.PENDING_ACTIVATION:
        return Outcome.FAILED, ReasonCode.ACCOUNT_PENDING, known.state
    if known.state != AccountState.ACTIVE:
        return Outcome.SKIPPED, ReasonCode.ACCOUNT_NOT_ACTIVE, known.state
    return None


def _out_of_scope(account: Account, facts: Facts, scope: Scope) -> str | None:
    known = facts.directory.get(account.id)
    if known is not None:
        return scope.exclusion_reason(account.id, known.path, facts.tags.get(account.id, {}))
    # An account outside the organisation has neither a path nor tags.
    excluded = account.id in scope.exclude_accounts
    return "the configuration excludes the account" if excluded else None


def _notes(plan: Plan, facts: Facts) -> Iterator[str]:
    tried: dict[AccountId, set[str]] = {}
    for membership in plan.covered:
        if is_opt_in(membership.target.region) and not facts.regions.get(membership.account_id):
            tried.setdefault(membership.account_id, set()).add(membership.target.region)
    for account_id, regions in tried.items():
        yield (
            f"whether {account_id} has opted in to {', '.join(sorted(regions))} could not be"
            " looked up (account ListRegions): its enrolment there was tried"
        )
