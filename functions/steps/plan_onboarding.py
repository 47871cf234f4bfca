"""Plan Onboarding: read the input, find the accounts, decide mode and targets, take memberships."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.aws.ownership import Taken, take
from functions.enrolment.account import AccountState, Mode
from functions.enrolment.documents import enrolment_document
from functions.enrolment.errors import (
    AccountNotReady,
    Conflict,
    RollcallError,
    ServiceRefused,
)
from functions.enrolment.ownership import LEASE_SECONDS, Claim
from functions.enrolment.plan import Facts, make_plan
from functions.enrolment.records import OnboardingRecord, epoch_seconds
from functions.enrolment.regions import is_opt_in
from functions.intake.reader import read_request
from functions.services.registry import PRINCIPALS
from functions.steps.step import step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.account import AccountId, OrganizationAccount
    from functions.enrolment.plan import Plan
    from functions.enrolment.request import OnboardingRequest
    from functions.steps.wiring import Wiring

_DUPLICATE = "duplicate"


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """``{"input", "onboarding_id", "started_at", "execution_arn"}`` in, the plan out.

    ``verdict`` is ``enrol``, ``settled`` (there is nothing for this run to enrol) or ``duplicate``
    (every membership is another run's, or was enabled by one lately).
    """
    request = read_request(event["input"], wiring.configuration)
    facts = _find_facts(event, request, wiring)
    # Read again, now that it is known whose events count.
    read_request(event["input"], wiring.configuration, facts.management_id)
    plan = make_plan(request, facts, wiring.configuration, wiring.now())
    return _begin(event, request, facts, plan, wiring)


def _find_facts(event: dict[str, Any], request: OnboardingRequest, wiring: Wiring) -> Facts:
    """Ask Organizations and, where a Region needs opting in, Account Management.

    Raises:
        AccountNotReady: Organizations does not know an account that an event brought as active
            yet, or one that a person expects, or may expect, to belong to the organisation.
    """
    directory = wiring.directory
    organization = directory.organization()
    administrator = wiring.settings.administrator_id
    found: dict[AccountId, OrganizationAccount] = {}
    for account in request.accounts if organization else ():
        known = directory.find(account.id)
        if known is not None:
            found[account.id] = known
    if request.automatic:
        _refuse_too_early(request, found)
    elif organization:
        _await_organizations(event, request, found, wiring)
    management = organization.management_account_id if organization else None
    services = request.services or wiring.configuration.services
    asks = bool(found) and management != administrator
    regions = request.regions or wiring.configuration.regions
    looks = any(is_opt_in(region) for region in regions)
    return Facts(
        administrator_id=administrator,
        management_id=management,
        directory=found,
        delegated={
            service: directory.is_delegated(PRINCIPALS[service], administrator)
            for service in (services if asks else ())
        },
        regions={
            # Account Management refuses the caller's own id (botocore, ListRegions).
            account: directory.enabled_regions(account)
            for account in found
            if looks and account != administrator
        },
        tags={
            account: directory.tags(account)
            for account in found
            if wiring.configuration.scope.looks_at_tags
        },
    )


def _refuse_too_early(
    request: OnboardingRequest, found: Mapping[AccountId, OrganizationAccount]
) -> None:
    """An event's account belongs to the organisation, whatever Organizations shows yet."""
    for account in request.accounts:
        known = found.get(account.id)
        if known is None:
            raise AccountNotReady(f"Organizations does not know {account.id} (yet)")
        if known.state == AccountState.PENDING_ACTIVATION:
            raise AccountNotReady(f"Organizations says {account.id} is {known.state}")


def _await_organizations(
    event: dict[str, Any],
    request: OnboardingRequest,
    found: Mapping[AccountId, OrganizationAccount],
    wiring: Wiring,
) -> None:
    """An account that a person names and Organizations does not show may be new: as long as a
    person says that it belongs to the organisation, or for a while where nobody says.
    """
    unknown = [account for account in request.accounts if account.id not in found]
    known = [account for account in request.accounts if account.id in found]
    no_email = any(request.expected(a) is None and a.email is None for a in unknown)
    if no_email or any(request.expected(a) is Mode.INVITATION for a in known):
        return  # is refused whatever Organizations shows later
    for account in unknown:
        expected = request.expected(account)
        if expected is Mode.INVITATION:
            continue
        if expected is None:
            since = wiring.ledger.began_waiting(
                event["onboarding_id"], epoch_seconds(event["started_at"]), wiring.now()
            )
            if wiring.now() >= since + wiring.configuration.timing.visibility:
                continue
        raise AccountNotReady(
            f"Organizations does not know {account.id} (yet):"
            ' mode "invitation" takes it as one outside'
        )


def _begin(
    event: dict[str, Any], request: OnboardingRequest, facts: Facts, plan: Plan, wiring: Wiring
) -> dict[str, Any]:
    """Open the run's record, keep its plan, and take what is free of what it covers.

    Raises:
        Conflict: a run that was stopped may yet finish what it had begun for some memberships.
    """
    now, ledger = wiring.now(), wiring.ledger
    record = ledger.open(_record(event, request, now))
    # A step that is taken again may come late, or after all is done.
    until = now + LEASE_SECONDS
    if record.outcome is not None and record.outcome.startswith(_DUPLICATE):
        return {"verdict": "duplicate", "cause": record.outcome}
    if record.lease_until < until and not ledger.extend_lease(record.id, until):
        raise ServiceRefused(f"onboarding {record.id} is closed: {record.outcome}")
    ledger.keep_plan(record, plan)
    if request.dry_run:
        enrolled = {membership.key for membership in plan.covered}
        return enrolment_document(record.id, plan, enrolled, dry_run=True)
    taken = _take(record, request, facts, plan, now, wiring)
    if taken.ending:
        raise Conflict(f"onboarding {', '.join(sorted(taken.ending))} was stopped and may yet act")
    if request.automatic and taken.left and not taken.own:
        others = sorted({membership.onboarding_id for membership in taken.left.values()})
        outcome = f"{_DUPLICATE} of {', '.join(others)}"
        ledger.close(record.id, outcome, {}, now)
        return {"verdict": "duplicate", "cause": outcome}
    return enrolment_document(record.id, plan, taken.own, dry_run=False)


def _record(event: dict[str, Any], request: OnboardingRequest, now: float) -> OnboardingRecord:
    """The record that a run begins with."""
    return OnboardingRecord(
        id=event["onboarding_id"],
        source=request.source,
        automatic=request.automatic,
        dry_run=request.dry_run,
        accounts=tuple(account.id for account in request.accounts),
        started_at=epoch_seconds(event["started_at"]),
        lease_until=now + LEASE_SECONDS,
        execution_arn=event.get("execution_arn", ""),
    )


def _take(
    record: OnboardingRecord,
    request: OnboardingRequest,
    facts: Facts,
    plan: Plan,
    now: float,
    wiring: Wiring,
) -> Taken:
    """Take what is free.

    A further event about a membership that was enabled lately is a duplicate, unless it is about
    some Regions only: the account may have left and opted in to them again.
    """
    duplicates = request.automatic and request.regions is None
    window = now - wiring.configuration.timing.duplicate_window
    claims = {}
    for account in plan.accounts:
        known = facts.directory.get(account.id)
        claims[account.id] = Claim(
            onboarding_id=record.id,
            started_at=record.started_at,
            mode=account.mode,
            enabled_since=window if duplicates else None,
            joined_at=known.joined_at if known else None,
        )

    def look(holder: OnboardingRecord) -> OnboardingRecord:
        return _as_its_execution_tells(holder, wiring)

    return take(wiring.ledger, plan.covered, claims, now, look=look)


def _as_its_execution_tells(holder: OnboardingRecord, wiring: Wiring) -> OnboardingRecord:
    """Another run's record, as closed where its execution has ended and nobody closed it yet.

    Step Functions' event about the end closes it, too, but is best effort.
    """
    if holder.closed_at is not None or not holder.execution_arn:
        return holder
    try:
        ended = wiring.executions.ended(holder.execution_arn)
    except RollcallError:
        return holder  # its lease ends by itself
    if ended is None:
        return holder
    still = min(holder.lease_until, ended.at + LEASE_SECONDS) if ended.stopped else ended.at
    return replace(holder, closed_at=ended.at, lease_until=still)
