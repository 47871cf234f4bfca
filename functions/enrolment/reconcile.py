"""Decides a reconcile: what is done about every gap of an organisation, and by which runs. Pure.

Whether a run would act on a gap is said by its cell, which rests on the rules of the runs. Here is
only what the table adds: who is working on it, and what was tried before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from functions.enrolment.account import MOST_ACCOUNTS, Mode
from functions.enrolment.automation import BY_POLICY
from functions.enrolment.coverage import Coverage, Listing, State, coverage, is_unchanged
from functions.enrolment.explain import waiting_for
from functions.enrolment.handover import Batch
from functions.enrolment.membership import ENABLED, UNSUCCESSFUL, Action, Status
from functions.enrolment.ownership import Claim, Standing, standing
from functions.enrolment.rate import begin_after
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.turn import is_slow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Timing
    from functions.enrolment.coverage import Cell
    from functions.enrolment.membership import Membership, MembershipKey, Observation
    from functions.enrolment.plan import Facts
    from functions.enrolment.rate import Rate
    from functions.enrolment.records import OnboardingRecord
    from functions.enrolment.target import Target

V = TypeVar("V")

# How long a membership that a run has failed to enrol, or has skipped, is left alone if nothing
# about it has changed.
LATELY_SECONDS = 6 * 3600
# How long runs have, beside their deadlines, to be closed.
_CLOSING_SECONDS = 900
# The state machine of reconciles has two days.
_LONGEST_AWAITING_SECONDS = 36 * 3600
# The most accounts of one target that are named among the members only in the services.
MOST_NAMED = 100

# A run would fail again until somebody outside Rollcall has changed something.
HOPELESS = frozenset(
    {
        ReasonCode.RESIGNED,
        ReasonCode.OTHER_ADMINISTRATOR,
        ReasonCode.DECLINED,
        ReasonCode.NOT_VERIFIED,
        ReasonCode.WRONG_EMAIL,
        ReasonCode.EMAIL_UNUSABLE,
        # To be removed by a person first, which changes the status.
        ReasonCode.REMOVED,
        ReasonCode.LEFT_HALF_WAY,
    }
)

# The run was stopped, or did not get the service's answer: the gap is as if it had not been tried.
UNFINISHED = frozenset({ReasonCode.RUN_ENDED, ReasonCode.STEP_FAILED, ReasonCode.UNAVAILABLE})


class Disposition(StrEnum):
    """What a reconcile does about a gap.

    ``RUN``: a run is to close it. ``IN_PROGRESS``: another run is working on it. ``HOPELESS``: a
    run failed for a reason that only people can remove, and nothing has changed since.
    ``LATELY_TRIED``: a run failed less than ``LATELY_SECONDS`` ago, but not because it was
    ``UNFINISHED``, and nothing has changed since. ``NOTHING``: a run would end it at once.
    """

    RUN = "run"
    IN_PROGRESS = "in progress"
    HOPELESS = "hopeless"
    LATELY_TRIED = "lately tried"
    NOTHING = "nothing"


class Verdict(StrEnum):
    """What follows from a survey.

    ``START``: runs. ``NOTHING``: no run would help. ``CONFIRM``: more accounts would be changed
    than a person has allowed. ``REPORT``: a report was all that was asked for.
    """

    START = "start"
    NOTHING = "nothing"
    CONFIRM = "confirm"
    REPORT = "report"


class Next(StrEnum):
    """``next`` of what the steps of a reconcile return: what the state machine goes by."""

    SURVEY = "survey"
    START = "start"
    WAIT = "wait"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a reconcile decides.

    ``most_changes``: the most accounts that may be created or invited. ``rates`` are those of every
    service by its name. ``retry_failed``: what would be hopeless or lately tried gets a run.
    ``report_only``: no runs.
    """

    most_changes: int
    rates: Mapping[str, Rate]
    retry_failed: bool = False
    report_only: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap and what is done about it.

    ``reason``: why no run is started for it. ``run`` is the run that is working on it, or whose
    failure the reason tells. ``until`` (epoch seconds) is given of what was lately tried: from then
    on a reconcile starts a run for it.
    """

    cell: Cell
    disposition: Disposition
    reason: Reason | None = None
    run: str | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """A membership that a run had ended Enabled at ``enabled_at`` and that is a gap now."""

    cell: Cell
    enabled_at: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A membership in progress that waits for people or slow work since ``since``.

    ``reason`` says what for, and whom to ask.
    """

    membership: Membership
    since: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Members that a service lists as Enabled and that no run has enrolled.

    ``accounts`` are the first ``MOST_NAMED`` of ``count``.
    """

    target: Target
    count: int
    accounts: tuple[AccountId, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """The accounts and targets of one run, which begins after ``begin_after`` seconds."""

    accounts: tuple[AccountId, ...]
    targets: tuple[Target, ...]
    begin_after: int


@dataclass(frozen=True, slots=True)
class ReconcilePlan:
    """What a survey found and what is done about it.

    ``before`` counts the cells. ``again`` are memberships that are left out because a run has
    skipped them, and that a run tries again: the cause may be gone without a service saying so.
    ``changes`` is how many accounts the runs would create or invite. ``shares`` are the runs, none
    unless the verdict is ``START``. ``only_in_table`` are memberships that a run had ended Enabled
    and that the service does not list any more, although nothing is to be enrolled there;
    ``outside`` are members that are no accounts of the organisation.
    """

    verdict: Verdict
    before: Coverage
    changes: int
    gaps: tuple[Gap, ...]
    again: tuple[Gap, ...]
    shares: tuple[Share, ...]
    drift: tuple[Drift, ...]
    waiting: tuple[Waiting, ...]
    only_in_table: tuple[Membership, ...]
    only_in_services: tuple[Unrecorded, ...]
    outside: tuple[tuple[Target, Observation], ...]


def awaiting_seconds(timing: Timing, last_begins_after: int) -> int:
    """How long a reconcile awaits its runs, of which the last begins so many seconds later."""
    runs = timing.organization_deadline + timing.hold + last_begins_after
    return min(runs + _CLOSING_SECONDS, _LONGEST_AWAITING_SECONDS)


def decide_reconcile(
    found: Sequence[Cell],
    outside: Iterable[tuple[Target, Observation]],
    facts: Facts,
    rows: Mapping[MembershipKey, Membership],
    holders: Mapping[str, OnboardingRecord],
    settings: Settings,
    now: float,
    *,
    surveyed_at: float,
) -> ReconcilePlan:
    """What to do about the gaps among the cells that were found.

    ``outside`` are the members that are not accounts of the organisation. ``rows`` are the rows of
    memberships that the cells were made with, ``holders`` the records of the runs that own those
    without an outcome, read after the rows. Changes after ``surveyed_at`` may be missing in the
    cells: what a run has enabled since is no drift. Targets are taken in the order of the cells.
    """
    strangers = tuple(outside)
    earlier = {
        key: row
        for key, row in rows.items()
        if row.settled_at is not None and row.settled_at <= surveyed_at
    }
    by_key = {(cell.account_id, cell.target): cell for cell in found}
    targets = tuple(dict.fromkeys(cell.target for cell in found))
    alone = [
        _gap(cell, rows.get((cell.account_id, cell.target)), holders, facts, settings, now)
        for cell in found
        if cell.state is State.GAP
    ]
    gaps = tuple(_with_the_service_before(alone, by_key))
    again = tuple(
        Gap(cell, Disposition.RUN)
        for cell in found
        if cell.state is State.LEFT_OUT and _is_tried_again(cell, by_key, rows, settings, now)
    )
    changing = {
        gap.cell.account_id
        for gap in (*gaps, *again)
        if gap.disposition is Disposition.RUN and may_create(gap.cell)
    }
    verdict = _verdict((*gaps, *again), len(changing), settings)
    return ReconcilePlan(
        verdict=verdict,
        before=coverage(found),
        changes=len(changing),
        gaps=gaps,
        again=again,
        shares=_shares((*gaps, *again), targets, settings) if verdict is Verdict.START else (),
        drift=tuple(_drift(gaps, earlier)),
        waiting=tuple(_waiting(by_key, targets, rows)),
        only_in_table=tuple(_only_in_table(by_key, strangers, earlier)),
        only_in_services=tuple(_only_in_services(found, rows)),
        outside=strangers,
    )


def batches(
    plan: ReconcilePlan,
    facts: Facts,
    listings: Iterable[Listing],
    *,
    reconcile_id: str,
    execution_arn: str,
    surveyed_at: float,
) -> Iterable[Batch]:
    """What the survey found about the accounts and targets of each share, for the run."""
    by_target = {listing.target: listing for listing in listings}
    for number, share in enumerate(plan.shares):
        yield Batch(
            reconcile_id=reconcile_id,
            number=number,
            surveyed_at=surveyed_at,
            execution_arn=execution_arn,
            facts=replace(
                facts,
                directory=_only(share.accounts, facts.directory),
                regions=_only(share.accounts, facts.regions),
                tags=_only(share.accounts, facts.tags),
            ),
            listings=tuple(
                replace(
                    by_target[target],
                    members=_only(share.accounts, by_target[target].members),
                    automations=_only(share.accounts, by_target[target].automations),
                )
                for target in share.targets
            ),
        )


def _gap(
    cell: Cell,
    row: Membership | None,
    holders: Mapping[str, OnboardingRecord],
    facts: Facts,
    settings: Settings,
    now: float,
) -> Gap:
    joined_at = facts.directory[cell.account_id].joined_at
    if row is not None:
        holder = holders.get(row.onboarding_id)
        if standing(row, holder, Claim("", now, Mode.ORGANIZATION), now) is Standing.IN_PROGRESS:
            why = waiting_for(row)
            return Gap(cell, Disposition.IN_PROGRESS, why, row.onboarding_id)
        if has_failed(row, cell, joined_at) and not settings.retry_failed:
            code = row.reason.code if row.reason is not None else None
            if code in HOPELESS:
                return Gap(cell, Disposition.HOPELESS, row.reason, row.onboarding_id)
            until = _left_alone_until(row)
            if now < until and code not in UNFINISHED and cell.action is not Action.STOP:
                lately = Disposition.LATELY_TRIED
                return Gap(cell, lately, row.reason, row.onboarding_id, until)
    if cell.action is Action.STOP:
        return Gap(cell, Disposition.NOTHING, cell.reason)
    return Gap(cell, Disposition.RUN)


def _with_the_service_before(
    gaps: Sequence[Gap], cells: Mapping[MembershipKey, Cell]
) -> Iterable[Gap]:
    """What failed for want of the service before it gets a run if that is Enabled or gets one."""
    ready = {key for key, cell in cells.items() if cell.state is State.ENABLED} | {
        (gap.cell.account_id, gap.cell.target) for gap in gaps if gap.disposition is Disposition.RUN
    }
    for gap in gaps:
        before = gap.cell.target.comes_after
        lately = gap.disposition is Disposition.LATELY_TRIED
        wanted = gap.reason is not None and gap.reason.code is ReasonCode.GUARDDUTY
        if lately and wanted and before and (gap.cell.account_id, before) in ready:
            yield Gap(gap.cell, Disposition.RUN)
        else:
            yield gap


def _is_tried_again(
    cell: Cell,
    cells: Mapping[MembershipKey, Cell],
    rows: Mapping[MembershipKey, Membership],
    settings: Settings,
    now: float,
) -> bool:
    """Whether a run tries a membership again that is left out: together with the one it follows."""
    if cell.action in (None, Action.STOP):
        return False
    before = cell.target.comes_after
    first = cells.get((cell.account_id, before)) if before is not None else None
    if first is not None and first.state is State.LEFT_OUT:
        return _is_tried_again(first, cells, rows, settings, now)
    row = rows.get((cell.account_id, cell.target))
    return settings.retry_failed or row is None or now >= _left_alone_until(row)


def _left_alone_until(row: Membership) -> float:
    return (row.settled_at or 0) + LATELY_SECONDS


def has_failed(row: Membership, cell: Cell, joined_at: float | None) -> bool:
    """Whether a run has ended the membership without success, and nothing has changed since."""
    return row.outcome in UNSUCCESSFUL and is_unchanged(row, cell, joined_at)


def may_create(cell: Cell) -> bool:
    """Whether a run would create or invite the account, now or after it waited for the service.

    A member that a configuration policy enables is never created.
    """
    by_policy = cell.automation is not None and cell.automation.kind in BY_POLICY
    return cell.action in (Action.CREATE, Action.INVITE) or (
        cell.action is Action.WAIT and not by_policy
    )


def _verdict(gaps: Iterable[Gap], changes: int, settings: Settings) -> Verdict:
    if settings.report_only:
        return Verdict.REPORT
    if all(gap.disposition is not Disposition.RUN for gap in gaps):
        return Verdict.NOTHING
    return Verdict.CONFIRM if changes > settings.most_changes else Verdict.START


def _shares(
    gaps: Iterable[Gap], targets: Iterable[Target], settings: Settings
) -> tuple[Share, ...]:
    """Accounts with the same targets are enrolled together, so that no run reads one in vain."""
    order = {target: number for number, target in enumerate(targets)}
    wanted: dict[AccountId, list[Target]] = {}
    for gap in gaps:
        if gap.disposition is Disposition.RUN:
            wanted.setdefault(gap.cell.account_id, []).append(gap.cell.target)
    groups: dict[tuple[Target, ...], list[AccountId]] = {}
    for account in sorted(wanted):
        theirs = tuple(sorted(wanted[account], key=order.__getitem__))
        groups.setdefault(theirs, []).append(account)
    rates = [settings.rates[each.service.name] for theirs in groups for each in theirs]
    chunks = [
        (tuple(accounts[start : start + MOST_ACCOUNTS]), theirs)
        for theirs, accounts in sorted(
            groups.items(), key=lambda group: [order[target] for target in group[0]]
        )
        for start in range(0, len(accounts), MOST_ACCOUNTS)
    ]
    return tuple(
        Share(accounts, theirs, begin_after(n, rates))
        for n, (accounts, theirs) in enumerate(chunks)
    )


def _drift(gaps: Iterable[Gap], rows: Mapping[MembershipKey, Membership]) -> Iterable[Drift]:
    for gap in gaps:
        row = rows.get((gap.cell.account_id, gap.cell.target))
        if row is not None and row.outcome in ENABLED and row.settled_at is not None:
            yield Drift(gap.cell, row.settled_at)


def _waiting(
    cells: Mapping[MembershipKey, Cell],
    targets: Iterable[Target],
    rows: Mapping[MembershipKey, Membership],
) -> Iterable[Waiting]:
    """The memberships that wait for people, unless the service lists them as Enabled by now."""
    read = frozenset(targets)
    for row in _sorted(row for row in rows.values() if row.outcome is None and is_slow(row)):
        cell = cells.get(row.key)
        enabled = cell is not None and cell.state is State.ENABLED
        if row.target in read and row.transitions and not enabled:
            yield Waiting(row, row.transitions[-1].at, waiting_for(row))


def _only_in_table(
    cells: Mapping[MembershipKey, Cell],
    outside: Iterable[tuple[Target, Observation]],
    rows: Mapping[MembershipKey, Membership],
) -> Iterable[Membership]:
    """Memberships that ended Enabled and are not listed, without those that are drift."""
    read = {cell.target for cell in cells.values() if cell.state is not State.UNREAD}
    listed = {(seen.account_id, target) for target, seen in outside}

    def is_missing(row: Membership) -> bool:
        cell = cells.get(row.key)
        if cell is None:
            return row.target in read and row.key not in listed
        return cell.state is State.LEFT_OUT and cell.raw == Status.ABSENT

    yield from _sorted(r for r in rows.values() if r.outcome in ENABLED and is_missing(r))


def _sorted(rows: Iterable[Membership]) -> list[Membership]:
    return sorted(rows, key=lambda row: (row.account_id, row.target))


def _only_in_services(
    found: Iterable[Cell], rows: Mapping[MembershipKey, Membership]
) -> Iterable[Unrecorded]:
    unrecorded: dict[Target, list[AccountId]] = {}
    for cell in found:
        if cell.state is State.ENABLED and (cell.account_id, cell.target) not in rows:
            unrecorded.setdefault(cell.target, []).append(cell.account_id)
    for target, accounts in unrecorded.items():
        yield Unrecorded(target, len(accounts), tuple(accounts[:MOST_NAMED]))


def _only(accounts: Iterable[AccountId], known: Mapping[AccountId, V]) -> dict[AccountId, V]:
    return {account: known[account] for account in accounts if account in known}
