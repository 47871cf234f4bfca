"""What reconciles have found so far: since when each gap exists, and how many were Enabled.

It is persisted from one reconcile to the next, by target. No e-mail addresses. Times are epoch
seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId
from functions.enrolment.stored import a_list, a_number, a_text, a_time, an_object, required

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from functions.enrolment.reconcile_plan import StoredGap

# A gap is old when reconciles have found it for a day, less an hour: daily ones do not survey at
# the same minute.
OLD_SECONDS = 23 * 3600

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class KnownTarget:
    """A target as the last reconcile that read it, at ``at``, left it.

    ``since`` are the accounts with a gap, and when a reconcile first found it; every reconcile that
    read the target since then found it again.
    """

    at: float
    enabled: int
    since: Mapping[AccountId, float]

    @property
    def old(self) -> int:
        """The number of old gaps."""
        return sum(self.at - since >= OLD_SECONDS for since in self.since.values())


# By the service's name and the Region.
KnownGaps = dict[Place, KnownTarget]


def since_of(known: Mapping[Place, KnownTarget], gap: StoredGap, surveyed_at: float) -> float:
    """When a gap that was found at ``surveyed_at`` was first found, as far as is known."""
    target = known.get((gap.target.service.name, gap.target.region))
    before = target.since if target is not None else {}
    return min(before.get(gap.account_id, surveyed_at), surveyed_at)


def with_found(
    known: Mapping[Place, KnownTarget],
    enabled: Mapping[Place, int],
    left: Collection[StoredGap],
    surveyed_at: float,
    configured: Collection[Place],
) -> KnownGaps:
    """What is known after a reconcile that began its survey at ``surveyed_at``.

    ``enabled`` are the targets that it read, ``left`` the gaps that are left. Targets that are not
    ``configured`` any more are dropped. What a later reconcile has found is kept.
    """
    found: dict[Place, dict[AccountId, float]] = {place: {} for place in enabled}
    for gap in left:
        place = (gap.target.service.name, gap.target.region)
        if place in found:
            found[place][gap.account_id] = since_of(known, gap, surveyed_at)
    new = {place: KnownTarget(surveyed_at, enabled[place], since) for place, since in found.items()}
    later = {place: it for place, it in known.items() if place in new and it.at > surveyed_at}
    return {
        place: it for place, it in {**known, **new, **later}.items() if place in set(configured)
    }


def lost(known: Mapping[Place, KnownTarget], now: Mapping[Place, KnownTarget]) -> int:
    """How many memberships were Enabled at the reconcile before and are gaps now.

    At each target the new gaps, as far as fewer are Enabled: an account that left the organisation
    is no gap, and a new account was not Enabled. Where both happened between two reconciles they
    are taken for one that was lost.
    """
    return sum(
        min(
            max(0, known[place].enabled - it.enabled),
            len(it.since.keys() - known[place].since.keys()),
        )
        for place, it in now.items()
        if place in known
    )


def known_to_json(known: Mapping[Place, KnownTarget]) -> dict[str, Any]:
    """As it is persisted: accounts with the same time are in one list."""
    targets = []
    for (service, region), it in known.items():
        by_time: dict[float, list[AccountId]] = {}
        for account, since in it.since.items():
            by_time.setdefault(since, []).append(account)
        targets.append(
            {
                "service": service,
                "region": region,
                "at": it.at,
                "enabled": it.enabled,
                "gaps": [{"since": at, "accounts": each} for at, each in by_time.items()],
            }
        )
    return {"version": "1", "targets": targets}


def known_from_json(document: Mapping[str, Any]) -> KnownGaps:
    """What was persisted.

    Raises:
        Unreadable: a field has another form.
    """
    return dict(required(document, "targets", a_list(_known_target)))


def _known_target(value: Any) -> tuple[Place, KnownTarget]:
    target = an_object(value)
    place = (required(target, "service", a_text), required(target, "region", a_text))
    groups = required(target, "gaps", a_list(_known_since))
    since = {account: at for group in groups for account, at in group.items()}
    at, enabled = required(target, "at", a_time), required(target, "enabled", a_number)
    return place, KnownTarget(at, enabled, since)


def _known_since(value: Any) -> dict[AccountId, float]:
    group = an_object(value)
    since = required(group, "since", a_time)
    return {AccountId(account): since for account in required(group, "accounts", a_list(a_text))}
