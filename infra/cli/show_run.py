"""One run whole: as a document, and for people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rich.text import Text

from functions.aws.archive import result_key, uri_of
from functions.enrolment.decide import Circumstances, deadline
from functions.enrolment.reconcile_plan import place
from functions.enrolment.results import result_document
from functions.enrolment.times import iso
from functions.steps.publishing import EVENT, MESSAGE, unpublished
from infra.cli.begun import State, begun_run, result_of
from infra.cli.follow import COLOURS
from infra.cli.story import (
    ago,
    history,
    paragraph,
    places,
    seconds,
    told_attempts,
    told_transitions,
    without_place_and_time,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from functions.aws.executions import Execution
    from functions.aws.ledger import Findings
    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.membership import Membership, MembershipKey, Outcome
    from functions.enrolment.results import Result
    from functions.enrolment.target import Target
    from infra.cli.begun import Begun


@dataclass(frozen=True)
class ShownRun:
    """A run at the time ``now`` (epoch seconds).

    ``execution`` is None if Step Functions does not know it (any more), or could not be asked.
    ``bucket`` is the one of the results. ``only`` are the accounts to show, all if there are none.
    """

    findings: Findings
    execution: Execution | None
    configuration: Configuration
    bucket: str
    now: float
    only: frozenset[str] = frozenset()

    @property
    def begun(self) -> Begun:
        """How it ended; by its execution as long as nothing is recorded."""
        found = begun_run(self.findings.onboarding, self.now)
        if found.outcome is not None or self.execution is None:
            return found
        runs = self.execution.ended_at is None
        return replace(found, state=State.RUNNING if runs else State.INTERRUPTED)

    @property
    def result(self) -> Result:
        """Its result, as far as there is one."""
        return result_of(self.findings, self.now)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets of its plan."""
        return self.findings.plan.targets if self.findings.plan else ()

    @property
    def complete_document(self) -> str | None:
        """Where its complete result is, once that is published."""
        record = self.findings.onboarding
        final = record.ended_at is not None
        if not record.published:
            return None
        return uri_of(self.bucket, result_key(record.id, record.started_at, final=final))

    def until(self) -> dict[MembershipKey, float]:
        """When each membership that is waited for is given up at the latest."""
        known = {m.key: m for m in (*self.findings.own, *self.findings.left)}
        found = {}
        for membership in self.findings.own:
            if membership.outcome is not None or not membership.transitions:
                continue
            first = membership.target.comes_after
            before = known.get((membership.account_id, first)) if first else None
            circumstances = Circumstances(
                self.now,
                self.configuration.timing,
                self.configuration.invitation.member_role is not None,
                awaited={} if before is None else {membership.account_id: before},
            )
            found[membership.key] = deadline(membership, circumstances)
        return found


def run_document(shown: ShownRun) -> dict[str, Any]:
    """The run for programs (docs/cli/show.schema.json)."""
    record, result, until = shown.findings.onboarding, shown.result, shown.until()
    told = result_document(result)
    by_key = {_key_of(m): m for m in result.all}
    memberships = []
    for entry in told["memberships"]:
        key = (entry["account_id"], entry["service"], entry["region"])
        membership = by_key[key]
        if shown.only and membership.account_id not in shown.only:
            continue
        ends = until.get(membership.key)
        left = membership.onboarding_id != record.id
        memberships.append(
            entry
            | history(membership)
            | {
                "waits_until": None if ends is None else iso(ends),
                "run": membership.onboarding_id if left and membership.onboarding_id else None,
            }
        )
    waits_until = max(until.values(), default=None)
    return {
        "version": "1",
        "as_of": iso(shown.now),
        **shown.begun.to_json(shown.now),
        "accounts": list(record.accounts),
        "targets": [place(target) for target in shown.targets],
        "counts": {word: count for word, count in result.counts.items() if count},
        "waiting": result.waiting,
        "waits_until": None if waits_until is None else iso(waits_until),
        "memberships": memberships,
        "notes": list(result.all_notes),
        "published": published_ids(record.published),
        "unpublished": unpublished(record.unfinished),
        "complete_document": shown.complete_document,
        "execution": execution_document(record.execution_arn, shown.execution),
    }


def execution_document(arn: str, execution: Execution | None) -> dict[str, Any] | None:
    """An execution's ARN, and its status if Step Functions knows it."""
    if not arn:
        return None
    return {"arn": arn, "status": execution.status if execution else None}


def run_text(shown: ShownRun, width: int | None) -> Iterator[Text]:
    """The run for people; memberships with the same story are told once.

    ``width`` is that of the terminal, None elsewhere: then each membership is one line.
    """
    begun, document = shown.begun, run_document(shown)
    yield Text(f"Run {begun.id}: {begun.ending(shown.now)}", "bold")
    for line in _head(shown, document):
        yield Text(paragraph(line, width))
    by_key = {_key_of(m): m for m in shown.result.all}
    entries = [
        (by_key[entry["account_id"], entry["service"], entry["region"]], entry)
        for entry in document["memberships"]
    ]
    if width is None:
        for membership, entry in entries:
            yield _line(membership, entry)
        return
    for members in _same(entries):
        yield _group(members, width)


