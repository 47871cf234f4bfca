"""Mistakes in Rollcall, made in memory: the simulation has to find each of them."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from functions.aws import ledger, reconciles, rows
from functions.aws import ownership as taking
from functions.aws.publisher import COMPLETED, Publisher
from functions.enrolment import decide, plan, reconcile, text
from functions.enrolment.membership import (
    Action,
    Answer,
    Membership,
    Observation,
    Outcome,
    Status,
    Verdict,
)
from functions.enrolment.ownership import Standing
from functions.services import guardduty, securityhub
from functions.steps import close_run, loop, wiring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager


@dataclass(frozen=True, slots=True)
class Sabotage:
    """``seed`` is one whose weeks show the mistake: less than the seeds of ``make test``."""

    seed: int
    make: Callable[[], AbstractContextManager[Any]]


def _with(where: Any, name: str, change: Callable[[Any], Any]) -> Callable[[], Any]:
    """``change`` takes what is there, and returns what takes its place."""
    return lambda: mock.patch.object(where, name, change(getattr(where, name)))


def _nothing(result: Any = None) -> Callable[[Any], Any]:
    return lambda _: lambda *_, **__: result


def _swapped(outcome: Outcome, other: Outcome) -> Callable[[Any], Any]:
    def change(settled: Any) -> Any:
        def wrong(self: Membership, told: Outcome, reason: Any, now: float) -> Any:
            return settled(self, other if told is outcome else told, reason, now)

        return wrong

    return change


def _first_page(pages: Any) -> Any:
    def wrong(operation: str, read: Any, request: Any) -> Iterator[Any]:
        def once(**given: Any) -> Any:
            return {"Items": read(**given)["Items"]}

        yield from pages(operation, once, request)

    return wrong


def _absent_is_enabled(observations: Any) -> Any:
    def wrong(*given: Any) -> tuple[Observation, ...]:
        return tuple(
            replace(one, status=Status.ENABLED, raw="Enabled")
            if one.status is Status.CREATED
            else one
            for one in observations(*given)
        )

    return wrong


def _never(action: Action) -> Callable[[Any], Any]:
    def change(begin: Any) -> Any:
        def wrong(memberships: Any, due: Action, now: float) -> Any:
            return () if due is action else begin(memberships, due, now)

        return wrong

    return change


def _unrecorded(record: Any) -> Any:
    def wrong(
        document: Any, batch: Any, memberships: Iterable[Membership], now: float, wiring: Any
    ) -> Any:
        given = tuple(memberships)
        if given and all(_is_begun(membership, now) for membership in given):
            return loop.Recorded(given, frozenset())
        return record(document, batch, given, now, wiring)

    return wrong


def _is_begun(membership: Membership, now: float) -> bool:
    attempts = membership.attempts.values()
    return any(attempt.answer is None and attempt.at == now for attempt in attempts)


@contextmanager
def _no_ending() -> Iterator[None]:
    with (
        mock.patch.object(close_run, "_close", return_value=None),
        mock.patch.object(close_run, "_finish_what_remains", return_value={}),
    ):
        yield


def _unpublished(event: Any) -> Any:
    def wrong(self: Publisher, document: Any, detail_type: str = COMPLETED) -> str:
        if document.get("counts", {}).get("failed"):
            return "event"
        sent: str = event(self, document, detail_type)
        return sent

    return wrong


def _unconditional(put: Any) -> Any:
    return lambda self, write: put(self, replace(write, seen=None))


def _without(never: Action) -> Callable[[Any], Any]:
    def change(repeat: Any) -> Any:
        def wrong(action: Action, *given: Any, **more: Any) -> Any:
            return decide.WAIT if action is never else repeat(action, *given, **more)

        return wrong

    return change


def _first_of_all(_: Any) -> Any:
    def wrong(invitations: Iterable[Any], _: Any) -> Any:
        return next((each["InvitationId"] for each in invitations), None)

    return wrong


@contextmanager
def _first_invitation() -> Iterator[None]:
    with (
        _with(guardduty, "newest_invitation", _first_of_all)(),
        _with(securityhub, "newest_invitation", _first_of_all)(),
    ):
        yield


def _resigned_is_removed(observations: Any) -> Any:
    def wrong(*given: Any) -> tuple[Observation, ...]:
        return tuple(
            replace(one, status=Status.REMOVED) if one.status is Status.RESIGNED else one
            for one in observations(*given)
        )

    return wrong


def _not_dry(loop_of: Any) -> Any:
    return lambda self, document: replace(loop_of(self, document), dry_run=False)


def _without_limit(verdict: Any) -> Any:
    return lambda gaps, changes, settings: verdict(gaps, 0, settings)


SABOTAGES: dict[str, Sabotage] = {
    "an attempt is not recorded before the call": Sabotage(0, _with(loop, "record", _unrecorded)),
    "memberships that another run owns are taken": Sabotage(
        0, _with(taking, "standing", _nothing(Standing.FREE))
    ),
    "timed out is recorded as enabled": Sabotage(
        0, _with(Membership, "settled", _swapped(Outcome.TIMED_OUT, Outcome.ENABLED))
    ),
    "failed is recorded as skipped without its reason": Sabotage(
        0, _with(decide, "_end", _nothing(Outcome.SKIPPED))
    ),
    "Created is read as Enabled": Sabotage(0, _with(guardduty, "observations", _absent_is_enabled)),
    "unprocessed accounts are ignored": Sabotage(
        1,
        _with(
            securityhub,
            "answers",
            lambda _: lambda __, accounts, ___: dict.fromkeys(accounts, Answer(Verdict.TAKEN)),
        ),
    ),
    "members are never created": Sabotage(0, _with(loop, "begin", _never(Action.CREATE))),
    "results with failures are not published": Sabotage(0, _with(Publisher, "event", _unpublished)),
    "runs that did not come to their end are not closed": Sabotage(2, _no_ending),
    "records of runs are not closed": Sabotage(0, _with(ledger.Ledger, "close", _nothing())),
    "the lock of reconciles is not released": Sabotage(
        0, _with(reconciles.Reconciles, "release", _nothing())
    ),
    "a reconcile starts no runs": Sabotage(
        0, _with(reconcile, "_verdict", _nothing(reconcile.Verdict.NOTHING))
    ),
    "only the first page of a query is read": Sabotage(
        17, _with(rows, "_of_all_pages", _first_page)
    ),
    "accounts are enrolled in Regions that they have not enabled": Sabotage(
        69, _with(plan, "is_opt_in", _nothing(result=False))
    ),
    "what failed is never tried again": Sabotage(
        255, _with(reconcile, "LATELY_SECONDS", lambda _: 10**9)
    ),
    "rows are written without their condition": Sabotage(
        59, _with(rows.Rows, "_put", _unconditional)
    ),
    "the lease is never extended": Sabotage(
        99, _with(ledger.Ledger, "extend_lease", _nothing(result=True))
    ),
    "members are never invited": Sabotage(14, _with(decide, "_repeat", _without(Action.INVITE))),
    "the first invitation is accepted, whoever sent it": Sabotage(179, _first_invitation),
    "addresses are not redacted": Sabotage(
        57, _with(text, "_EMAIL", lambda _: re.compile(r"(?!)"))
    ),
    "members that have resigned are created again": Sabotage(
        74, _with(securityhub, "observations", _resigned_is_removed)
    ),
    "a dry run acts": Sabotage(70, _with(wiring.Wiring, "loop", _not_dry)),
    "a reconcile changes more accounts than it may": Sabotage(
        105, _with(reconcile, "_verdict", _without_limit)
    ),
    "the lock of reconciles is taken from who holds it": Sabotage(
        26, _with(reconciles, "_running", _nothing())
    ),
}
