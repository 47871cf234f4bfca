"""A report for people: the counts of every target, and one record for each gap."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.text import Text

from functions.enrolment.automation import Automatic
from functions.enrolment.membership import ENABLED, Action
from functions.enrolment.reconcile import Disposition
from functions.enrolment.times import iso
from infra.cli.report import Condition
from infra.cli.story import beneath, paragraph
from infra.cli.survey import number, remedies, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from functions.enrolment.coverage import Cell
    from functions.enrolment.target import Target
    from infra.cli.report import Line, Report

_OUTSIDE = "a member that is no account of the organisation"
_COLOURS = {
    Condition.GAP: "yellow",
    Condition.IN_PROGRESS: "cyan",
    Condition.DRIFT: "magenta",
    Condition.FAILED: "red",
}
_OF_GAPS = {
    Condition.IN_PROGRESS: "in progress",
    Condition.DRIFT: "drift",
    Condition.FAILED: "that no run would close",
}
_INSTEAD = {
    Disposition.IN_PROGRESS: "in progress",
    Disposition.HOPELESS: "no run is started for it",
    Disposition.LATELY_TRIED: "a run has failed lately",
}


def print_report(console: Console, report: Report, *, gaps: bool) -> None:
    """The counts and, if ``gaps``, every gap, every member outside the organisation, and how many
    memberships are left out for which reason.

    On a terminal a gap's text is wrapped under its first line; elsewhere a gap is one line.
    """

    def show(text: str | Text = "") -> None:
        console.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)

    show(f"{_accounts(report)}, as of {iso(report.at, 'seconds')}\n")
    for line in table(report.survey.listings, report.counted):
        show(line)
    if gaps and report.gaps:
        show()
        for gap in report.gaps:
            show(_record(console, gap))
    for target, seen in report.outside if gaps else ():
        show(f"{_place(seen.account_id, target)}  {seen.raw}  {_OUTSIDE}")
    show(f"\n{_summary(report)}{_hint(report, gaps=gaps)}")
    for text in _of_gaps(report):
        show(text)
    for text in _left_out(report) if gaps else ():
        show(text)
    width = console.width if console.is_terminal else None
    for text in remedies(report.survey.listings):
        show(paragraph(text, width, ""))
    for note in report.survey.notes:
        show(f"Note: {note}.")


def prospect(line: Line) -> str:
    """What a run would do about a gap, or why none is started for it."""
    gap = line.gap
    if gap is not None and gap.disposition in _INSTEAD:
        return f"{_INSTEAD[gap.disposition]}: {gap.reason}"
    cell = line.cell
    if cell.action is Action.STOP:
        return f"a run would end it: {cell.reason}"
    return f"a run would {cell.action}{_by_itself(cell)}"


def remembered(line: Line) -> str:
    """What the table says of the last run, "" if there was none."""
    row, since = line.row, line.since
    if row is None or since is None:
        return ""
    if row.outcome is None:
        return f"run {row.onboarding_id}, {row.raw or 'not read'} since {iso(since, 'seconds')}"
    word = "was Enabled" if row.outcome in ENABLED else str(row.outcome)
    return f"{word} at {iso(since, 'seconds')} (run {row.onboarding_id})"


def _record(console: Console, line: Line) -> Text:
    cell = line.cell
    head = f"{_place(cell.account_id, cell.target)}  {cell.raw}"
    said = "; ".join(filter(None, (remembered(line), prospect(line))))
    if not console.is_terminal:
        return Text(f"{head}  {said}")
    text = Text(f"{head}  ")
    text.append(line.condition, _COLOURS[line.condition])
    for part in beneath(said, console.width):
        text.append(f"\n{part}")
    return text


def _accounts(report: Report) -> str:
    known = number(len(report.survey.facts.directory), "account")
    chosen = len(report.accounts)
    return known if chosen == len(report.survey.facts.directory) else f"{chosen} of {known}"


def _by_itself(cell: Cell) -> str:
    known = cell.automation is not None and cell.automation.kind is not Automatic.NONE
    return f" ({cell.automation.said})" if known and cell.automation else ""


def _summary(report: Report) -> str:
    unread = sum(listing.problem is not None for listing in report.survey.listings)
    parts = [number(len(report.gaps), "gap"), f"{number(unread, 'target')} not read"]
    if report.outside:
        parts.append(f"{number(len(report.outside), 'member')} outside the organisation")
    return ", ".join(parts)


def _hint(report: Report, *, gaps: bool) -> str:
    return " (--gaps lists them)" if not gaps and (report.gaps or report.outside) else ""


def _of_gaps(report: Report) -> Iterator[str]:
    counts = report.conditions
    told = [f"{counts[each]} {words}" for each, words in _OF_GAPS.items() if counts.get(each)]
    if told and report.remembers:
        yield f"Of the gaps: {', '.join(told)}"


def _left_out(report: Report) -> Iterator[str]:
    lines = (line for line in report.lines if line.condition is Condition.LEFT_OUT)
    counts = Counter(line.reason.code for line in lines if line.reason is not None)
    if counts:
        yield f"Left out: {', '.join(f'{count} {code}' for code, count in counts.items())}"


def _place(account_id: str, target: Target) -> str:
    return f"{account_id}  {target.service.label}  {target.region}"
