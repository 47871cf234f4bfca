"""A report as the page's data: tables of what is told, and indexes into them.

Of 100,000 memberships few differ in more than account and Region. So every distinct text is once in
``strings``, every distinct set of facts once in ``details``, and a cell is the number of its
details. A Region's name in a text is replaced by ``REGION``, so that its details are shared among
Regions. Times are seconds after ``epoch``, which is in epoch seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.membership import ENABLED
from functions.enrolment.text import redact
from functions.enrolment.times import iso
from infra.cli.report import Condition, name_of
from infra.cli.report_text import prospect
from infra.cli.story import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from functions.enrolment.account import OrganizationAccount
    from functions.enrolment.coverage import Listing
    from functions.enrolment.membership import Membership
    from functions.enrolment.target import Target
    from infra.cli.history import History
    from infra.cli.report import Line, Report

VERSION = 1
REGION = "\x01"
CONDITIONS = tuple(Condition)
_ROOT = "Root"


class _Table:
    """Numbers things in the order in which they are first seen."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def number(self, thing: Any) -> int:
        return self._numbers.setdefault(thing, len(self._numbers))

    @property
    def things(self) -> list[Any]:
        return list(self._numbers)


def page_data(
    report: Report, totals: History, names: Mapping[str, str], title: str
) -> dict[str, Any]:
    """What ``page.js`` reads.

    ``names`` are those of organisational units by id, ``title`` is the deployment's name.

    ``units`` are paths, each with the names of its parts from the root on. A row of ``cells`` has
    the number of the details at each target. ``details`` are: condition, status, reason code,
    reason, what a run would do, run, outcome, since, transitions (status, time) and attempts
    (action, count, time, verdict, answer). Texts are numbers of ``strings``, 0 for none.
    """
    accounts = sorted(report.accounts, key=lambda each: (each.unit, each.id))
    listings = _by_service(report.survey.listings)
    targets = [listing.target for listing in listings]
    rows = {account.id: number for number, account in enumerate(accounts)}
    columns = {target: number for number, target in enumerate(targets)}
    cells = [[0] * len(targets) for _ in accounts]
    packer = _Packer(report.at)
    for line in report.lines:
        cell = line.cell
        cells[rows[cell.account_id]][columns[cell.target]] = packer.details_of(line)
    units = _Table()
    return {
        "version": VERSION,
        "title": title,
        "as_of": iso(report.at, "seconds"),
        "epoch": packer.epoch,
        "remembers": report.remembers,
        "in_organization": len(report.survey.facts.directory),
        "conditions": [str(each) for each in CONDITIONS],
        "services": [
            [service.name, service.label]
            for service in dict.fromkeys(target.service for target in targets)
        ],
        "targets": [[target.service.name, target.region] for target in targets],
        "problems": [redact(str(each.problem or "")) for each in listings],
        "accounts": [_account(account, units) for account in accounts],
        "units": [[path, _names(path, names)] for path in units.things],
        "cells": cells,
        "details": packer.details.things,
        "strings": packer.strings.things,
        "outside": _outside(report),
        "notes": [redact(note) for note in report.survey.notes],
        "history": _history(totals),
        "history_unread": totals.unread,
    }


class _Packer:
    """Collects the distinct texts and details of a report that was made at ``at``."""

    def __init__(self, at: float) -> None:
        self.epoch = int(at)
        self.strings, self.details = _Table(), _Table()
        self.strings.number("")

    def details_of(self, line: Line) -> int:
        cell, row, reason = line.cell, line.row, line.reason
        region = cell.target.region
        return self.details.number(
            (
                CONDITIONS.index(line.condition),
                self._text(cell.raw, region),
                self._text(reason.code if reason else "", region),
                self._text(str(reason or ""), region),
                self._text(prospect(line) if line.gap and not reason else "", region),
                self._text(row.onboarding_id if row else "", region),
                self._text(str(row.outcome or "") if row else "", region),
                self._time(line.since),
                *self._history(line.condition, row, region),
            )
        )

    def _history(
        self, condition: Condition, row: Membership | None, region: str
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Transitions and attempts; of what ended well the time in ``since`` says enough."""
        if row is None or (condition is Condition.ENABLED and row.outcome in ENABLED):
            return (), ()
        transitions = tuple(
            (self._text(t.status, region), self._time(t.at)) for t in row.transitions
        )
        attempts = tuple(
            (
                self._text(action, region),
                attempt.count,
                self._time(attempt.at),
                self._text(attempt.answer.verdict if attempt.answer else "no answer", region),
                self._text(attempt.answer.text if attempt.answer else "", region),
            )
            for action, attempt in row.attempts.items()
            if attempt.count
        )
        return transitions, attempts

    def _text(self, text: str, region: str) -> int:
        return self.strings.number(printable(text).replace(region, REGION))

    def _time(self, at: float | None) -> int | None:
        return None if at is None else round(at) - self.epoch


def _by_service(listings: Sequence[Listing]) -> list[Listing]:
    """The listings of each service together, otherwise in their order."""
    services = list(dict.fromkeys(each.target.service for each in listings))
    return sorted(listings, key=lambda each: services.index(each.target.service))


def _account(account: OrganizationAccount, units: _Table) -> list[Any]:
    return [account.id, name_of(account), units.number(account.unit)]


def _names(path: str, names: Mapping[str, str]) -> list[str]:
    """The names from the root on, in place of an unknown one its id."""
    _, *parts = path.rstrip("/").split("/")
    return [_ROOT if part.startswith("r-") else names.get(part, part) for part in parts]


def _outside(report: Report) -> list[list[str]]:
    return [[seen.account_id, *_place(target), redact(seen.raw)] for target, seen in report.outside]


def _place(target: Target) -> tuple[str, str]:
    return target.service.name, target.region


def _history(totals: History) -> dict[str, list[list[int]]]:
    """By service: time (epoch seconds), enabled, gaps."""

    def points(found: Iterable[Any]) -> list[list[int]]:
        return [[round(each.at), each.enabled, each.gaps] for each in found]

    return {service.name: points(found) for service, found in totals.totals.items()}
