"""What must be true of every simulated world once it is at rest, on the services' true state."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from functions.enrolment.membership import ENABLED, Outcome
from functions.enrolment.reason import ReasonCode
from functions.enrolment.reconcile_result import ReconcileOutcome
from functions.enrolment.regions import is_opt_in
from functions.enrolment.turn import most_turns
from infra.local.wire.paging import iso
from tests.simulation.machine import RUNNING
from tests.simulation.site import BEGIN, DAY
from tests.support.builders import ADMINISTRATOR, MANAGEMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.simulation.life import Life
    from tests.simulation.site import Site
    from tests.simulation.weeks import Weeks

Cell = tuple[str, str, str]

_COMPLETED, _RECONCILED = "Onboarding Completed", "Reconcile Completed"
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
# In place of a reason: a person must first allow so many changes.
_CONFIRM = "confirm"
# The first reconcile leaves alone what was tried lately; Detective's checks take two days.
CLOSED_DAYS = 5
_SUCCESS = {str(outcome) for outcome in ENABLED}


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that does not hold, and where."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


@dataclass(frozen=True, slots=True)
class Word:
    """What Rollcall published last about a membership."""

    at: float
    outcome: str | None
    code: str | None
    reason: str | None
    by: str


@dataclass
class Facts:
    """A world at rest; ``checked`` counts what the invariants looked at."""

    site: Site
    life: Life
    weeks: Weeks
    checked: Counter[str] = field(default_factory=Counter)

    @cached_property
    def snapshot(self) -> dict[str, Any]:
        return self.site.world.snapshot()

    @cached_property
    def ours(self) -> dict[Cell, dict[str, Any]]:
        """The administrator's memberships, by service, Region and account."""
        return {
            (one["service"], one["region"], one["account_id"]): one
            for one in self.snapshot["memberships"]
            if one["administrator"] == ADMINISTRATOR
        }

    @cached_property
    def theirs(self) -> dict[Cell, dict[str, Any]]:
        """Other administrators' memberships that are associated."""
        return {
            (one["service"], one["region"], one["account_id"]): one
            for one in self.snapshot["memberships"]
            if one["administrator"] != ADMINISTRATOR and _is_enabled(one["status"])
        }

    @cached_property
    def accounts(self) -> dict[str, dict[str, Any]]:
        return {one["id"]: one for one in self.snapshot["accounts"]}

    @cached_property
    def organization(self) -> dict[str, Any]:
        (found,) = [o for o in self.snapshot["organizations"] if o["management"] == MANAGEMENT]
        organization: dict[str, Any] = found
        return organization

    @cached_property
    def words(self) -> dict[Cell, Word]:
        """The last word about each membership; none where a reconcile found no gap after it."""
        found: dict[Cell, Word] = {}
        for published in self.site.published:
            if published.channel != "bus":
                continue
            document = published.document
            if published.kind == _COMPLETED and not document["dry_run"]:
                entries, by = document["memberships"], document["onboarding_id"]
            elif published.kind == _RECONCILED:
                entries, by = document["gaps"], document["id"]
                read = {
                    (target["service"], target["region"])
                    for target in document["targets"]
                    if target["problem"] is None
                }
                gaps = set(map(_cell, entries))
                found = {
                    cell: word
                    for cell, word in found.items()
                    if cell[:2] not in read or cell in gaps
                }
                if document["outcome"] == ReconcileOutcome.CONFIRM:
                    confirm = {"reason_code": _CONFIRM, "reason": "more changes than allowed"}
                    entries = [entry | confirm for entry in entries]
                entries = [entry for entry in entries if entry["reason_code"] is not None]
            else:
                continue
            for entry in entries:
                found[_cell(entry)] = Word(
                    published.at, entry["outcome"], entry["reason_code"], entry["reason"], by
                )
        return found

    @cached_property
    def closed_after(self) -> float:
        """Seconds from the last happening and trouble to when the last gap was closed."""
        cells = [
            self.ours[cell]
            for account in self.organization["accounts"]
            for target in self.site.configuration.targets
            if self.is_enabled(cell := (target.service.name, target.region, account))
        ]
        enabled = [
            change["at"]
            for cell in cells
            for change in cell["history"]
            if _is_enabled(change["status"])
        ]
        return max(0.0, max(enabled, default=0.0) - BEGIN - self.weeks.seconds)

    def is_enabled(self, cell: Cell) -> bool:
        return cell in self.ours and _is_enabled(self.ours[cell]["status"])

    def is_delegated(self, service: str, region: str) -> bool:
        wanted = {"service": service, "region": region, "account_id": ADMINISTRATOR}
        return wanted in self.organization["administrators"]

    def is_installed(self, service: str, region: str, account: str) -> bool:
        return any(
            (one["service"], one["region"], one["account_id"]) == (service, region, account)
            for one in self.snapshot["enabled"]
        )

    def true_reasons(self, cell: Cell) -> set[str]:
        """The codes of reasons that are true of the world for a membership not being Enabled."""
        service, region, account = cell
        facts, found = self.accounts[account], set[ReasonCode]()
        status = (self.ours[cell]["status"] or "") if cell in self.ours else ""
        if account == ADMINISTRATOR:
            found.add(ReasonCode.ADMINISTRATOR)
        if facts["state"] == "PENDING_ACTIVATION":
            found.add(ReasonCode.ACCOUNT_PENDING)
        elif facts["state"] != "ACTIVE":
            found |= {ReasonCode.ACCOUNT_NOT_ACTIVE, ReasonCode.ACCOUNT_SUSPENDED}
        if is_opt_in(region) and facts["regions"].get(region) != "ENABLED":
            found |= {ReasonCode.REGION_NOT_ENABLED, ReasonCode.REGION_DISABLED}
        if not self.is_delegated(service, region):
            found |= {ReasonCode.NOT_DELEGATED, ReasonCode.ADMINISTRATOR_NOT_READY}
        if account == MANAGEMENT and not self.is_installed(service, region, account):
            found.add(ReasonCode.MANAGEMENT_ACCOUNT)
        if cell in self.theirs:
            found.add(ReasonCode.OTHER_ADMINISTRATOR)
        if status.casefold() == "resigned":
            found.add(ReasonCode.RESIGNED)
        if service == "detective":
            found |= set(self._reasons_of_volume(region, account))
        confirms = {_CONFIRM} if self.needs_confirmation else set[str]()
        return {str(code) for code in found} | confirms

    @cached_property
    def needs_confirmation(self) -> bool:
        """Whether more accounts have gaps than a reconcile may change."""
        gaps = {
            account
            for account in self.organization["accounts"]
            for target in self.site.configuration.targets
            if not self.is_enabled((target.service.name, target.region, account))
        }
        return len(gaps) > self.site.configuration.reconcile.most_changes

    def _reasons_of_volume(self, region: str, account: str) -> Iterator[ReasonCode]:
        first = ("guardduty", region, account)
        if not self.is_enabled(first):
            yield ReasonCode.GUARDDUTY
            yield ReasonCode.PREREQUISITE
            # A service's own enrolment may have made it a member before.
            yield ReasonCode.VOLUME_UNKNOWN
        if self.accounts[account]["volume"] in ("unknown", "measured"):
            yield ReasonCode.VOLUME_UNKNOWN


