"""Where every account stands: what the services say now, beside what the table remembers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from functions.enrolment.coverage import State, cells, coverage, strangers
from functions.enrolment.errors import InvalidInput
from functions.enrolment.reconcile import Disposition, Settings, decide_reconcile
from functions.enrolment.text import one_line, redact
from infra.cli.words import but_not

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from functions.aws.directory import Directory
    from functions.aws.ledger import Ledger
    from functions.aws.reconciles import Reconciles
    from functions.enrolment.account import AccountId, OrganizationAccount
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.coverage import Cell, Coverage, Survey
    from functions.enrolment.membership import Membership, MembershipKey, Observation
    from functions.enrolment.reason import Reason
    from functions.enrolment.reconcile import Gap
    from functions.enrolment.records import OnboardingRecord
    from functions.enrolment.target import Target

_LONGEST_NAME = 64
# What a reconcile that reports only does about every gap; it has no runs to pace.
_REPORTING = Settings(most_changes=0, rates=MappingProxyType({}), report_only=True)


class Condition(StrEnum):
    """A state, told apart by what the table remembers.

    ``ENABLED``, ``LEFT_OUT`` and ``UNREAD`` are the states. The others are gaps. ``IN_PROGRESS``: a
    run is working on it. ``DRIFT``: a run had ended it Enabled. ``FAILED``: no run is started for
    it, because a run would end it at once, or one has failed and nothing has changed since.
    ``GAP``: a run would act on it.
    """

    ENABLED = "enabled"
    GAP = "gap"
    IN_PROGRESS = "in progress"
    DRIFT = "drift"
    FAILED = "failed"
    LEFT_OUT = "left out"
    UNREAD = "unread"


_BY_STATE = {
    State.ENABLED: Condition.ENABLED,
    State.LEFT_OUT: Condition.LEFT_OUT,
    State.UNREAD: Condition.UNREAD,
}
_BY_DISPOSITION = {
    Disposition.RUN: Condition.GAP,
    Disposition.IN_PROGRESS: Condition.IN_PROGRESS,
    Disposition.HOPELESS: Condition.FAILED,
    Disposition.LATELY_TRIED: Condition.FAILED,
    Disposition.NOTHING: Condition.FAILED,
}


@dataclass(frozen=True, slots=True)
class Memory:
    """The table's rows of memberships, and the records of the runs that own those in progress."""

    rows: Mapping[MembershipKey, Membership] = field(default_factory=lambda: MappingProxyType({}))
    holders: Mapping[str, OnboardingRecord] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Line:
    """One account at one target.

    ``gap`` says what a reconcile would do about it, None if it is none. ``row`` is its row in the
    table, None if no run has taken it. ``enabled_at`` is set for drift: when a run had ended it
    Enabled (epoch seconds).
    """

    cell: Cell
    condition: Condition
    gap: Gap | None = None
    row: Membership | None = None
    enabled_at: float | None = None

    @property
    def reason(self) -> Reason | None:
        """Why it is not Enabled, as far as it is known."""
        return (self.gap.reason if self.gap else None) or self.cell.reason

    @property
    def since(self) -> float | None:
        """When the row's outcome or, without one, its last transition was recorded."""
        row = self.row
        if row is None:
            return None
        last = row.transitions[-1].at if row.transitions else row.taken_at
        return last if row.outcome is None else row.settled_at


@dataclass(frozen=True, slots=True)
class Report:
    """A survey at ``at`` (epoch seconds), and its ``lines`` by target and account.

    ``accounts`` are those selected, ``outside`` the members that are no accounts of the
    organisation, none if accounts are selected. ``remembers``: there is a table.
    """

    at: float
    survey: Survey
    accounts: tuple[OrganizationAccount, ...]
    lines: tuple[Line, ...]
    counted: Coverage
    outside: tuple[tuple[Target, Observation], ...]
    remembers: bool

    @property
    def gaps(self) -> Sequence[Line]:
        """The lines that are gaps."""
        return [line for line in self.lines if line.gap is not None]

    @property
    def conditions(self) -> Mapping[Condition, int]:
        """How many lines there are of each condition."""
        return Counter(line.condition for line in self.lines)


