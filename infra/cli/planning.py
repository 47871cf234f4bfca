"""What runs would do about selected accounts, by the rules of the runs. Pure.

What a run would do first about a membership is said by its cell, and which accounts are planned in
which mode by ``make_plan``. For gaps, a reconcile decides. Here is only what is needed to show it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from functions.enrolment.account import MOST_ACCOUNTS, Mode
from functions.enrolment.automation import BY_POLICY
from functions.enrolment.configuration import MOST_CHANGES
from functions.enrolment.coverage import Cell, State, cells, strangers
from functions.enrolment.membership import Action
from functions.enrolment.ownership import Claim, Standing, standing
from functions.enrolment.plan import make_plan
from functions.enrolment.reconcile import (
    Disposition,
    Settings,
    decide_reconcile,
    has_failed,
    may_create,
)
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.times import duration
from functions.intake.manual import MANUAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from functions.enrolment.account import Account, AccountId
    from functions.enrolment.automation import Automation
    from functions.enrolment.configuration import Configuration, Timing
    from functions.enrolment.coverage import Listing, Survey
    from functions.enrolment.membership import Membership, MembershipKey
    from functions.enrolment.rate import Rate
    from functions.enrolment.reason import Reason
    from functions.enrolment.reconcile import Gap
    from functions.enrolment.records import OnboardingRecord
    from functions.enrolment.target import Target


class Prospect(StrEnum):
    """What is to be expected of a membership.

    ``CHANGE``: a run would work on it. ``ENABLED``: there is nothing to do. ``LEFT_OUT``: it is not
    to be enrolled. ``NO``: a run would end it at once, or a reconcile starts none for it.
    ``IN_PROGRESS``: another run is working on it. ``UNREAD``: the target could not be read.
    """

    CHANGE = "change"
    ENABLED = "enabled"
    LEFT_OUT = "left out"
    NO = "no"
    IN_PROGRESS = "in progress"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Planned:
    """One account at one target.

    ``status`` is in the service's own words, "" if unread. ``action`` is what a run would do first,
    given if the prospect is ``CHANGE``; then ``reason`` is why the last run failed, if it has and
    nothing has changed since. ``run`` is the run that is working on it, or whose failure the reason
    tells. ``until`` (epoch seconds): a reconcile leaves it alone so long, because a run failed
    lately. ``hopeless``: a reconcile leaves it alone until something about it changes.
    """

    account_id: AccountId
    mode: Mode
    target: Target
    prospect: Prospect
    status: str
    action: Action | None = None
    reason: Reason | None = None
    automation: Automation | None = None
    run: str | None = None
    until: float | None = None
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run: its accounts and targets, and how many seconds after the first it begins."""

    accounts: tuple[RequestedAccount, ...]
    targets: tuple[Target, ...]
    begin_after: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """What runs would do as of ``at`` (epoch seconds).

    ``accounts`` is the number of selected accounts. Of gaps, ``memberships`` has the gaps only, and
    what a run tries again that was skipped.
    ``changes`` is how many accounts the runs would create or invite.
    """

    at: float
    accounts: int
    memberships: tuple[Planned, ...]
    listings: tuple[Listing, ...]
    runs: tuple[PlannedRun, ...]
    changes: int
    notes: tuple[str, ...]
    is_of_gaps: bool = False

    @property
    def in_runs(self) -> int:
        """The number of accounts that the runs work on."""
        return len({account.id for run in self.runs for account in run.accounts})

    @property
    def at_work(self) -> tuple[str, ...]:
        """The runs that are working on memberships already."""
        in_progress = (m for m in self.memberships if m.prospect is Prospect.IN_PROGRESS)
        return tuple(sorted({each.run for each in in_progress if each.run}))

    @property
    def unread(self) -> tuple[Listing, ...]:
        """The targets that could not be read."""
        return tuple(listing for listing in self.listings if listing.problem is not None)


@dataclass(frozen=True, slots=True)
class Estimate:
    """About how many calls of the services the runs make, and how long they take, in seconds.

    ``at_least`` if every service responds at once, ``at_most`` until the last deadline.
    """

    calls: int
    at_least: int
    at_most: int


