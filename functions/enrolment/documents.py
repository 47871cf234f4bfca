"""The documents that travel between the states, and the plan as the table keeps it.

They carry addresses and what is next; what is known of memberships is in the table. A run lives for
weeks and Lambda's code changes under it: documents of earlier versions are understood, what is
missing gets its default, and what is unknown is handed on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import Account, AccountId, Mode
from functions.enrolment.errors import InvalidInput
from functions.enrolment.membership import Action, Membership, Outcome
from functions.enrolment.plan import Plan, waits_for
from functions.enrolment.records import reason_from
from functions.enrolment.regions import is_opt_in
from functions.enrolment.target import ServiceName, Target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from functions.enrolment.membership import MembershipKey
    from functions.enrolment.reason import Reason

# Next to the actions: a state of the loop that publishes what is done while people are waited for.
REPORT = "report"


@dataclass(frozen=True, slots=True)
class Loop:
    """What the states of one target's loop hand on.

    ``resource`` is the administrator's detector id or behavior graph ARN, once found. ``next`` is
    an action or ``report``; ``acting`` are the accounts it concerns; ``others_wait`` is how many
    seconds the next reading may wait where the action achieves nothing. ``reports`` says whether
    the execution's definition has a state for ``report``, ``reported_at`` when it was last there
    in place of an action, ``refused_since`` when readings began to be refused (epoch seconds).
    ``rest`` is what this version does not know.
    """

    onboarding_id: str
    target: Target
    accounts: tuple[Account, ...] = ()
    dry_run: bool = False
    waits_for: ServiceName | None = None
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
        """The accounts' e-mail addresses, where known."""
        return {account.id: account.email for account in self.accounts}

    @property
    def opted_in(self) -> frozenset[AccountId]:
        """The accounts known to have the Region enabled: no others are enrolled where it is known
        which they have.
        """
        everybody = not is_opt_in(self.target.region)
        return frozenset(a.id for a in self.accounts if everybody or a.regions_known)


# What this version knows, or an earlier one left behind.
_KNOWN = frozenset(
    {
        *("onboarding_id", "target", "accounts", "dry_run", "resource", "next", "acting"),
        *("wait_seconds", "others_wait", "reports", "reported_at", "refused_since", "failure"),
        *("memberships", "waits_for", "holding_since", "quiet_turns"),
    }
)


def loop_to_json(loop: Loop) -> dict[str, Any]:
    """The loop as the state machine carries it: of one size from the first turn to the last."""
    return {
        **loop.rest,
        "onboarding_id": loop.onboarding_id,
        "target": {
            "service": str(loop.target.service),
            "region": loop.target.region,
            "left_out": [],
            "waits_for": loop.waits_for,
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


def loop_from_json(document: Mapping[str, Any]) -> Loop:
    """The loop from the map's item, from what :func:`loop_to_json` made, or an earlier version did.

    Raises:
        InvalidInput: it does not say which run or which target it is about.
    """
    target = document.get("target")
    place = _target(target)
    if not isinstance(target, dict) or place is None or "onboarding_id" not in document:
        raise InvalidInput("target", "is required, with onboarding_id: this is no target's loop")
    # An earlier version carried the memberships, and the ids of the accounts to act on as accounts.
    former = document.get("memberships")
    accounts = document.get("accounts", ())
    left_out = target.get("left_out", ())
    awaited = target.get("waits_for") or document.get("waits_for")
    return Loop(
        onboarding_id=document["onboarding_id"],
        target=place,
        accounts=tuple(
            account
            for account in _accounts_from_json(accounts if former is None else former)
            if account.id not in left_out
        ),
        dry_run=document.get("dry_run", False),
        waits_for=ServiceName(awaited) if awaited else None,
        resource=document.get("resource"),
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
    onboarding_id: str, plan: Plan, enrolled: Collection[MembershipKey], *, dry_run: bool
) -> dict[str, Any]:
    """What planning hands on: the accounts, and every target where any of them is enrolled."""
    targets = []
    for target in plan.targets:
        left_out = [a.id for a in plan.accounts if (a.id, target) not in enrolled]
        if len(left_out) < len(plan.accounts):
            targets.append(
                {
                    "service": str(target.service),
                    "region": target.region,
                    "left_out": left_out,
                    "waits_for": waits_for(target, plan.targets),
                }
            )
    return {
        "verdict": "enrol" if targets else "settled",
        "onboarding_id": onboarding_id,
        "dry_run": dry_run,
        "accounts": _accounts_to_json(plan.accounts),
        "targets": targets,
    }


def plan_from_document(document: Mapping[str, Any]) -> Plan:
    """The plan of an earlier version, as far as :func:`enrolment_document`'s form tells it.

    What it left out of a target it had ended, and recorded, already.
    """
    accounts = _accounts_from_json(document.get("accounts", ()))
    places = {
        Target(ServiceName(t["service"]), t["region"]): t.get("left_out", ())
        for t in document.get("targets", ())
    }
    left_out = tuple(
        Membership(account.id, target, account.mode)
        for target, ids in places.items()
        for account in accounts
        if account.id in ids
    )
    return Plan(accounts, tuple(places), left_out, tuple(document.get("notes", ())))


def plan_to_text(plan: Plan) -> str:
    """The plan as the table keeps it: without e-mail addresses, each reason once."""
    numbers = {account.id: number for number, account in enumerate(plan.accounts)}
    places = {target: number for number, target in enumerate(plan.targets)}
    settled: dict[tuple[str, Reason | None], list[list[int]]] = {}
    for membership in plan.settled:
        ended = str(membership.outcome), membership.reason
        pair = [numbers[membership.account_id], places[membership.target]]
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


def plan_from_text(text: str, onboarding_id: str, settled_at: float) -> Plan:
    """The plan back from what :func:`plan_to_text` made."""
    document = json.loads(text)
    accounts = _accounts_from_json(document["accounts"])
    targets = tuple(Target.of_key(key) for key in document["targets"])
    settled = tuple(
        Membership(
            accounts[number].id,
            targets[place],
            accounts[number].mode,
            onboarding_id,
            taken_at=settled_at,
        ).settled(
            Outcome(ended["outcome"]), reason_from(ended["reason"], ended.get("code")), settled_at
        )
        for ended in document.get("settled", ())
        for number, place in ended["memberships"]
    )
    return Plan(accounts, targets, settled, tuple(document.get("notes", ())))


def _target(value: object) -> Target | None:
    if not isinstance(value, dict) or "region" not in value:
        return None
    service = str(value.get("service"))
    return Target(ServiceName(service), value["region"]) if service in set(ServiceName) else None


def _accounts_to_json(accounts: Iterable[Account]) -> list[dict[str, Any]]:
    return [
        {"id": a.id, "email": a.email, "mode": str(a.mode), "regions_known": a.regions_known}
        for a in accounts
    ]


def _accounts_from_json(accounts: Iterable[Any]) -> tuple[Account, ...]:
    """Accounts, also as an earlier version's memberships tell of them."""
    return tuple(
        Account(
            AccountId(account.get("id") or account["account_id"]),
            account.get("email"),
            Mode(account["mode"]),
            account.get("regions_known", False),
        )
        for account in accounts
        if isinstance(account, dict)
    )
