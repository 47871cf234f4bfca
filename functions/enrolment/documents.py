"""The documents that the states pass on, and the plan as it is stored in the table.

They contain e-mail addresses and the next action; the state of memberships is in the table. A run
can take weeks, and Lambda's code may be updated meanwhile: documents of earlier versions are
accepted, missing fields get their defaults, and unknown fields are passed on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import Account, AccountId, Mode
from functions.enrolment.errors import InvalidInput, Unreadable
from functions.enrolment.membership import Action, Membership, Outcome
from functions.enrolment.plan import Plan, waits_for
from functions.enrolment.records import epoch_seconds, outcome_from, reason_from
from functions.enrolment.service import find_service
from functions.enrolment.stored import (
    a_list,
    a_number,
    a_text,
    an_object,
    one_of,
    optional,
    required,
)
from functions.enrolment.target import Target, read_target
from functions.enrolment.text import parsed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from functions.enrolment.membership import MembershipKey
    from functions.enrolment.reason import Reason
    from functions.enrolment.service import Service

# What the state machine passes to a step about its run, and what the map passes to each target's
# loop: the JSONPath or value of each field.
RUN: Mapping[str, str] = MappingProxyType(
    {
        "input": "$$.Execution.Input",
        "onboarding_id": "$$.Execution.Name",
        "started_at": "$$.Execution.StartTime",
        "execution_arn": "$$.Execution.Id",
    }
)
LOOP: Mapping[str, str | bool] = MappingProxyType(
    {
        "onboarding_id": "$.onboarding_id",
        "dry_run": "$.dry_run",
        "accounts": "$.accounts",
        "target": "$$.Map.Item.Value",
        "reports": True,
    }
)
# A value of ``Loop.next`` besides the actions: publish an interim result while waiting for people.
REPORT = "report"


class Planned(StrEnum):
    """``verdict`` of what planning returns: what the state machine goes by."""

    ENROL = "enrol"
    SETTLED = "settled"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its execution describes it: ``started_at`` in epoch seconds, ``input`` unchecked."""

    onboarding_id: str
    started_at: float
    input: object
    execution_arn: str = ""


def run_from_json(document: Mapping[str, Any]) -> Run:
    """Read a run from what the state machine passes: see ``RUN``."""
    return Run(
        document["onboarding_id"],
        epoch_seconds(document["started_at"]),
        document["input"],
        document.get("execution_arn", ""),
    )


@dataclass(frozen=True, slots=True)
class Loop:
    """The document that the states of one target's loop pass on.

    ``resource`` is the administrator's detector id or behavior graph ARN, once found. ``next`` is
    an action or ``report``; ``acting`` are the accounts it applies to; ``others_wait`` is how many
    seconds the next reading may wait if the action achieves nothing. ``reports`` says whether the
    execution's definition has a state for ``report``, ``reported_at`` when that state last ran
    instead of an action, ``refused_since`` when readings began to be refused (epoch seconds).
    ``rest`` holds the fields that this version does not know.
    """

    onboarding_id: str
    target: Target
    accounts: tuple[Account, ...] = ()
    dry_run: bool = False
    waits_for: Service | None = None
    resource: str | None = None
    next: str = Action.WAIT
    acting: tuple[AccountId, ...] = ()
    wait_seconds: int = 0
    others_wait: int = 0
    reports: bool = False
    reported_at: float = 0.0
    refused_since: float | None = None
    rest: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def emails(self) -> dict[AccountId, str | None]:
        """The accounts' e-mail addresses, None if unknown."""
        return {account.id: account.email for account in self.accounts}

    @property
    def opted_in(self) -> frozenset[AccountId]:
        """The accounts known to have the Region enabled."""
        return frozenset(a.id for a in self.accounts if a.has_enabled(self.target.region))

    def joined_since(self, moment: float) -> frozenset[AccountId]:
        """The accounts known to have joined the organisation since then (epoch seconds)."""
        return frozenset(a.id for a in self.accounts if a.joined_since(moment))


# The fields that this version uses, or an earlier one used.
_KNOWN = frozenset(
    {
        *("onboarding_id", "target", "accounts", "dry_run", "resource", "next", "acting"),
        *("wait_seconds", "others_wait", "reports", "reported_at", "refused_since", "failure"),
        *("memberships", "waits_for", "holding_since", "quiet_turns"),
    }
)