def published_ids(marks: Mapping[str, str]) -> dict[str, str]:
    """The ids of what was published, by channel."""
    return {name: sent for name, sent in marks.items() if name.endswith((EVENT, MESSAGE))}


def head(begun: Begun, document: Mapping[str, Any], now: float) -> Iterator[str]:
    """What is said first of a run or a reconcile."""
    ended = f"; ended {ago(begun.ended_at, now)}" if begun.ended_at is not None else ""
    yield f"Started {ago(begun.started_at, now)} by {begun.started_by()}{ended}"
    if begun.outcome is not None and begun.state in (State.FAILED, State.DUPLICATE):
        yield f"Outcome: {begun.outcome}"
    if document["execution"] is not None:
        known = document["execution"]["status"] or "not known (any more)"
        yield f"Execution {known}: {document['execution']['arn']}"
    if document["published"]:
        sent = (f"{what} {each}" for what, each in document["published"].items())
        yield f"Published: {', '.join(sent)}"
    if document["unpublished"]:
        channels = " and ".join(document["unpublished"])
        yield f"Not published: {channels}; the next reconcile tries again"
    if document["complete_document"] is not None:
        yield f"Complete document: {document['complete_document']}"


def _head(shown: ShownRun, document: Mapping[str, Any]) -> Iterator[str]:
    record = shown.findings.onboarding
    yield from head(shown.begun, document, shown.now)
    if record.accounts:
        yield f"Accounts: {', '.join(record.accounts)}"
    yield f"Targets: {places(shown.targets)}" if shown.targets else "It has no plan."
    counts = [f"{count} {outcome}" for outcome, count in document["counts"].items()]
    if document["waiting"]:
        counts.append(f"{document['waiting']} waiting")
    if counts:
        yield f"Memberships: {', '.join(counts)}"
    last = max(shown.until().values(), default=None)
    if last is not None and shown.begun.state is State.RUNNING:
        yield f"It waits until {ago(last, shown.now)} at the latest"
    for note in document["notes"]:
        yield f"Note: {note}."


_Entry = tuple["Membership", "Mapping[str, Any]"]


def _same(entries: Iterable[_Entry]) -> Iterator[list[_Entry]]:
    """The memberships by story; the accounts of each group have the same targets."""
    stories: dict[tuple[Any, ...], dict[AccountId, list[_Entry]]] = {}
    for membership, entry in entries:
        by_account = stories.setdefault(_story(membership, entry), {})
        by_account.setdefault(membership.account_id, []).append((membership, entry))
    for by_account in stories.values():
        groups: dict[tuple[Target, ...], list[_Entry]] = {}
        for members in by_account.values():
            targets = tuple(sorted(membership.target for membership, _ in members))
            groups.setdefault(targets, []).extend(members)
        yield from groups.values()


def _story(membership: Membership, entry: Mapping[str, Any]) -> tuple[Any, ...]:
    texts = [entry["reason"] or "", *told_attempts(entry)]
    return (
        entry["outcome"],
        tuple(each["status"] for each in entry["transitions"]),
        tuple(without_place_and_time(text, membership.target) for text in texts),
    )


def _group(members: Collection[_Entry], width: int) -> Text:
    membership, entry = next(iter(members))
    accounts = dict.fromkeys(each.account_id for each, _ in members)
    targets = dict.fromkeys(each.target for each, _ in members)
    outcome = membership.outcome
    text = Text("\n")
    text.append(paragraph(f"{_word(outcome)}: {', '.join(accounts)}", width, ""))
    text.stylize(COLOURS[outcome] if outcome else "", 1, 1 + len(_word(outcome)))
    text.append("\n" + paragraph(places(targets), width), "dim")
    first = f"first of {len(members)}: " if len(members) > 1 else ""
    for line in _lines(membership, entry):
        text.append("\n" + paragraph(first + line, width))
        first = ""
    return text


def _line(membership: Membership, entry: Mapping[str, Any]) -> Text:
    where = (membership.account_id, membership.target.service.label, membership.target.region)
    return Text("  ".join((*where, _word(membership.outcome), *_lines(membership, entry))))


def _lines(membership: Membership, entry: Mapping[str, Any]) -> Iterator[str]:
    if entry["transitions"]:
        yield told_transitions(entry)
    yield from told_attempts(entry)
    if entry["reason"]:
        yield ("waits: " if membership.outcome is None else "") + entry["reason"]
    if entry["waits_until"] is not None:
        yield f"given up at {seconds(entry['waits_until'])} at the latest"


def _word(outcome: Outcome | None) -> str:
    return "waiting" if outcome is None else str(outcome)


def _key_of(membership: Membership) -> tuple[str, str, str]:
    return membership.account_id, membership.target.service.name, membership.target.region
