"""Plan Onboarding: read the input, find the accounts, decide mode and targets, take memberships."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.aws import archive, directory, executions, ledger, ownership
from functions.aws.ownership import Taken, take
from functions.enrolment.account import AccountState, Mode
from functions.enrolment.documents import Planned, enrolment_document, run_from_json
from functions.enrolment.errors import (
    AccountNotReady,
    Conflict,
    RollcallError,
    ServiceRefused,
)
from functions.enrolment.ownership import LEASE_SECONDS, Claim
from functions.enrolment.plan import Facts, make_plan
from functions.enrolment.records import OnboardingRecord
from functions.enrolment.regions import is_opt_in
from functions.intake.events import require_publisher
from functions.intake.reader import read_request
from functions.steps.needs import Needs, actions_of
from functions.steps.reconciled import read_handover
from functions.steps.step import step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.account import AccountId, OrganizationAccount
    from functions.enrolment.documents import Run
    from functions.enrolment.handover import Batch
    from functions.enrolment.plan import Plan
    from functions.enrolment.request import OnboardingRequest
    from functions.steps.wiring import Wiring


NEEDS = Needs(
    # Organizations is asked about each account.
    timeout=300,
    table=(
        *actions_of(
            ledger.ACTIONS, "waiting_since", "open", "extend_lease", "persist_plan", "close"
        ),
        *actions_of(ownership.ACTIONS, "take"),
    ),
    organization=actions_of(
        directory.ACTIONS, "organization", "find", "is_delegated", "tags", "enabled_regions"
    ),
    executions=actions_of(executions.ACTIONS, "ended"),
    reconciles=actions_of(executions.ACTIONS, "ended"),
    surveys=actions_of(archive.ACTIONS, "read"),
)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes ``{"input", "onboarding_id", "started_at", "execution_arn"}``; returns the plan.

    ``verdict`` is ``enrol``, ``settled`` (there is nothing for this run to enrol) or ``duplicate``
    (every membership is another run's, or was enabled by one lately).
    """
    run = run_from_json(event)
    request = read_request(run.input, wiring.configuration)
    if request.batch is not None:
        return _begin_batch(run, request, read_handover(request.batch, wiring), wiring)
    facts = _find_facts(run, request, wiring)
    plan = make_plan(request, facts, wiring.configuration, wiring.now())
    return _begin(run, request, facts, plan, wiring)


def _begin_batch(
    run: Run, request: OnboardingRequest, batch: Batch, wiring: Wiring
) -> dict[str, Any]:
    """Begin a run that a reconcile started: with the survey's facts, as long as they are valid.

    An account that is no longer one of the organisation is left out: it must not be invited.
    """
    now, configuration = wiring.now(), wiring.configuration
    if batch.is_valid(now):
        facts = batch.facts_with({account.id: account.email for account in request.accounts})
    else:
        services = tuple(dict.fromkeys(target.service for target in batch.targets))
        regions = tuple(dict.fromkeys(target.region for target in batch.targets))
        asked = replace(request, services=services, regions=regions)
        facts = _find_facts(run, asked, wiring)
    inside = tuple(each for each in request.accounts if each.id in facts.directory)
    plan = make_plan(
        replace(request, accounts=inside), facts, configuration, now, wanted=batch.targets
    )
    gone = [each.id for each in request.accounts if each.id not in facts.directory]
    if gone:
        note = f"not enrolled, because they have left the organisation: {', '.join(gone)}"
        plan = replace(plan, notes=(*plan.notes, note))
    return _begin(run, request, facts, plan, wiring, batch)


def _find_facts(run: Run, request: OnboardingRequest, wiring: Wiring) -> Facts:
    """Ask Organizations and, where a Region needs opting in, Account Management.

    Raises:
        InvalidInput: an event comes from an account whose events start no runs.
        AccountNotReady: Organizations does not know an account that an event brought as active
            yet, or one that a person expects, or may expect, to belong to the organisation.
    """
    directory = wiring.directory
    organization = directory.organization()
    administrator = wiring.settings.administrator_id
    management = organization.management_account_id if organization else None
    require_publisher(request, management, administrator)
    found: dict[AccountId, OrganizationAccount] = {}
    for account in request.accounts if organization else ():
        known = directory.find(account.id)
        if known is not None:
            found[account.id] = known
    if request.batch is None and request.automatic:
        _refuse_too_early(request, found)
    elif request.batch is None and organization:
        _await_organizations(run, request, found, wiring)
    services = request.services or wiring.configuration.services
    asks = bool(found) and management != administrator
    regions = request.regions or wiring.configuration.regions
    looks = any(is_opt_in(region) for region in regions)
    return Facts(
        administrator_id=administrator,
        management_id=management,
        directory=found,
        delegated={
            record: directory.is_delegated(record.principal, administrator)
            for record in (wiring.services if asks else ())
            if record in services
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
            if wiring.configuration.scope.uses_tags
        },
    )