def _cell(entry: Mapping[str, Any]) -> Cell:
    return entry["service"], entry["region"], entry["account_id"]


def check(facts: Facts) -> list[Broken]:
    """Every invariant that does not hold."""
    return [
        Broken(name.replace("_", " "), what)
        for name, find in _INVARIANTS.items()
        for what in find(facts)
    ]


def every_execution_ends(facts: Facts) -> Iterator[str]:
    for execution in facts.site.machines.executions.values():
        facts.checked["executions"] += 1
        if execution.status == RUNNING:
            yield f"{execution.name} is in {execution.states[-1]}"


def no_step_raises_what_it_should_not(facts: Facts) -> Iterator[str]:
    for step, text in facts.site.functions.unexpected:
        yield f"{step}: {text}"


def no_limit_is_exceeded(facts: Facts) -> Iterator[str]:
    for execution in facts.site.machines.executions.values():
        if execution.error in ("States.DataLimitExceeded", "States.Runtime"):
            yield f"{execution.name}: {execution.error}: {execution.cause}"


def every_run_is_published_and_closed(facts: Facts) -> Iterator[str]:
    published = Counter(
        document["onboarding_id" if kind == _COMPLETED else "id"]
        for channel, kind, document in (
            (each.channel, each.kind, each.document) for each in facts.site.published
        )
        if channel == "bus" and kind in (_COMPLETED, _RECONCILED)
    )
    records = {
        item["pk"].partition("#")[2]: item
        for item in facts.site.table.plain()
        if item["sk"] in ("onboarding", "reconcile")
    }
    for execution in facts.site.machines.executions.values():
        facts.checked["runs"] += 1
        record = records.get(execution.name)
        if record is None or "closed_at" not in record:
            yield f"{execution.name} ({execution.status}) is not closed"
        elif not published[execution.name] and not _says_nothing(record):
            yield f"{execution.name} ({execution.status}) was not published: {record['outcome']}"
        elif published[execution.name] > 1 and not facts.site.troubles.struck:
            yield f"{execution.name} was published {published[execution.name]} times"


