"""Start Runs: start one onboarding for every batch of a reconcile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.aws import archive, directory, executions, reconciles
from functions.aws.archive import survey_key
from functions.aws.directory import MOST_LISTED
from functions.enrolment.account import AccountId
from functions.enrolment.documents import run_from_json
from functions.enrolment.errors import ServiceRefused
from functions.enrolment.handover import onboarding_id
from functions.enrolment.plan import why_not_active
from functions.enrolment.reconcile import Next, awaiting_seconds
from functions.enrolment.reconcile_plan import with_left_out
from functions.steps.needs import Needs, actions_of
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.enrolment.account import OrganizationAccount
    from functions.steps.wiring import Wiring

FIRST_WAIT = 15

NEEDS = Needs(
    # Organizations is asked about each account.
    timeout=900,
    memory=1024,
    table=actions_of(reconciles.ACTIONS, "reconcile", "begin_runs"),
    organization=actions_of(directory.ACTIONS, "find", "accounts"),
    surveys=actions_of(archive.ACTIONS, "read", "persist"),
    starts=actions_of(executions.ACTIONS, "start"),
)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes ``{"input", "onboarding_id", "started_at", "execution_arn"}`` of the reconcile.

    Accounts that are no longer ACTIVE in the organisation are left out, which the plan says then,
    and batches without any other. Repeating the step starts nothing twice: executions have fixed
    names.

    Raises:
        ServiceRefused: the reconcile is closed, or has no plan.
    """
    run = run_from_json(event)
    record = wiring.reconciles.reconcile(run.onboarding_id)
    if record is None or record.closed_at is not None or record.surveyed_at is None:
        raise ServiceRefused(f"reconcile {run.onboarding_id} is closed or has no plan")
    plan = wiring.archive.read(survey_key(record.id, "plan")) or {}
    batches = plan["batches"]
    wanted = [AccountId(account) for batch in batches for account in batch["accounts"]]
    found = _found(wanted, plan["accounts"], wiring)
    active = {account: known for account, known in found.items() if why_not_active(known) is None}
    runs = {
        number: accounts
        for number, batch in enumerate(batches)
        if (accounts := [active[each] for each in batch["accounts"] if each in active])
    }
    left_out = {account: found.get(account) for account in wanted if account not in active}
    if left_out or "left_out" in plan:
        wiring.archive.persist(survey_key(record.id, "plan"), with_left_out(plan, left_out))
    if not runs:
        return {"next": Next.WAIT, "wait_seconds": 0, "runs": 0}
    now = wiring.now()
    last = max(batches[number]["begin_after"] for number in runs)
    allowed = awaiting_seconds(wiring.configuration.timing, last)
    # Stored first: a run that was started is awaited, whatever happens to this step.
    wiring.reconciles.begin_runs(record.id, list(runs), now, now + allowed)
    for number, accounts in runs.items():
        document = {
            "reconcile": {"id": record.id, "batch": number},
            "accounts": [{"id": each.id, "email": each.email} for each in accounts],
            "begin_after": batches[number]["begin_after"],
        }
        wiring.executions.start(
            wiring.settings.onboarding_machine, onboarding_id(record.id, number), document
        )
    return {"next": Next.WAIT, "wait_seconds": FIRST_WAIT, "runs": len(runs)}


def _found(
    wanted: list[AccountId], accounts: int, wiring: Wiring
) -> dict[AccountId, OrganizationAccount]:
    """The wanted accounts that are in the organisation, found with as few calls as possible.

    ``accounts`` is how many accounts the organisation had when it was surveyed.
    """
    directory, sought = wiring.directory, frozenset(wanted)
    by_list = len(wanted) > -(-accounts // MOST_LISTED)
    found = directory.accounts() if by_list else filter(None, map(directory.find, wanted))
    return {each.id: each for each in found if each.id in sought}
