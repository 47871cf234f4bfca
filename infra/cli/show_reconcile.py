"""One reconcile whole: as a document, and for people."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rich.text import Text

from functions.aws.archive import reconcile_key, survey_key, uri_of
from functions.enrolment.errors import RollcallError
from functions.enrolment.reconcile import Verdict
from functions.enrolment.reconcile_result import NOT_BEGUN, reconcile_document
from functions.enrolment.stored import one_of, optional, reading
from functions.enrolment.times import iso
from functions.steps.publish_reconcile import reconciled
from functions.steps.publishing import unpublished
from infra.cli.begun import COLOURS, Begun, State, begun_reconcile, begun_run
from infra.cli.failures import print_unread
from infra.cli.show_run import execution_document, head, published_ids
from infra.cli.stored_result import check_result, read_result
from infra.cli.story import paragraph, printable
from infra.cli.survey import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from functions.aws.executions import Execution
    from functions.enrolment.reconcile_record import ReconcileRecord
    from functions.enrolment.reconcile_result import Reconciled
    from functions.steps.wiring import Wiring

# What of a result is of single accounts.
_OF_ACCOUNTS = ("drift", "waiting", "gaps", "outside", "only_in_table")


@dataclass(frozen=True)
class ShownReconcile:
    """A reconcile at the time ``now`` (epoch seconds).

    ``result`` is as published (docs/reconcile.schema.json), or as it would be now if the reconcile
    has not ended; None if there is none. ``verdict`` is that of its plan, None if that is unknown.
    ``runs`` are those that it started and whose records are kept.
    """

    record: ReconcileRecord
    execution: Execution | None
    bucket: str
    now: float
    verdict: str | None = None
    result: Mapping[str, Any] | None = None
    runs: tuple[Begun, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[str] = frozenset()

    def label(self, entry: Mapping[str, Any]) -> str:
        """The display name of the service that an entry names."""
        return self.labels.get(entry["service"], entry["service"])

    @property
    def begun(self) -> Begun:
        """How it ended; by its execution as long as nothing is recorded."""
        found = begun_reconcile(self.record)
        ended = self.execution is not None and self.execution.ended_at is not None
        if found.outcome is None and ended:
            return replace(found, state=State.INTERRUPTED)
        return found

    @property
    def complete_document(self) -> str | None:
        """Where its complete result is, once that is published."""
        if not self.record.published:
            return None
        return uri_of(self.bucket, reconcile_key(self.record.id, "result"))


def read_reconcile(
    record: ReconcileRecord, execution: Execution | None, only: frozenset[str], wiring: Wiring
) -> ShownReconcile:
    """A reconcile with its plan, its result and its runs.

    Raises:
        RollcallError: as the table does.
    """
    begun = begun_reconcile(record)
    found = wiring.ledger.onboardings(begun.runs)
    now = wiring.now()
    shown = ShownReconcile(
        record,
        execution,
        wiring.settings.results_bucket,
        now,
        runs=tuple(begun_run(found[each], now) for each in begun.runs if each in found),
        labels={service.name: service.label for service in wiring.services},
        only=only,
    )
    if record.closed_at is not None:
        return replace(
            shown,
            verdict=_verdict(record, wiring) if record.surveyed_at else None,
            result=_result(record, wiring) if record.published else None,
        )
    live = reconciled(record, None, wiring, last=True)
    for note in live.notes:
        print_unread("show", note)
    if live.plan is None:
        return shown
    return replace(shown, verdict=live.plan["verdict"], result=_result_so_far(live))


def _verdict(record: ReconcileRecord, wiring: Wiring) -> str | None:
    """The verdict of the plan; None if there is no plan any more, or it cannot be read."""
    key = survey_key(record.id, "plan")
    try:
        plan = wiring.archive.read(key) or {}
        with reading(key):
            return optional(plan, "verdict", one_of(Verdict), None)
    except RollcallError as error:
        print_unread("show", error)
        return None


def _result(record: ReconcileRecord, wiring: Wiring) -> dict[str, Any] | None:
    """The stored result; None if there is none any more, or it cannot be read."""
    try:
        # Whoever may write to the bucket may have put any text in it.
        found: dict[str, Any] | None = printable(
            read_result(wiring.archive, reconcile_key(record.id, "result"))
        )
        return found
    except (RollcallError, RecursionError) as error:
        print_unread("show", error)
        return None


def _result_so_far(live: Reconciled) -> dict[str, Any] | None:
    """What the result would be now; None if it repeats what cannot be read in the plan."""
    document = reconcile_document(live)
    try:
        check_result(document, survey_key(live.record.id, "plan"))
        found: dict[str, Any] = printable(document)
        return found
    except (RollcallError, RecursionError) as error:
        print_unread("show", error)
        return None


def reconcile_shown(shown: ShownReconcile) -> dict[str, Any]:
    """The reconcile for programs (docs/cli/show.schema.json)."""
    record = shown.record
    return {
        "version": "1",
        "as_of": iso(shown.now),
        **shown.begun.to_json(shown.now),
        "verdict": shown.verdict,
        "result": _only(shown),
        "started_runs": [run.to_json(shown.now) for run in shown.runs],
        "published": published_ids(record.published),
        "unpublished": unpublished(record.unfinished),
        "complete_document": shown.complete_document,
        "execution": execution_document(record.execution_arn, shown.execution),
    }


def _only(shown: ShownReconcile) -> dict[str, Any] | None:
    """The result, of the accounts to show."""
    if shown.result is None:
        return None
    result = dict(shown.result)
    if shown.only:
        for name in _OF_ACCOUNTS:
            result[name] = [each for each in result[name] if each["account_id"] in shown.only]
    return result


def reconcile_shown_text(shown: ShownReconcile, width: int | None) -> Iterator[Text]:
    """The reconcile for people; ``width`` is that of the terminal, None elsewhere."""
    begun, document = shown.begun, reconcile_shown(shown)
    yield Text(f"Reconcile {begun.id}: {begun.ending(shown.now)}", "bold")
    lines = list(head(begun, document, shown.now))
    until = shown.record.await_until
    if begun.state is State.RUNNING and until is not None:
        lines.append(f"It waits for its runs until {iso(until, 'seconds')} at the latest")
    result = document["result"]
    if shown.verdict is not None:
        lines.append(f"Verdict: {shown.verdict}{_changes(result)}")
    if begun.left_to is not None:
        lines.append(
            f"It started nothing, because reconcile {begun.left_to} was running (rollcall show"
            f" {begun.left_to})"
        )
    elif result is None:
        known = "Its result could not be read" if shown.record.published else "It has no result"
        lines.append(f"{known}.")
    else:
        lines += [f"Failure: {result['failure']}"] if result["failure"] else []
        lines += [f"Note: {note}." for note in result["notes"]]
    yield from (Text(paragraph(line, width)) for line in lines)
    if result is None:
        return
    for title, entries in _sections(shown, result).items():
        if entries:
            yield Text(f"\n{title}" if width is not None else title)
            yield from (_indented(entry, width) for entry in entries)


def _changes(result: Mapping[str, Any] | None) -> str:
    changes = (result or {}).get("changes")
    if changes is None:
        return ""
    return (
        f" ({number(changes['needed'], 'account')} to create or invite, at most"
        f" {changes['most_changes']} allowed)"
    )


def _sections(shown: ShownReconcile, result: Mapping[str, Any]) -> dict[str, Sequence[str | Text]]:
    def where(entry: Mapping[str, Any]) -> str:
        return f"{shown.label(entry)}  {entry['region']}"

    gaps = [
        f"{each['account_id']}  {where(each)}  {each['status']}: {each['reason'] or each['action']}"
        for each in result["gaps"]
    ]
    return {
        "Targets, with the counts before and after:": list(_targets(shown, result["targets"])),
        "Runs it started:": list(_runs(shown)),
        "Were enabled, and were found changed:": [
            f"{each['account_id']}  {where(each)}  {each['status']}, enabled at"
            f" {each['enabled_at']}: {each['outcome'] or 'not enabled again yet'}"
            for each in result["drift"]
        ],
        "Gaps that are left:": gaps if shown.only else list(_gaps(shown, result["gaps_left"])),
        "Waiting:": [
            f"{each['account_id']}  {where(each)}  since {each['since']}: {each['reason']}"
            for each in result["waiting"]
        ],
    }


def _targets(shown: ShownReconcile, targets: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """A head, and a line for each target."""
    label = max((len(shown.label(each)) for each in targets), default=0)
    row = f"{{:<{label}}}  {{:<14}}  {{:>13}}  {{:>13}}  {{:>8}}"
    yield Text(row.format("SERVICE", "REGION", "ENABLED", "GAPS", "LEFT OUT"))
    for each in targets:
        before, after = each["before"], each["after"]
        numbers = [f"{before[word]} > {after[word]}" for word in ("enabled", "gaps")]
        unread = each["problem"] is not None
        counts = ("-", "-", "-") if unread else (*numbers, after["left_out"])
        problem = f"  not read: {each['problem']}" if unread else ""
        yield Text(row.format(shown.label(each), each["region"], *counts) + problem)


def _gaps(shown: ShownReconcile, counted: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The gaps that are left, by reason code; without one, by what a run would do."""
    by_code: dict[str, list[Mapping[str, Any]]] = {}
    for each in counted:
        by_code.setdefault(each["reason_code"], []).append(each)
    for code, same in by_code.items():
        where = [f"{shown.label(each)} {each['region']} {each['count']}" for each in same]
        yield f"{sum(each['count'] for each in same)} x {code}: {', '.join(where)}"


def _runs(shown: ShownReconcile) -> Iterator[Text]:
    known = {run.id: run for run in shown.runs}
    for run_id in shown.begun.runs:
        run = known.get(run_id)
        if run is None:
            yield Text(f"{run_id}  {NOT_BEGUN}")
            continue
        text = Text(f"{run.id}  ")
        text.append(run.ending(shown.now), COLOURS.get(run.state, ""))
        yield text.append(f"  {run.counted()}")


def _indented(entry: str | Text, width: int | None) -> Text:
    if isinstance(entry, Text):
        return Text("  ").append_text(entry)
    return Text(paragraph(entry, width))
