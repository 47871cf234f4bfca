"""Faults that can be switched on: which calls fail or lag, and how, decided by a seed."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from infra.local.api import ServiceError
from infra.local.facts.timings import is_amount

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from infra.local.api import Wording

ANY = "*"


class FaultKind(StrEnum):
    THROTTLING = "throttling"
    SERVER_ERROR = "server_error"
    EFFECT_THEN_ERROR = "effect_then_error"
    ACCESS_DENIED = "access_denied"
    LATENCY = "latency"


# What becomes of a call, by kind, and what a fault's keys take.
KINDS: Mapping[FaultKind, str] = {
    FaultKind.THROTTLING: "the service's throttling error; nothing is done",
    FaultKind.SERVER_ERROR: "the service's internal error; nothing is done",
    FaultKind.EFFECT_THEN_ERROR: "the operation is done, then the internal error is returned",
    FaultKind.ACCESS_DENIED: "AccessDeniedException; nothing is done",
    FaultKind.LATENCY: "the response is delayed by `seconds`",
}
KEYS: Mapping[str, str] = {
    "kind": "one of the kinds above; required",
    "service": f"the service's name in botocore; `{ANY}` for any, as for the next three",
    "region": "the Region that is called",
    "operation": "the operation, such as `CreateMembers`",
    "account_id": "the account that calls",
    "probability": "of each call, from 0 to 1; `--seed` decides which (1)",
    "times": "how many calls of each operation, account and Region; without it all",
    "seconds": "the delay, for `latency` (0)",
}


@dataclass(frozen=True, slots=True)
class CallTarget:
    """What one call is aimed at."""

    service: str
    region: str
    operation: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A switch: the calls it matches (``*`` is any) and what becomes of them.

    ``times`` counts matching calls of each operation, account and Region by itself, so that calls
    made at once cannot change each other's fate; None is without end. ``seconds`` is for latency.
    """

    kind: FaultKind
    service: str = ANY
    region: str = ANY
    operation: str = ANY
    account_id: str = ANY
    probability: float = 1.0
    times: int | None = None
    seconds: float = 0.0

    @classmethod
    def from_json(cls, document: dict[str, Any], services: Collection[str]) -> Fault:
        """Raises ValueError that names the key and what it takes."""
        unknown = sorted(document.keys() - set(cls.__slots__))
        if unknown:
            raise ValueError(f"{unknown[0]}: unknown; a fault has {', '.join(cls.__slots__)}")
        try:
            kind = FaultKind(document.get("kind", ""))
        except ValueError:
            raise ValueError(f"kind: one of {', '.join(FaultKind)}") from None
        for key in ("service", "region", "operation", "account_id"):
            if not isinstance(document.get(key, ANY), str):
                raise ValueError(f"{key}: a string, or {ANY} for any")
        if document.get("service", ANY) not in {ANY, *services}:
            raise ValueError(f"service: {ANY} or one of {', '.join(services)}")
        probability = document.get("probability", 1.0)
        if not is_amount(probability) or probability > 1:
            raise ValueError("probability: a number from 0 to 1")
        times = document.get("times")
        if times is not None and (not is_amount(times) or not isinstance(times, int)):
            raise ValueError("times: a whole number of calls")
        if not is_amount(document.get("seconds", 0.0)):
            raise ValueError("seconds: a number, not negative")
        return cls(**document | {"kind": kind})

    def matches(self, target: CallTarget) -> bool:
        wanted = (self.service, self.region, self.operation, self.account_id)
        found = (target.service, target.region, target.operation, target.account_id)
        return all(want in (ANY, have) for want, have in zip(wanted, found, strict=True))


@dataclass(frozen=True, slots=True)
class FaultEffect:
    """What becomes of one call: ``error`` instead of it, ``error_after`` it, and its delay."""

    error: FaultKind | None = None
    error_after: FaultKind | None = None
    delay: float = 0.0


class Faults:
    """The switches that are on. The same seed, switches and calls always meet the same faults."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._faults: list[Fault] = []
        self._calls: Counter[tuple[int, CallTarget]] = Counter()

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()
        self._calls.clear()

    def read(self) -> Sequence[Fault]:
        return tuple(self._faults)

    def judge(self, target: CallTarget) -> FaultEffect:
        """Count this call against every switch it matches; the first error found is answered."""
        error: FaultKind | None = None
        error_after: FaultKind | None = None
        delay = 0.0
        for number, fault in enumerate(self._faults):
            if not fault.matches(target) or not self._strikes(number, fault, target):
                continue
            match fault.kind:
                case FaultKind.LATENCY:
                    delay += fault.seconds
                case FaultKind.EFFECT_THEN_ERROR:
                    error_after = error_after or fault.kind
                case _:
                    error = error or fault.kind
        return FaultEffect(error, error_after, delay)

    def _strikes(self, number: int, fault: Fault, target: CallTarget) -> bool:
        struck = self._calls[number, target]
        self._calls[number, target] += 1
        if fault.times is not None and struck >= fault.times:
            return False
        draw = hashlib.sha256(f"{self._seed} {number} {target} {struck}".encode()).digest()
        return int.from_bytes(draw[:8]) / 2**64 < fault.probability


def error_of(kind: FaultKind, target: CallTarget, wording: Wording) -> ServiceError:
    """What the service answers when the fault strikes."""
    match kind:
        case FaultKind.THROTTLING:
            return ServiceError(wording.throttling, "Rate exceeded")
        case FaultKind.ACCESS_DENIED:
            action = f"{target.service}:{target.operation}"
            return ServiceError(
                "AccessDeniedException",
                f"User: arn:aws:iam::{target.account_id}:root is not authorized to perform: "
                f"{action} because no identity-based policy allows the {action} action",
            )
        case _:
            return ServiceError(
                wording.server_error, "An internal error occurred. Try again later."
            )