def loop_to_json(loop: Loop) -> dict[str, Any]:
    """The loop as the states pass it on; its size does not grow from turn to turn."""
    return {
        **loop.rest,
        "onboarding_id": loop.onboarding_id,
        "target": {
            "service": loop.target.service.name,
            "region": loop.target.region,
            "waits_for": _name(loop.waits_for),
        },
        "accounts": _accounts_to_json(loop.accounts),
        "dry_run": loop.dry_run,
        "resource": loop.resource,
        "next": str(loop.next),
        "acting": list(loop.acting),
        "wait_seconds": loop.wait_seconds,
        "others_wait": loop.others_wait,
        "reports": loop.reports,
        "reported_at": loop.reported_at,
        "refused_since": loop.refused_since,
    }


def loop_from_json(document: Mapping[str, Any], services: Sequence[Service]) -> Loop:
    """Read a loop from the map's item or from the JSON of this version or an earlier one.

    Raises:
        InvalidInput: the run's id or the target is missing, or names none of these services.
    """
    item = document.get("target")
    if not isinstance(item, dict) or "region" not in item or "onboarding_id" not in document:
        raise InvalidInput("target", "is required, with onboarding_id: this is no target's loop")
    awaited = item.get("waits_for") or document.get("waits_for")
    try:
        target = read_target(services, item.get("service"), item["region"])
        waits_for = read_target(services, awaited, target.region).service if awaited else None
    except ValueError as error:
        raise InvalidInput("target", str(error)) from error
    # An earlier version passed ``memberships``, and as ``accounts`` the ids to act on.
    former = document.get("memberships")
    accounts = document.get("accounts", ())
    left_out = item.get("left_out", ())
    return Loop(
        onboarding_id=document["onboarding_id"],
        target=target,
        accounts=tuple(
            account
            for account in _accounts_from_json(accounts if former is None else former)
            if account.id not in left_out
        ),
        dry_run=document.get("dry_run", False),
        waits_for=waits_for,
        resource=document.get("resource", item.get("resource")),
        next=document.get("next", Action.WAIT),
        acting=tuple(document.get("acting", ()) if former is None else accounts),
        wait_seconds=document.get("wait_seconds", 0),
        others_wait=document.get("others_wait", 0),
        reports=document.get("reports", False),
        reported_at=document.get("reported_at", 0.0),
        refused_since=document.get("refused_since"),
        rest=MappingProxyType({k: v for k, v in document.items() if k not in _KNOWN}),
    )


def enrolment_document(
    onboarding_id: str,
    plan: Plan,
    enrolled: Collection[MembershipKey],
    *,
    dry_run: bool,
    resources: Mapping[Target, str] | None = None,
) -> dict[str, Any]:
    """The output of planning: the accounts, and each target where at least one is enrolled.

    ``resources`` are the administrator's detector ids and behavior graph ARNs that are known.
    """
    targets = []
    for target in plan.targets:
        left_out = [a.id for a in plan.accounts if (a.id, target) not in enrolled]
        if len(left_out) < len(plan.accounts):
            item = {
                "service": target.service.name,
                "region": target.region,
                "left_out": left_out,
                "waits_for": _name(waits_for(target, plan.targets)),
            }
            known = (resources or {}).get(target)
            targets.append(item if known is None else item | {"resource": known})
    return {
        "verdict": str(Planned.ENROL if targets else Planned.SETTLED),
        "onboarding_id": onboarding_id,
        "dry_run": dry_run,
        "accounts": _accounts_to_json(plan.accounts),
        "targets": targets,
    }


def plan_from_document(document: Mapping[str, Any], services: Sequence[Service]) -> Plan:
    """Read an earlier version's plan from the document that :func:`enrolment_document` makes.

    The memberships in ``left_out`` were settled and recorded by planning; the document does not
    contain their outcomes.

    Raises:
        ValueError: it has a target of none of these services.
    """
    accounts = _accounts_from_json(document.get("accounts", ()))
    targets = {
        read_target(services, t["service"], t["region"]): t.get("left_out", ())
        for t in document.get("targets", ())
    }
    left_out = tuple(
        Membership(account.id, target, account.mode)
        for target, ids in targets.items()
        for account in accounts
        if account.id in ids
    )
    return Plan(accounts, tuple(targets), left_out, tuple(document.get("notes", ())))