def read_memory(reconciles: Reconciles, ledger: Ledger) -> Memory:
    """What the table remembers; the rows are read before the runs, as ownership demands.

    Raises:
        RollcallError: DynamoDB refused a call.
    """
    rows = reconciles.memberships()
    return Memory(rows, ledger.holders(rows.values()))


def selected(
    directory: Mapping[AccountId, OrganizationAccount],
    ids: Iterable[str],
    units: Iterable[str],
) -> tuple[OrganizationAccount, ...]:
    """The accounts with these ids and below one of these units; all of them where none is named.

    Raises:
        InvalidInput: an account does not belong to the organisation, or a unit has no accounts.
    """
    wanted, below = frozenset(ids), tuple(units)
    for account in sorted(wanted - directory.keys()):
        raise InvalidInput("--account", f"takes accounts of the organisation, not {account}")
    for unit in below:
        if not any(account.is_in(unit) for account in directory.values()):
            raise InvalidInput(
                "--ou",
                "takes the id of an organisational unit with accounts, or the beginning of a path,"
                f" {but_not(unit, units_of(directory.values()))}",
            )
    return tuple(
        account
        for account in sorted(directory.values(), key=lambda each: each.id)
        if (not wanted or account.id in wanted)
        and (not below or any(account.is_in(unit) for unit in below))
    )


def units_of(accounts: Iterable[OrganizationAccount]) -> set[str]:
    """The ids of the roots and organisational units above the accounts."""
    parts = {part for account in accounts for part in account.unit.split("/")}
    return {part for part in parts if part.startswith(("r-", "ou-"))}


def make_report(
    survey: Survey,
    configuration: Configuration,
    memory: Memory | None,
    accounts: Sequence[OrganizationAccount],
    at: float,
) -> Report:
    """The report on ``accounts`` of a survey that began at ``at``; no memory: there is no table."""
    known = memory or Memory()
    outside = tuple(strangers(survey.facts, survey.listings))
    found = list(cells(survey.facts, survey.listings, configuration, at, rows=known.rows))
    plan = decide_reconcile(
        found, outside, survey.facts, known.rows, known.holders, _REPORTING, at, surveyed_at=at
    )
    gaps = {(gap.cell.account_id, gap.cell.target): gap for gap in plan.gaps}
    drift = {(each.cell.account_id, each.cell.target): each.enabled_at for each in plan.drift}
    wanted = {account.id for account in accounts}
    lines = []
    for cell in found:
        if cell.account_id in wanted:
            key = cell.account_id, cell.target
            gap, enabled_at = gaps.get(key), drift.get(key)
            condition = _condition(cell, gap, enabled_at)
            lines.append(Line(cell, condition, gap, known.rows.get(key), enabled_at))
    return Report(
        at,
        survey,
        tuple(accounts),
        tuple(lines),
        coverage(line.cell for line in lines),
        outside if len(accounts) == len(survey.facts.directory) else (),
        remembers=memory is not None,
    )


def unit_names(
    accounts: Iterable[OrganizationAccount], directory: Directory
) -> dict[str, str | None]:
    """The names of the organisational units above the accounts, by id; None for a name that is not
    known.

    One call for each unit, two a second (the quota of DescribeOrganizationalUnit).

    Raises:
        RollcallError: Organizations refused a call.
    """
    paths = {account.unit for account in accounts}
    ids = sorted({each for path in paths for each in path.split("/") if each.startswith("ou-")})
    names = {unit: directory.unit_name(unit) for unit in ids}
    return {
        unit: None if name is None else one_line(redact(name), _LONGEST_NAME)
        for unit, name in names.items()
    }


def name_of(account: OrganizationAccount) -> str:
    """An account's name in one short line, without e-mail addresses."""
    return one_line(redact(account.name), _LONGEST_NAME)


def _condition(cell: Cell, gap: Gap | None, enabled_at: float | None) -> Condition:
    if gap is None:
        return _BY_STATE[cell.state]
    if enabled_at is not None:
        return Condition.DRIFT
    return _BY_DISPOSITION[gap.disposition]
