"""A report for programs: one JSON document (docs/cli/status.schema.json), or CSV."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from functions.enrolment.times import iso
from infra.cli.report import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from functions.enrolment.membership import Membership
    from functions.enrolment.target import Target
    from infra.cli.report import Line, Report

VERSION = "1"
COLUMNS = (
    *("account_id", "name", "ou", "service", "region", "state", "status", "reason_code", "reason"),
    *("action", "outcome", "run", "since"),
)


def report_document(report: Report) -> dict[str, Any]:
    """The report; times are ISO 8601 in UTC. It contains no e-mail addresses."""
    return {
        "version": VERSION,
        "as_of": iso(report.at),
        "deployed": report.remembers,
        "accounts": len(report.survey.facts.directory),
        "targets": list(_targets(report)),
        "gaps": [_gap(line) for line in report.gaps],
        "outside": [
            {"account_id": seen.account_id, **_place(target), "status": seen.raw}
            for target, seen in report.outside
        ],
        "notes": list(report.survey.notes),
    }


def write_csv(report: Report, stream: TextIO, *, gaps: bool = False) -> None:
    """A head, and a row for every account at every target, or for every gap only."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    accounts = {account.id: account for account in report.accounts}
    for line in report.gaps if gaps else report.lines:
        cell, row, reason = line.cell, line.row, line.reason
        account = accounts[cell.account_id]
        writer.writerow(
            (
                cell.account_id,
                _as_text(name_of(account)),
                account.unit,
                cell.target.service.name,
                cell.target.region,
                line.condition,
                _as_text(cell.raw),
                reason.code if reason else "",
                _as_text(str(reason)) if reason else "",
                cell.action or "",
                row.outcome or "" if row else "",
                row.onboarding_id if row else "",
                "" if line.since is None else iso(line.since, "seconds"),
            )
        )


def _as_text(value: str) -> str:
    """A value that spreadsheets do not take for a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value


def _targets(report: Report) -> Iterator[dict[str, Any]]:
    for listing in report.survey.listings:
        problem = listing.problem
        yield {
            **_place(listing.target),
            "problem": str(problem) if problem else None,
            "problem_code": problem.code if problem else None,
            "states": report.counted.states.get(listing.target, {}),
            "reasons": report.counted.reasons.get(listing.target, {}),
        }


def _gap(line: Line) -> dict[str, Any]:
    cell, reason = line.cell, line.reason
    return {
        "account_id": cell.account_id,
        **_place(cell.target),
        "status": cell.raw,
        "condition": line.condition,
        "action": cell.action,
        "disposition": line.gap.disposition if line.gap else None,
        "automation": cell.automation.kind if cell.automation else None,
        "reason": str(reason) if reason else None,
        "reason_code": reason.code if reason else None,
        "was_enabled_at": None if line.enabled_at is None else iso(line.enabled_at),
        "remembered": _remembered(line.row, line.since),
    }


def _remembered(row: Membership | None, since: float | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "run": row.onboarding_id,
        "outcome": row.outcome,
        "status": row.raw,
        "since": None if since is None else iso(since),
    }


def _place(target: Target) -> dict[str, str]:
    return {"service": target.service.name, "region": target.region}