def outlook_of_named(
    accounts: Sequence[RequestedAccount],
    survey: Survey,
    rows: Mapping[MembershipKey, Membership],
    holders: Mapping[str, OnboardingRecord],
    configuration: Configuration,
    now: float,
) -> Outlook:
    """What runs by hand would do about these accounts at the targets of the survey.

    ``rows`` are the memberships of the table, ``holders`` the records of the runs they name.

    Raises:
        InvalidInput: a run would refuse the input.
    """
    facts, targets = survey.facts, [listing.target for listing in survey.listings]
    request = OnboardingRequest(tuple(accounts), source=MANUAL, automatic=False)
    plan = make_plan(request, facts, configuration, now, wanted=targets)
    modes = {account.id: account for account in plan.accounts}
    found = list(cells(facts, survey.listings, configuration, now, plan.accounts, rows))
    planned = tuple(
        _planned(
            cell, modes[cell.account_id], rows.get((cell.account_id, cell.target)), holders, now
        )
        for cell in found
    )
    working = {each.account_id for each in planned if each.prospect is Prospect.CHANGE}
    changing = {
        cell.account_id
        for cell, each in zip(found, planned, strict=True)
        if each.prospect is Prospect.CHANGE and may_create(cell)
    }
    wanted = [account for account in accounts if account.id in working]
    runs = tuple(
        PlannedRun(tuple(wanted[first : first + MOST_ACCOUNTS]), tuple(targets), 0)
        for first in range(0, len(wanted), MOST_ACCOUNTS)
    )
    waits = [
        f"Organizations does not know {account.id}: without the mode invitation a run waits"
        f" {duration(configuration.timing.visibility)} for it before it invites the account"
        for account in wanted
        if account.id not in facts.directory and account.mode is None
    ]
    notes = (*survey.notes, *plan.notes, *waits)
    return Outlook(now, len(accounts), planned, survey.listings, runs, len(changing), notes)


def outlook_of_gaps(
    survey: Survey,
    rows: Mapping[MembershipKey, Membership],
    holders: Mapping[str, OnboardingRecord],
    configuration: Configuration,
    rates: Mapping[str, Rate],
    now: float,
    *,
    retry_failed: bool = False,
) -> Outlook:
    """What a reconcile would do that is allowed as many changes as it needs.

    ``retry_failed`` as in its input.
    """
    facts, listings = survey.facts, survey.listings
    plan = decide_reconcile(
        list(cells(facts, listings, configuration, now, rows=rows)),
        strangers(facts, listings),
        facts,
        rows,
        holders,
        Settings(most_changes=MOST_CHANGES, rates=rates, retry_failed=retry_failed),
        now,
        surveyed_at=now,
    )
    runs = tuple(
        PlannedRun(
            tuple(RequestedAccount(account) for account in share.accounts),
            share.targets,
            share.begin_after,
        )
        for share in plan.shares
    )
    return Outlook(
        now,
        len(facts.directory),
        tuple(
            _planned_gap(
                gap,
                rows.get((gap.cell.account_id, gap.cell.target)),
                facts.directory[gap.cell.account_id].joined_at,
            )
            for gap in (*plan.gaps, *plan.again)
        ),
        listings,
        runs,
        plan.changes,
        survey.notes,
        is_of_gaps=True,
    )


def estimate(outlook: Outlook, configuration: Configuration) -> Estimate:
    """About what the runs cost; none if there are none."""
    by_key = {(each.account_id, each.target): each for each in outlook.memberships}
    calls, least, most = 0, 0, 0
    for run in outlook.runs:
        took: dict[Target, int] = {}
        for target in run.targets:
            found = (by_key.get((account.id, target)) for account in run.accounts)
            theirs = [each for each in found if each is not None]
            calls += _calls(theirs, target, is_surveyed=outlook.is_of_gaps)
            took[target] = _least(theirs, configuration.timing)
            most = max(most, run.begin_after + _most(theirs, target, configuration.timing))
        in_turn = (
            took[target] + took.get(target.comes_after or target, 0) * (target.comes_after in took)
            for target in run.targets
        )
        least = max(least, run.begin_after + max(in_turn, default=0))
    return Estimate(calls, least, most)