def plan_to_text(plan: Plan) -> str:
    """The plan as the table stores it: without e-mail addresses, each reason once."""
    account_numbers = {account.id: number for number, account in enumerate(plan.accounts)}
    target_numbers = {target: number for number, target in enumerate(plan.targets)}
    settled: dict[tuple[str, Reason | None], list[list[int]]] = {}
    for membership in plan.settled:
        ended = str(membership.outcome), membership.reason
        pair = [account_numbers[membership.account_id], target_numbers[membership.target]]
        settled.setdefault(ended, []).append(pair)
    document = {
        "accounts": [{"id": account.id, "mode": str(account.mode)} for account in plan.accounts],
        "targets": [target.key for target in plan.targets],
        "settled": [
            {
                "outcome": outcome,
                "reason": reason.text if reason else None,
                "code": reason.code if reason else None,
                "memberships": pairs,
            }
            for (outcome, reason), pairs in settled.items()
        ],
        "notes": list(plan.notes),
    }
    return json.dumps(document, separators=(",", ":"))


def plan_from_text(
    text: str, services: Sequence[Service], onboarding_id: str, settled_at: float
) -> Plan:
    """Read a plan from the text that :func:`plan_to_text` made, in this version or another.

    Targets whose service is not one of ``services`` are left out, with a note: a later version may
    have planned them.

    Raises:
        Unreadable: it is not of that form.
    """
    document = an_object(parsed(text))
    accounts = _accounts_from_json(required(document, "accounts", a_list(an_object)))
    keys = required(document, "targets", a_list(_target_key))
    targets = {
        number: read_target(services, *key)
        for number, key in enumerate(keys)
        if find_service(services, key[0]) is not None
    }
    unknown = ["#".join(key) for number, key in enumerate(keys) if number not in targets]

    def ended(value: Any) -> Iterator[Membership]:
        group = an_object(value)
        outcome = outcome_from(group.get("outcome")) or Outcome.FAILED
        reason = reason_from(optional(group, "reason", a_text, None), group.get("code"))
        for pair in required(group, "memberships", a_list(a_list(a_number))):
            if len(pair) != 2 or pair[0] not in range(len(accounts)):
                raise Unreadable("memberships", "takes pairs of numbers of accounts and targets")
            account, target = accounts[pair[0]], targets.get(pair[1])
            if target is not None:
                yield Membership(
                    account.id, target, account.mode, onboarding_id, taken_at=settled_at
                ).settled(outcome, reason, settled_at)

    groups = optional(document, "settled", a_list(lambda value: tuple(ended(value))), ())
    settled = tuple(membership for group in groups for membership in group)
    notes: tuple[str, ...] = optional(document, "notes", a_list(a_text), ())
    if unknown:
        notes += (
            f"left out, because this version does not know the service: {', '.join(unknown)}",
        )
    return Plan(accounts, tuple(targets.values()), settled, notes)


def _target_key(value: Any) -> tuple[str, str]:
    """The service's name and the Region of a target's key."""
    parts = a_text(value).split("#")
    if len(parts) != 2:
        raise Unreadable("", "takes a service and a Region, such as guardduty#eu-west-1")
    return parts[0], parts[1]


def _name(service: Service | None) -> str | None:
    return None if service is None else service.name


def _accounts_to_json(accounts: Iterable[Account]) -> list[dict[str, Any]]:
    return [
        {
            "id": a.id,
            "email": a.email,
            "mode": str(a.mode),
            "regions_known": a.regions_known,
            "joined_at": a.joined_at,
        }
        for a in accounts
    ]


def _accounts_from_json(accounts: Iterable[Any]) -> tuple[Account, ...]:
    """Read accounts, also from the memberships that an earlier version passed."""
    return tuple(
        Account(
            AccountId(
                optional(account, "id", a_text, None) or required(account, "account_id", a_text)
            ),
            account.get("email"),
            required(account, "mode", one_of(Mode)),
            account.get("regions_known", False),
            account.get("joined_at"),
        )
        for account in accounts
        if isinstance(account, dict)
    )