def _refuse_too_early(
    request: OnboardingRequest, found: Mapping[AccountId, OrganizationAccount]
) -> None:
    """An event's account is in the organisation, even if Organizations does not show it yet."""
    for account in request.accounts:
        known = found.get(account.id)
        if known is None:
            raise AccountNotReady(f"Organizations does not know {account.id} (yet)")
        if known.state == AccountState.PENDING_ACTIVATION:
            raise AccountNotReady(f"Organizations says {account.id} is {known.state}")


def _await_organizations(
    run: Run,
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
            since = wiring.ledger.waiting_since(run.onboarding_id, run.started_at, wiring.now())
            if wiring.now() >= since + wiring.configuration.timing.visibility:
                continue
        raise AccountNotReady(
            f"Organizations does not know {account.id} (yet):"
            ' mode "invitation" takes it as one outside'
        )


def _begin(
    run: Run,
    request: OnboardingRequest,
    facts: Facts,
    plan: Plan,
    wiring: Wiring,
    batch: Batch | None = None,
) -> dict[str, Any]:
    """Open the run's record, persist its plan, and take its memberships that are free.

    Raises:
        Conflict: a run that was stopped may yet finish what it had begun for some memberships.
    """
    now, ledger = wiring.now(), wiring.ledger
    record = ledger.open(_record(run, request, now))
    # A retried step may run late, or after the run has ended.
    until = now + LEASE_SECONDS
    if record.outcome is not None and record.outcome.startswith(Planned.DUPLICATE):
        return {"verdict": str(Planned.DUPLICATE), "cause": record.outcome}
    if record.lease_until < until and not ledger.extend_lease(record.id, until):
        raise ServiceRefused(f"onboarding {record.id} is closed: {record.outcome}")
    ledger.persist_plan(record, plan)
    if request.dry_run:
        enrolled = {membership.key for membership in plan.covered}
        return enrolment_document(record.id, plan, enrolled, dry_run=True)
    taken = _take(record, request, facts, plan, now, wiring, batch)
    if taken.ending:
        raise Conflict(f"onboarding {', '.join(sorted(taken.ending))} was stopped and may yet act")
    if request.automatic and taken.left and not taken.own:
        others = sorted({membership.onboarding_id for membership in taken.left.values()})
        outcome = f"{Planned.DUPLICATE} of {', '.join(others)}"
        ledger.close(record.id, outcome, {}, now)
        return {"verdict": str(Planned.DUPLICATE), "cause": outcome}
    resources = batch.resources if batch is not None else {}
    return enrolment_document(record.id, plan, taken.own, dry_run=False, resources=resources)


def _record(run: Run, request: OnboardingRequest, now: float) -> OnboardingRecord:
    """The record that a run begins with."""
    return OnboardingRecord(
        id=run.onboarding_id,
        source=request.source,
        automatic=request.automatic,
        dry_run=request.dry_run,
        accounts=tuple(account.id for account in request.accounts),
        started_at=run.started_at,
        lease_until=now + LEASE_SECONDS,
        execution_arn=run.execution_arn,
    )


def _take(
    record: OnboardingRecord,
    request: OnboardingRequest,
    facts: Facts,
    plan: Plan,
    now: float,
    wiring: Wiring,
    batch: Batch | None,
) -> Taken:
    """Take the memberships that are free.

    A further event about a membership that was enabled lately is a duplicate, unless it is about
    some Regions only: the account may have left and opted in to them again. So is a membership that
    was enabled after a survey found it not to be.
    """
    duplicates = request.automatic and request.regions is None
    window = now - wiring.configuration.timing.duplicate_window
    if batch is not None:
        window = batch.surveyed_at
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
        return _closed_if_ended(holder, wiring)

    if batch is None or not batch.is_valid(now):
        return take(wiring.ledger, plan.covered, claims, now, look=look)
    return take(wiring.ledger, plan.covered, claims, now, look=look, inform=batch.inform)


def _closed_if_ended(holder: OnboardingRecord, wiring: Wiring) -> OnboardingRecord:
    """Another run's record; closed if its execution has ended and its record is still open.

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
