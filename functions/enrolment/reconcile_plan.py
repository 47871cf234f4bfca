"""A reconcile's plan as it is persisted: what was found, and what is done about it.

The parts that the published result repeats have their published form already. Gaps in the same
situation are in one group, because there may be hundreds of thousands. No e-mail addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.coverage import State
from functions.enrolment.errors import Unreadable
from functions.enrolment.explain import explain
from functions.enrolment.membership import Action, Membership
from functions.enrolment.plan import why_not_active
from functions.enrolment.reason import ReasonCode
from functions.enrolment.reconcile import Disposition, Verdict
from functions.enrolment.records import reason_from
from functions.enrolment.stored import (
    a_list,
    a_map,
    a_number,
    a_text,
    an_object,
    one_of,
    optional,
    required,
)
from functions.enrolment.target import target_of
from functions.enrolment.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from functions.enrolment.account import OrganizationAccount
    from functions.enrolment.coverage import Listing
    from functions.enrolment.reason import Reason
    from functions.enrolment.reconcile import Gap, ReconcilePlan
    from functions.enrolment.service import Service
    from functions.enrolment.target import Target

# The states as the counts of a target name them.
COUNTED: Mapping[State, str] = MappingProxyType(
    {
        State.ENABLED: "enabled",
        State.LEFT_OUT: "left_out",
        State.GAP: "gaps",
        State.UNREAD: "unread",
    }
)
# The lists that the result repeats, with the texts of their entries that it tells people.
_ENTRIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "waiting": ("account_id", "since", "reason"),
        "drift": ("account_id", "status", "enabled_at"),
        "only_in_table": (),
        "only_in_services": (),
        "outside": (),
    }
)
# As what Organizations reports an account that has left it.
_LEFT = "not belonging to the organisation"


@dataclass(frozen=True, slots=True)
class StoredGap:
    """A gap of a persisted plan; ``status`` in the service's own words, ``run`` as in ``Gap``.

    ``action`` is what a run would do first. ``batch`` is the number of the batch it belongs to, if
    a run is started for it. ``state`` is ``LEFT_OUT`` for what a run tries again.
    """

    account_id: AccountId
    target: Target
    status: str
    action: str
    disposition: Disposition
    reason: Reason | None
    run: str | None
    batch: int | None
    state: State = State.GAP


def plan_document(
    plan: ReconcilePlan,
    listings: Sequence[Listing],
    *,
    accounts: int,
    surveyed_at: float,
    most_changes: int,
) -> dict[str, Any]:
    """The plan as it is persisted; ``accounts`` is the number of accounts of the organisation."""
    found_at = iso(surveyed_at)
    return {
        "surveyed_at": surveyed_at,
        "accounts": accounts,
        "verdict": str(plan.verdict),
        "changes": {"needed": plan.changes, "most_changes": most_changes},
        "targets": [_target(listing, plan) for listing in listings],
        "gaps": _grouped(plan.gaps),
        "again": _grouped(plan.again),
        "batches": [
            {
                "accounts": list(share.accounts),
                "targets": [place(target) for target in share.targets],
                "begin_after": share.begin_after,
            }
            for share in plan.shares
        ],
        "waiting": [
            {
                "account_id": each.membership.account_id,
                **place(each.membership.target),
                "status": each.membership.raw,
                "since": iso(each.since),
                "reason": each.reason.text,
                "reason_code": each.reason.code,
                "run": each.membership.onboarding_id,
            }
            for each in plan.waiting
        ],
        "drift": [
            {
                "account_id": each.cell.account_id,
                **place(each.cell.target),
                "enabled_at": iso(each.enabled_at),
                "found_at": found_at,
                "status": each.cell.raw,
            }
            for each in plan.drift
        ],
        "only_in_table": [_recorded(row) for row in plan.only_in_table],
        "only_in_services": [
            {**place(each.target), "count": each.count, "accounts": list(each.accounts)}
            for each in plan.only_in_services
        ],
        "outside": [
            {"account_id": seen.account_id, **place(target), "status": seen.raw}
            for target, seen in plan.outside
        ],
    }


def with_left_out(
    document: Mapping[str, Any], found: Mapping[AccountId, OrganizationAccount | None]
) -> dict[str, Any]:
    """The persisted plan, with which accounts get no run although it has one for them, and why.

    ``found`` are these accounts as Organizations gives them now, None if it does not.
    """
    left_out: dict[AccountId, dict[str, str]] = {}
    for account, known in found.items():
        excluded = None if known is None else why_not_active(known)
        _, code, said = excluded or (None, ReasonCode.ACCOUNT_NOT_ACTIVE, _LEFT)
        left_out[account] = {"reason_code": str(code), "said": said}
    return {**document, "left_out": left_out}


def stored_gaps(document: Mapping[str, Any], services: Sequence[Service]) -> tuple[StoredGap, ...]:
    """The gaps of a persisted plan, and what is tried again.

    To one of an account that was left out later nothing is done.

    Raises:
        Unreadable: a field has another form, or a service is not one of ``services``.
    """
    batch_of = {
        account: dict.fromkeys(places, number)
        for number, (accounts, places) in enumerate(required(document, "batches", a_list(_batch)))
        for account in accounts
    }
    left_out = optional(document, "left_out", a_map(_why_left_out), {})

    def of_group(state: State, value: Any) -> list[StoredGap]:
        group = an_object(value)
        target = target_of(group, services)
        status, action = required(group, "status", a_text), required(group, "action", a_text)
        disposition = required(group, "disposition", one_of(Disposition))
        reason = reason_from(optional(group, "reason", a_text, None), group.get("reason_code"))
        run = optional(group, "run", a_text, None)
        key = (target.service.name, target.region)
        return [
            StoredGap(
                AccountId(account),
                target,
                status,
                action,
                disposition,
                reason,
                run,
                batch_of.get(account, {}).get(key),
                state,
            )
            for account in required(group, "accounts", a_list(a_text))
        ]

    groups = required(document, "gaps", a_list(partial(of_group, State.GAP)))
    # Plans of earlier versions have none.
    groups += optional(document, "again", a_list(partial(of_group, State.LEFT_OUT)), ())
    return tuple(
        _left_out(gap, *left_out[gap.account_id])
        if gap.batch is not None and gap.account_id in left_out
        else gap
        for gap in chain.from_iterable(groups)
    )


def check_plan(document: Mapping[str, Any]) -> None:
    """Refuse a persisted plan of which no result can be made.

    Raises:
        Unreadable: a field has another form.
    """
    required(document, "verdict", one_of(Verdict))
    required(document, "targets", a_list(_check_target))
    required(document, "changes", _check_changes)
    for field, texts in _ENTRIES.items():
        if field in document:
            required(document, field, a_list(partial(_check_entry, texts)))


def _check_target(value: Any) -> None:
    target = an_object(value)
    _place_in(target)
    optional(target, "problem", a_text, None)
    if "problem" not in target:
        raise Unreadable("problem", "is required")
    required(target, "before", _check_counts)


def _check_counts(value: Any) -> None:
    counts = a_map(a_number)(value)
    for word in COUNTED.values():
        required(counts, word, a_number)


def _check_changes(value: Any) -> None:
    changes = an_object(value)
    for field in ("needed", "most_changes"):
        required(changes, field, a_number)


def _check_entry(texts: Iterable[str], value: Any) -> None:
    entry = an_object(value)
    _place_in(entry)
    for field in texts:
        required(entry, field, a_text)


def _place_in(value: Any) -> tuple[str, str]:
    """The service's name and the Region that an entry names."""
    entry = an_object(value)
    return required(entry, "service", a_text), required(entry, "region", a_text)


