"""Weeks of an organisation, from a seed: its facts, what happens in it, and what goes wrong.

Everything is composed before anything runs, as data, so that a world can be played again with fewer
of its happenings and troubles.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.configuration import Configuration, Invitation, Reconcile, Timing
from functions.services import registry
from tests.simulation.troubles import Kind, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
REGIONS = ("eu-west-1", "us-east-1")
OPT_IN = "me-south-1"
# How long troubles and happenings go on, at most, in days.
_DAYS = (1, 1, 1, 1, 2, 4)
_ACCEPTING = Invitation(member_role="RollcallMember", external_id="rollcall-test")


@dataclass(frozen=True, slots=True)
class Happening:
    """``at`` is in seconds since the beginning; ``do`` names a method of ``life.Life``."""

    at: float
    do: str
    given: Mapping[str, Any]

    def __str__(self) -> str:
        given = ", ".join(f"{key}={value}" for key, value in self.given.items())
        return f"{self.at / HOUR:8.2f} h  {self.do}({given})"


@dataclass(frozen=True, slots=True)
class Weeks:
    """``timings`` are those of the local services; ``accounts`` are in the organisation from the
    beginning, by number, with their facts. ``seconds`` is when the last happening and trouble is
    over.
    """

    seed: int
    configuration: Configuration
    timings: Mapping[str, float]
    accounts: Mapping[int, Mapping[str, Any]]
    management_enables: bool
    auto_enable: str
    happenings: Sequence[tuple[int, Happening]]
    troubles: Sequence[tuple[int, Trouble]]
    seconds: float

    def only(self, happenings: Sequence[int] | None, troubles: Sequence[int] | None) -> Weeks:
        """The same with these numbers only; None is all."""
        return replace(
            self,
            happenings=[e for e in self.happenings if happenings is None or e[0] in happenings],
            troubles=[e for e in self.troubles if troubles is None or e[0] in troubles],
        )


def compose(seed: int) -> Weeks:
    """The weeks of a seed: always the same."""
    return _Composer(random.Random(f"weeks {seed}")).compose(seed)  # noqa: S311  # no secret


class _Composer:
    def __init__(self, draws: random.Random) -> None:
        self._draws = draws
        self._accounts: dict[int, dict[str, Any]] = {}
        self._outside: list[int] = []
        self._happenings: list[Happening] = []
        # When the accounts come, by number.
        self._comes: dict[int, float] = {}

    def compose(self, seed: int) -> Weeks:
        draws = self._draws
        self._seconds = draws.choice(_DAYS) * DAY
        configuration = self._configuration()
        self._configured = configuration
        for _ in range(draws.randrange(4)):
            self._accounts[self._number(0)] = {"volume": draws.choice(["measured", "known"])}
        makers: Sequence[tuple[int, Callable[[float], None]]] = (
            (5, self._created),
            (2, self._burst),
            (2, self._vended),
            (3, self._invited),
            (2, self._joins),
            (2, self._suspended),
            (1, self._departs),
            (2, self._by_hand),
            (3, self._started_by_hand),
            (2, self._reconciled),
            (2, self._aborted),
            (1, self._redriven),
            (2, self._deployed),
            (1, self._administrator_removed),
            (2, self._odd_text),
            (1, self._opted_in),
            (1, self._overridden),
        )
        weights, kinds = [weight for weight, _ in makers], [make for _, make in makers]
        for _ in range(draws.randint(2, 5)):
            draws.choices(kinds, weights)[0](draws.uniform(0, self._seconds * 0.8))
        happenings = sorted(self._happenings, key=lambda each: each.at)
        return Weeks(
            seed,
            configuration,
            self._timings(),
            self._accounts,
            management_enables=draws.random() < 0.7,
            auto_enable=draws.choices(["NONE", "NEW", "ALL"], [6, 2, 1])[0],
            happenings=list(enumerate(happenings)),
            troubles=list(enumerate(self._troubles())),
            seconds=self._seconds,
        )

    def _number(self, comes: float) -> int:
        number = len(self._comes) + 1
        self._comes[number] = comes
        return number

    def _configuration(self) -> Configuration:
        draws = self._draws
        regions = draws.choices([REGIONS[:1], REGIONS, (*REGIONS[:1], OPT_IN)], [5, 1, 1])[0]
        services = draws.choices(
            [registry.SERVICES, registry.SERVICES[:2], registry.SERVICES[1:]], [4, 1, 1]
        )[0]
        most = draws.choice([100, 100, 100, 2])
        return Configuration(
            regions,
            services,
            _ACCEPTING if draws.random() < 0.6 else Invitation(),
            timing=replace(
                draws.choice([Timing(), Timing(first_wait=60, longest_wait=1800)]),
                invitation_deadline=int(draws.choice([2, 2, 2, 7]) * DAY),
            ),
            reconcile=Reconcile(most_changes=most),
        )

    def _timings(self) -> dict[str, float]:
        draws = self._draws
        slow = draws.choice([1.0, 1.0, 30.0, 400.0])
        return {
            "securityhub_enable": draws.uniform(0.5, 2) * slow,
            "guardduty_enable": draws.uniform(0.5, 2) * slow,
            "detective_verification": draws.uniform(0.5, 2) * slow,
            "detective_volume": draws.choice([2.0, HOUR, 30 * HOUR]),
            "detective_recheck": draws.choice([2.0, 20 * HOUR]),
            "guardduty_email_verification": draws.uniform(1, 900),
            "organization_auto_enable": draws.choice([1.0, HOUR, 20 * HOUR]),
            "account_creation": draws.uniform(1, 600),
            "administrator_removal": draws.uniform(1, 600),
            "deleted_visible": draws.choice([0.0, 120.0]),
        }

    def _happens(self, at: float, do: str, **given: Any) -> None:
        self._happenings.append(Happening(at, do, given))

    def _created(self, at: float) -> None:
        self._happens(at, "create", number=self._number(at))

    def _burst(self, at: float) -> None:
        for _ in range(self._draws.randint(2, 4)):
            self._created(at + self._draws.uniform(0, 90))

    def _vended(self, at: float) -> None:
        number, later = self._number(at), at + self._draws.uniform(5, 40) * MINUTE
        self._happens(at, "create", number=number)
        self._happens(later, "control_tower", number=number)

    def _anybody(self, at: float) -> int:
        """An account that is there then; a new one if there is none."""
        there = [number for number, comes in self._comes.items() if comes <= at]
        if there:
            return self._draws.choice(there)
        self._created(max(0, at - 15 * MINUTE))
        return len(self._comes)

    def _invited(self, at: float) -> None:
        """An account outside: its owner accepts soon, late or never, or another was first."""
        draws, number = self._draws, self._number(at)
        accepts = draws.choice([None, 2 * HOUR, DAY, 20 * DAY])
        role = self._configured.invitation.member_role is not None and draws.random() < 0.6
        stranger = draws.choice([None, None, None, "invites", "invites", "has"])
        self._happens(
            max(0, at - HOUR),
            "outside",
            number=number,
            accepts=accepts,
            role=role,
            stranger=stranger,
        )
        self._happens(at, "start", numbers=[number], mode="invitation", email="right")
        if draws.random() < 0.3:
            leaves = at + draws.uniform(0, 2) * DAY
            self._happens(leaves, "leave_by_itself", number=number)
            if draws.random() < 0.7:
                again = leaves + draws.uniform(0, 4) * HOUR
                self._happens(again, "start", numbers=[number], mode="invitation", email="right")

    def _joins(self, at: float) -> None:
        number = self._number(at)
        self._happens(at, "outside", number=number, accepts=None, role=False, stranger=None)
        self._happens(at + self._draws.uniform(1, 600), "join", number=number)

    def _suspended(self, at: float) -> None:
        number = self._anybody(at)
        self._happens(at, "suspend", number=number)
        if self._draws.random() < 0.5:
            self._happens(at + self._draws.uniform(0, 1) * DAY, "reopen", number=number)

    def _departs(self, at: float) -> None:
        self._happens(at, "depart", number=self._anybody(at))

    def _by_hand(self, at: float) -> None:
        place = self._draws.choice(self._configured.targets)
        what = self._draws.choice(["DisassociateMembers", "DeleteMembers", "StopMonitoringMembers"])
        self._happens(
            at,
            "by_hand",
            number=self._anybody(at),
            service=place.service.name,
            region=place.region,
            operation=what,
        )

    def _started_by_hand(self, at: float) -> None:
        draws = self._draws
        numbers = sorted({self._anybody(at) for _ in range(draws.randint(1, 3))})
        given: dict[str, Any] = {"numbers": numbers}
        if draws.random() < 0.3:
            given["dry_run"] = True
        if draws.random() < 0.3:
            given["services"] = [draws.choice(self._configured.services).name]
        if draws.random() < 0.2:
            given["email"] = draws.choice(["right", "wrong"])
        self._happens(at, "start", **given)
        if draws.random() < 0.4:
            self._happens(at + self._soon(120), "start", **given)

    def _reconciled(self, at: float) -> None:
        given = {"retry_failed": True} if self._draws.random() < 0.3 else {}
        self._happens(at, "reconcile", **given)
        if self._draws.random() < 0.4:
            self._happens(at + self._draws.uniform(0, 30), "reconcile", **given)

    def _aborted(self, at: float) -> None:
        number = self._number(at)
        self._happens(at, "create", number=number)
        self._happens(at + self._draws.uniform(5, 900), "abort", which=self._draws.random())

    def _redriven(self, at: float) -> None:
        self._aborted(at)
        self._happens(at + self._draws.uniform(1000, 8000), "redrive", which=self._draws.random())

    def _deployed(self, at: float) -> None:
        changes = ["regions", "services", "timing", "over the first version"]
        change = self._draws.choice(changes)
        self._happens(at, "deploy", change=change)

    def _administrator_removed(self, at: float) -> None:
        place = self._draws.choice(self._configured.targets)
        given = {"service": place.service.name, "region": place.region}
        self._happens(at, "remove_administrator", **given)
        self._happens(at + self._draws.uniform(1, 20) * HOUR, "restore_administrator", **given)

    def _odd_text(self, at: float) -> None:
        """An account that a service refuses at first, with whatever text."""
        draws, number = self._draws, self._number(at)
        said = draws.choice(_TEXTS)
        for service in draws.sample(self._configured.services, draws.choice([1, 2])):
            self._happens(
                at, "say", number=number, service=service.name, text=said, times=draws.randint(1, 4)
            )
        self._happens(at, "create", number=number)

    def _opted_in(self, at: float) -> None:
        self._happens(at, "opt_in", number=self._anybody(at))

    def _overridden(self, at: float) -> None:
        """The same account twice, at nearly the same time, by a person and by an event."""
        number = self._number(at)
        self._happens(at, "create", number=number)
        self._happens(at + self._soon(900), "start", numbers=[number])

    def _soon(self, most: float) -> float:
        """At most so many seconds; often so few that both do the same at the same time."""
        return self._draws.uniform(0, self._draws.choice([1.5, most]))

    def _troubles(self) -> list[Trouble]:
        draws = self._draws
        return [self._trouble() for _ in range(draws.choice([0, 2, 3, 4, 6, 9]))]

    def _trouble(self) -> Trouble:
        draws = self._draws
        kind = draws.choice(list(Kind))
        start = draws.uniform(0, self._seconds)
        if draws.random() < 0.8:
            start = max(0.0, draws.choice(self._happenings).at - draws.uniform(0, 120))
        seconds = draws.choice([20.0, 5 * MINUTE, HOUR, 12 * HOUR])
        share = draws.choice([0.05, 0.2, 0.5, 1.0])
        where, amount = draws.choice(_PLACES), 0.0
        match kind:
            case Kind.DENIED:
                seconds, share = HOUR, 1.0
                where = draws.choice([place for place in _PLACES if place != "*"])
            case Kind.KILLED | Kind.KILLED_AFTER | Kind.REPLY_LOST:
                share = draws.choice([0.02, 0.1, 0.4])
            case Kind.SLOW:
                amount = draws.choice([1.0, 15.0])
            case Kind.STALE:
                amount, where = draws.choice([2.0, 60.0]), "*"
            case Kind.CLOCK:
                amount, share = draws.choice([-120.0, 120.0]), 0.5
            case Kind.EVENT_LATE:
                amount, share = draws.choice([HOUR, 20 * HOUR]), 0.7
            case _:
                pass
        if kind in _OF_FUNCTIONS or kind in _OF_EVENTS:
            where = "*"
        end = min(start + seconds, self._seconds)
        return Trouble(kind, start, end - start, share, where, amount)


_TEXTS = (
    "Internal error",
    "The request was rejected: try again",
    "?",
    "ÿ" * 400,
    "somebody@example.org is in use",
    "The e-mail address is not that of the account: <somebody@example.org>",
)
_OF_FUNCTIONS = frozenset({Kind.REPLY_LOST, Kind.CLOCK})
_OF_EVENTS = frozenset({Kind.EVENT_LOST, Kind.EVENT_TWICE, Kind.EVENT_LATE})
_PLACES = (
    "*",
    "*",
    "*",
    "dynamodb:*",
    "dynamodb:TransactWriteItems",
    "dynamodb:UpdateItem",
    "dynamodb:BatchGetItem",
    "securityhub:*",
    "guardduty:*",
    "detective:*",
    "*:CreateMembers",
    "*:InviteMembers",
    "*:GetMembers",
    "*:ListMembers",
    "organizations:*",
    "sts:*",
    "s3:*",
    "eventbridge:*",
    "sns:*",
    "sfn:*",
)