def _planned(
    cell: Cell,
    account: Account,
    row: Membership | None,
    holders: Mapping[str, OnboardingRecord],
    now: float,
) -> Planned:
    planned = Planned(
        cell.account_id,
        account.mode,
        cell.target,
        Prospect.CHANGE,
        cell.raw,
        reason=cell.reason,
        automation=cell.automation,
    )
    match cell.state:
        case State.ENABLED:
            return replace(planned, prospect=Prospect.ENABLED)
        case State.LEFT_OUT if cell.action is Action.STOP:
            return replace(planned, prospect=Prospect.LEFT_OUT)
        case State.UNREAD:
            return replace(planned, prospect=Prospect.UNREAD)
    claim = Claim("", now, account.mode, joined_at=account.joined_at)
    holder = holders.get(row.onboarding_id) if row else None
    if row is not None and standing(row, holder, claim, now) is Standing.IN_PROGRESS:
        return replace(planned, prospect=Prospect.IN_PROGRESS, reason=None, run=row.onboarding_id)
    if cell.action is Action.STOP:
        return replace(planned, prospect=Prospect.NO)
    wanted = replace(planned, action=cell.action, reason=None)
    return _with_last_failure(wanted, cell, row, account.joined_at)


def _planned_gap(gap: Gap, row: Membership | None, joined_at: float | None) -> Planned:
    prospects = {
        Disposition.RUN: Prospect.CHANGE,
        Disposition.IN_PROGRESS: Prospect.IN_PROGRESS,
    }
    prospect = prospects.get(gap.disposition, Prospect.NO)
    planned = Planned(
        gap.cell.account_id,
        Mode.ORGANIZATION,
        gap.cell.target,
        prospect,
        gap.cell.raw,
        reason=gap.reason,
        automation=gap.cell.automation,
        run=gap.run,
        until=gap.until,
        hopeless=gap.disposition is Disposition.HOPELESS,
    )
    if prospect is not Prospect.CHANGE:
        return planned
    return _with_last_failure(replace(planned, action=gap.cell.action), gap.cell, row, joined_at)


def _with_last_failure(
    planned: Planned, cell: Cell, row: Membership | None, joined_at: float | None
) -> Planned:
    """With why the last run failed, if nothing has changed since: a new run may fail again."""
    if row is None or not has_failed(row, cell, joined_at):
        return planned
    return replace(planned, reason=row.reason, run=row.onboarding_id)


def _calls(memberships: Iterable[Planned], target: Target, *, is_surveyed: bool) -> int:
    """The calls of one run at one target, where every call has the effect that is expected.

    A first reading, which for accounts of the organisation comes with what the service does by
    itself; each action once; a reading that verifies it. A run that a reconcile starts has the
    first reading from the survey.
    """
    read = [each for each in memberships if each.prospect in (Prospect.CHANGE, Prospect.ENABLED)]
    working = [each for each in read if each.prospect is Prospect.CHANGE]
    if not working:
        return 1 if read and not is_surveyed else 0
    automatic = any(each.mode is Mode.ORGANIZATION for each in working)
    actions = {each.action for each in working} - {Action.WAIT, Action.ACCEPT}
    invites = not target.service.create_invites and any(
        each.mode is Mode.INVITATION and each.action is Action.CREATE for each in working
    )
    first = 0 if is_surveyed else 1 + automatic
    return first + len(actions | ({Action.INVITE} if invites else set())) + 1 + invites


def _least(memberships: Iterable[Planned], timing: Timing) -> int:
    """The seconds until the reading that verifies the first action."""
    working = [each for each in memberships if each.prospect is Prospect.CHANGE]
    return timing.first_wait if working else 0


def _most(memberships: Iterable[Planned], target: Target, timing: Timing) -> int:
    """The seconds until the last deadline of one target."""
    working = [each for each in memberships if each.prospect is Prospect.CHANGE]
    longest = max((_deadline(each, timing) for each in working), default=0)
    if longest and target.comes_after is not None:
        longest += timing.hold + timing.volume_deadline
    return longest


def _deadline(planned: Planned, timing: Timing) -> int:
    if planned.mode is Mode.INVITATION:
        return timing.invitation_deadline
    by_policy = planned.automation is not None and planned.automation.kind in BY_POLICY
    inside = timing.organization_deadline
    return max(inside, timing.policy_deadline) if by_policy else inside
