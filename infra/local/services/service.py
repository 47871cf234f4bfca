"""What makes a service of the local world: one class says everything that is its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.api import Caller, Operation, Wording
    from infra.local.facts.rates import Rate
    from infra.local.facts.state import State
    from infra.local.wire.constraints import Violation


class LocalService(ABC):
    """An `infra.local.api.Service` made for a state; `infra.local.services.registry` lists them."""

    name: ClassVar[str]
    # As people call it.
    label: ClassVar[str]
    wording: ClassVar[Wording]
    # Seconds and counts that commands can change, by names no other service has.
    timings: ClassVar[Mapping[str, float]] = {}
    limits: ClassVar[Mapping[str, float]] = {}
    # Whether it refuses callers of Regions that their account has not opted in to.
    regional: ClassVar[bool] = True

    def __init__(self, state: State) -> None:
        self.state = state

    def refused(self, broken: Sequence[Violation]) -> Sequence[Violation]:
        """Those of the violations of its model for which it refuses a request."""
        return broken

    def rates(self, who: Caller, operation: str) -> Mapping[tuple[str, ...], Rate]:
        """What limits a request now, each with whatever shares it."""
        return {}

    @property
    @abstractmethod
    def operations(self) -> Mapping[str, Operation]: ...
