"""Plan Onboarding: read the input, find the accounts, decide mode and targets, claim."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.aws.ledger import HeldBy
from functions.enrolment.account import AccountState
from functions.enrolment.errors import AccountNotReady, Conflict, InvalidInput
from functions.enrolment.plan import Facts, make_plan
from functions.enrolment.records import OnboardingRecord
from functions.enrolment.regions import is_opt_in
from functions.intake.manual import MANUAL
from functions.intake.reader import read_request, source_of
from functions.services.registry import PRINCIPALS
from functions.steps.loop import LEASE_SECONDS
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId, OrganizationAccount
    from functions.enrolment.plan import Plan
    from functions.enrolment.request import OnboardingRequest
    from functions.steps.wiring import Wiring


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """``{"input", "onboarding_id", "started_at"}`` in, the plan out.

    ``verdict`` is ``enrol``, ``settled`` (there is nothing to enrol), ``duplicate`` (all accounts
    are another onboarding's) or ``refused`` (with ``error`` and ``cause``).
    """
    try:
        request = read_request(event["input"], wiring.configuration)
        facts = _find_facts(request, wiring)
        # Read again, now that it is known whose events count.
        read_request(event["input"], wiring.configuration, facts.management_id)
        # Planned once before anything is claimed, so that what is refused claims nothing.
        make_plan(request, facts, wiring.configuration, {}, wiring.now())
    except InvalidInput as refusal:
        return _refuse(event, refusal, wiring)
    return _begin(event, request, facts, wiring)


def _refuse(event: dict[str, Any], refusal: InvalidInput, wiring: Wiring) -> dict[str, Any]:
    """Keep the refusal; the input is kept with the execution."""
    now, cause = wiring.now(), str(refusal)
    source = source_of(event["input"])
    record = _record(event, source=source, automatic=source != MANUAL, lease_until=now)
    wiring.ledger.open(record)
    wiring.ledger.close(record.id, f"refused: {cause}", {}, now)
    return {"verdict": "refused", "error": type(refusal).__name__, "cause": cause}


def _find_facts(request: OnboardingRequest, wiring: Wiring) -> Facts:
    """Ask Organizations and, where a Region needs opting in, Account Management.

    Raises:
        AccountNotReady: an event brought an account Organizations does not know as active yet.
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
    request: OnboardingRequest, found: dict[AccountId, OrganizationAccount]
) -> None:
    for account in request.accounts:
        known = found.get(account.id)
        if known is None:
            raise AccountNotReady(f"Organizations does not know {account.id} (yet)")
        if known.state == AccountState.PENDING_ACTIVATION:
            raise AccountNotReady(f"Organizations says {account.id} is {known.state}")


def _begin(
    event: dict[str, Any], request: OnboardingRequest, facts: Facts, wiring: Wiring
) -> dict[str, Any]:
    """Open the onboarding's record, claim its accounts and note what ends before it begins.

    Raises:
        Conflict: an event is about some Regions of an account only, and another onboarding is at
            work on it that may have left them out.
    """
    now, ledger = wiring.now(), wiring.ledger
    record = _record(
        event,
        source=request.source,
        automatic=request.automatic,
        dry_run=request.dry_run,
        accounts=tuple(account.id for account in request.accounts),
        lease_until=now + LEASE_SECONDS,
    )
    ledger.open(record)
    held = {} if request.dry_run else _claim(record, request, now, wiring)
    if request.automatic and len(held) == len(record.accounts):
        holder = next(iter(held.values()))
        if request.regions is not None:
            raise Conflict(f"onboarding {holder} is at work on this account")
        outcome = f"duplicate of {holder}"
        ledger.close(record.id, outcome, {}, now)
        return {"verdict": "duplicate", "cause": outcome}
    plan = make_plan(request, facts, wiring.configuration, held, now)
    for target in {settled.target for settled in plan.settled}:
        ended = [s.membership for s in plan.settled if s.target == target]
        ledger.record(
            record.id,
            target,
            ended,
            now,
            # What is known of an account that is held is its holder's to tell.
            apart=lambda account_id: request.dry_run or account_id in held,
        )
    return _document(record, plan)


def _record(event: dict[str, Any], **values: Any) -> OnboardingRecord:
    started_at = datetime.fromisoformat(event["started_at"]).timestamp()
    nothing: dict[str, Any] = {"dry_run": False, "accounts": ()}
    return OnboardingRecord(id=event["onboarding_id"], started_at=started_at, **(nothing | values))


def _claim(
    record: OnboardingRecord, request: OnboardingRequest, now: float, wiring: Wiring
) -> dict[AccountId, str]:
    """Claim every account; returns which are held, and by which onboarding.

    A further event about an account that was enabled lately is a duplicate, unless it is about
    some Regions only: those may be new.
    """
    duplicates = request.automatic and request.regions is None
    window = now - wiring.configuration.timing.duplicate_window
    held = {}
    for account_id in record.accounts:
        claim = wiring.ledger.claim(
            account_id,
            record.id,
            now,
            record.lease_until,
            unless_enabled_since=window if duplicates else None,
        )
        if isinstance(claim, HeldBy):
            held[account_id] = claim.onboarding_id
    return held


def _document(record: OnboardingRecord, plan: Plan) -> dict[str, Any]:
    return {
        "verdict": "enrol" if plan.targets else "settled",
        "onboarding_id": record.id,
        "dry_run": record.dry_run,
        "accounts": [
            {"id": account.id, "email": account.email, "mode": str(account.mode)}
            for account in plan.accounts
        ],
        "targets": [
            {
                "service": str(planned.target.service),
                "region": planned.target.region,
                "left_out": list(planned.left_out),
                "waits_for": planned.waits_for,
            }
            for planned in plan.targets
        ],
        "notes": list(plan.notes),
    }