def _batch(value: Any) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The accounts of a batch, and the places of its targets."""
    batch = an_object(value)
    accounts = required(batch, "accounts", a_list(a_text))
    return accounts, required(batch, "targets", a_list(_place_in))


def _why_left_out(value: Any) -> tuple[ReasonCode, str]:
    why = an_object(value)
    return required(why, "reason_code", one_of(ReasonCode)), required(why, "said", a_text)


def _left_out(gap: StoredGap, code: ReasonCode, said: str) -> StoredGap:
    membership = Membership(gap.account_id, gap.target, Mode.ORGANIZATION)
    return replace(
        gap,
        action=str(Action.STOP),
        disposition=Disposition.NOTHING,
        reason=explain(code, membership, said),
        batch=None,
    )


def place(target: Target) -> dict[str, str]:
    """A target as documents name it."""
    return {"service": target.service.name, "region": target.region}


def _target(listing: Listing, plan: ReconcilePlan) -> dict[str, Any]:
    states = plan.before.states.get(listing.target, {})
    problem = listing.problem
    return {
        **place(listing.target),
        "problem": None if problem is None else problem.text,
        "problem_code": None if problem is None else problem.code,
        "before": {word: states.get(state, 0) for state, word in COUNTED.items()},
    }


def _grouped(gaps: Sequence[Gap]) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[AccountId]] = {}
    for gap in gaps:
        cell = gap.cell
        key = (cell.target, cell.raw, cell.action, gap.disposition, gap.reason, gap.run)
        groups.setdefault(key, []).append(cell.account_id)
    return [
        {
            **place(target),
            "status": status,
            "action": str(action or Action.STOP),
            "disposition": str(disposition),
            "reason": None if reason is None else reason.text,
            "reason_code": None if reason is None else str(reason.code),
            "run": run,
            "accounts": accounts,
        }
        for (target, status, action, disposition, reason, run), accounts in groups.items()
    ]


def _recorded(row: Membership) -> dict[str, Any]:
    return {
        "account_id": row.account_id,
        **place(row.target),
        "enabled_at": None if row.settled_at is None else iso(row.settled_at),
        "run": row.onboarding_id,
    }
