"""Plan Onboarding: read the input, find the accounts, decide mode and targets, claim."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.aws.ledger import HeldBy
from functions.enrolment.account import AccountState
from functions.enrolment.errors import AccountNotReady, InvalidInput
from functions.enrolment.plan import Facts, make_plan
from functions.enrolment.records import OnboardingRecord
from functions.enrolment.regions import is_opt_in
from functions.intake.reader import read_request
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
        # Planned once before anything is claimed, so that what is refused leaves no trace.
        make_plan(request, facts, wiring.configuration, {}, wiring.now())
    except InvalidInput as refusal:
        cause = str(refusal)
        return {"verdict": "refused", "error": type(refusal).__name__, "cause": cause}
    return _begin(event["onboarding_id"], event["started_at"], request, facts, wiring)


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
    onboarding_id: str, started: str, request: OnboardingRequest, facts: Facts, wiring: Wiring
) -> dict[str, Any]:
    """Open the onboarding's record, claim its accounts and note what ends before it begins."""
    now, ledger = wiring.now(), wiring.ledger
    started_at = datetime.fromisoformat(started).timestamp()
    record = OnboardingRecord(
        id=onboarding_id,
        source=request.source,
        automatic=request.automatic,
        dry_run=request.dry_run,
        accounts=tuple(account.id for account in request.accounts),
        started_at=started_at,
        lease_until=now + LEASE_SECONDS,
    )
    ledger.open(record)
    held = {} if request.dry_run else _claim(record, now, wiring)
    if request.automatic and len(held) == len(record.accounts):
        outcome = f"duplicate of {next(iter(held.values()))}"
        ledger.close(onboarding_id, outcome, {}, now)
        return {"verdict": "duplicate", "cause": outcome}
    plan = make_plan(request, facts, wiring.configuration, held, now)
    for target in {settled.target for settled in plan.settled}:
        ended = [s.membership for s in plan.settled if s.target == target]
        ledger.record(onboarding_id, target, ended, now, dry_run=request.dry_run)
    return _document(record, plan)


def _claim(record: OnboardingRecord, now: float, wiring: Wiring) -> dict[AccountId, str]:
    """Claim every account; returns which are held, and by which onboarding."""
    window = now - wiring.configuration.timing.duplicate_window
    held = {}
    for account_id in record.accounts:
        claim = wiring.ledger.claim(
            account_id,
            record.id,
            now,
            record.lease_until,
            unless_enabled_since=window if record.automatic else None,
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
    }