def _says_nothing(record: Mapping[str, Any]) -> bool:
    """A run for an account just enrolled, or a reconcile that found another one running."""
    outcome: str = record.get("outcome", "")
    return outcome.startswith(("duplicate of ", "already running"))


def nothing_is_owned_for_ever(facts: Facts) -> Iterator[str]:
    for item in facts.site.table.plain():
        if item["pk"].startswith("account#"):
            facts.checked["memberships"] += 1
            if item.get("outcome") is None:
                yield f"{item['pk']} {item['sk']} is {item['onboarding_id']}'s"
        if item["pk"] == "reconcile" and "released_at" not in item:
            yield f"the lock is {item['holder']}'s"


def every_account_is_enabled_or_has_a_true_reason(facts: Facts) -> Iterator[str]:
    for account in facts.organization["accounts"]:
        for target in facts.site.configuration.targets:
            cell = (target.service.name, target.region, account)
            facts.checked["cells"] += 1
            if facts.is_enabled(cell) or facts.accounts[account]["state"] != "ACTIVE":
                continue
            true = facts.true_reasons(cell)
            word = facts.words.get(cell)
            if word is None:
                if not true:
                    yield f"{cell} has no reason; it is {_status(facts, cell)}"
            elif word.code not in true:
                yield (
                    f"{cell} is {_status(facts, cell)}, true is {sorted(true)}, said was at"
                    f" {iso(word.at)} {word.outcome}: {word.code}: {word.reason} ({word.by})"
                )


def invited_accounts_that_accept_become_enabled(facts: Facts) -> Iterator[str]:
    """Where nobody changes anything meanwhile. If anything goes wrong, a run may fail, but none
    waits until its deadline for an account that accepts.
    """
    happened = [happening for _, happening in facts.weeks.happenings]
    if {"deploy", "remove_administrator", "abort"} & {each.do for each in happened}:
        return
    changed = {each.given.get("number") for each in happened if each.do != "outside"}
    asked = {number for each in happened for number in each.given.get("numbers", ())}
    for each in happened:
        if each.do != "outside" or not _accepts(facts, each.given):
            continue
        number = each.given["number"]
        if number in changed or number not in asked:
            continue
        for target in facts.weeks.configuration.targets:
            cell = (target.service.name, target.region, facts.life.ids[number])
            if is_opt_in(target.region):
                continue
            facts.checked["invited"] += 1
            word = facts.words.get(cell)
            timed_out = word is not None and word.outcome == Outcome.TIMED_OUT
            if not facts.is_enabled(cell) and (timed_out or not facts.weeks.troubles):
                yield f"{cell} is {_status(facts, cell)}: {word}"


def _accepts(facts: Facts, given: Mapping[str, Any]) -> bool:
    """Whether an account outside accepts in time. Its owner accepts whoever invites; the role of
    Rollcall does not.
    """
    if given["role"]:
        return given["stranger"] in (None, "invites")
    latest = facts.weeks.configuration.timing.invitation_deadline / 2
    return given["stranger"] is None and (given["accepts"] or math.inf) <= latest


def who_is_waited_for_was_invited(facts: Facts) -> Iterator[str]:
    """No run times out over an account outside that is a member, but was never invited."""
    sent = {
        (one["service"], one["region"], one["account_id"])
        for one in facts.snapshot["invitations"]
        if one["administrator"] == ADMINISTRATOR
    }
    for cell, word in facts.words.items():
        outside = cell[2] not in facts.organization["accounts"]
        if outside and word.outcome == Outcome.TIMED_OUT:
            facts.checked["waited for"] += 1
            if _status(facts, cell).casefold() == "created" and cell not in sent:
                yield f"{cell}: {word}"


def enabled_is_published_of_what_is_enabled(facts: Facts) -> Iterator[str]:
    for published in facts.site.published:
        if published.kind != _COMPLETED:
            continue
        document = published.document
        for entry in document["memberships"]:
            if entry["outcome"] not in _SUCCESS:
                continue
            facts.checked["published as Enabled"] += 1
            cell = _cell(entry)
            since = _began(facts, document["onboarding_id"])
            history = facts.ours[cell]["history"] if cell in facts.ours else []
            if not _was_enabled(history, since, published.at):
                yield f"{cell} by {document['onboarding_id']}; its history is {history}"


def _began(facts: Facts, name: str) -> float:
    began = [e.started_at for e in facts.site.machines.executions.values() if e.name == name]
    # A reading may lag behind, and a run may have what the survey before it has read.
    return min(began) - 3600


def _was_enabled(history: list[dict[str, Any]], since: float, until: float) -> bool:
    ends = [change["at"] for change in history[1:]] + [float("inf")]
    return any(
        _is_enabled(change["status"]) and change["at"] <= until and end >= since
        for change, end in zip(history, ends, strict=True)
    )


def nobody_is_invited_twice(facts: Facts) -> Iterator[str]:
    for one in facts.snapshot["invitations"]:
        if one["administrator"] != ADMINISTRATOR:
            continue
        facts.checked["invitations"] += 1
        cell = (one["service"], one["region"], one["account_id"])
        history = facts.ours[cell]["history"] if cell in facts.ours else []
        # Each time that it was gone or taken back, another may be sent.
        ended = sum(_ends_invitation(change["status"]) for change in history)
        if one["sent"] > 1 + ended:
            yield f"{cell}: {one['sent']} times; its history is {history}"


def _ends_invitation(status: str | None) -> bool:
    ending = ("created", "removed", "deleted", "resigned", "emailverificationfailed")
    return status is None or status.casefold() in ending


def acting_runs_own_what_they_act_on(facts: Facts) -> Iterator[str]:
    yield from facts.site.watch.not_owned
    facts.checked["actions"] += facts.site.watch.actions


def what_is_done_is_noted_before(facts: Facts) -> Iterator[str]:
    yield from facts.site.watch.not_noted


def what_is_enabled_resigned_or_anothers_is_not_touched(facts: Facts) -> Iterator[str]:
    yield from facts.site.watch.touched


def no_write_of_a_row_is_lost(facts: Facts) -> Iterator[str]:
    facts.checked["writes"] += facts.site.writes.seen
    yield from facts.site.writes.lost


def nothing_is_taken_from_who_is_at_work(facts: Facts) -> Iterator[str]:
    yield from facts.site.writes.taken


def dry_runs_change_nothing(facts: Facts) -> Iterator[str]:
    for execution in facts.site.machines.executions.values():
        if isinstance(execution.input, dict) and execution.input.get("dry_run"):
            facts.checked["dry runs"] += 1
            if execution.name in facts.site.watch.acting:
                yield execution.name


def no_reconcile_changes_more_than_it_may(facts: Facts) -> Iterator[str]:
    most, changed = facts.site.configuration.reconcile.most_changes, defaultdict[str, set[str]](set)
    for execution in facts.site.machines.executions.values():
        given = execution.input.get("reconcile") if isinstance(execution.input, dict) else None
        if given is not None:
            changed[given["id"]] |= facts.site.watch.acting.get(execution.name, set())
    for reconcile, accounts in changed.items():
        facts.checked["reconciles with runs"] += 1
        if len(accounts) > most:
            yield f"{reconcile} changed {len(accounts)} accounts, {most} were allowed"


def logs_are_lines_of_json_without_addresses(facts: Facts) -> Iterator[str]:
    facts.checked["log lines"] += facts.site.log.lines
    yield from facts.site.log.broken


def nothing_published_or_stored_has_an_address(facts: Facts) -> Iterator[str]:
    texts: dict[str, list[str]] = defaultdict(list)
    texts["table"] = [json.dumps(item) for item in facts.site.table.items.values()]
    texts["table, meanwhile"] = facts.site.writes.addresses
    texts["bucket"] = list(facts.site.bucket.objects.values())
    texts["published"] = [json.dumps(each.document) for each in facts.site.published]
    for place, found in texts.items():
        for text in found:
            facts.checked["texts"] += 1
            address = _ADDRESS.search(text)
            if address is not None:
                yield f"{place}: {text[max(0, address.start() - 80) : address.end() + 20]}"


def gaps_are_closed_in_time(facts: Facts) -> Iterator[str]:
    """When nothing goes wrong any more: by the reconciles of ``CLOSED_DAYS`` or before."""
    if facts.closed_after > CLOSED_DAYS * DAY:
        yield f"the last one {facts.closed_after / DAY:.1f} days after the last trouble"


def calls_stay_within_their_bound(facts: Facts) -> Iterator[str]:
    """No child takes more turns than its deadlines allow (``functions.enrolment.turn``)."""
    facts.checked["requests"] += len(facts.site.network.calls)
    facts.checked["later pages that failed"] += facts.site.network.pages_failed
    most = most_turns(facts.weeks.configuration.timing)
    for execution in facts.site.machines.children:
        turns = execution.states.count("Get Members")
        facts.checked["turns"] += turns
        if turns > most:
            yield f"{execution.name} took {turns} turns, {most} were expected at most"


def _status(facts: Facts, cell: Cell) -> str:
    return str(facts.ours[cell]["status"]) if cell in facts.ours else "absent"


def _is_enabled(status: str | None) -> bool:
    return status is not None and status.casefold() == "enabled"


_INVARIANTS: dict[str, Callable[[Facts], Iterator[str]]] = {
    each.__name__: each
    for each in (
        every_execution_ends,
        no_step_raises_what_it_should_not,
        no_limit_is_exceeded,
        every_run_is_published_and_closed,
        nothing_is_owned_for_ever,
        every_account_is_enabled_or_has_a_true_reason,
        invited_accounts_that_accept_become_enabled,
        who_is_waited_for_was_invited,
        enabled_is_published_of_what_is_enabled,
        nobody_is_invited_twice,
        acting_runs_own_what_they_act_on,
        what_is_done_is_noted_before,
        what_is_enabled_resigned_or_anothers_is_not_touched,
        no_write_of_a_row_is_lost,
        nothing_is_taken_from_who_is_at_work,
        dry_runs_change_nothing,
        no_reconcile_changes_more_than_it_may,
        logs_are_lines_of_json_without_addresses,
        nothing_published_or_stored_has_an_address,
        gaps_are_closed_in_time,
        calls_stay_within_their_bound,
    )
}
