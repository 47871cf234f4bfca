"""A world of services that do as a test says and remember what they were asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.facts.clock import ManualClock
from infra.local.gateway.calls import CallLog
from infra.local.gateway.endpoint import Endpoint
from infra.local.gateway.faults import Faults
from infra.local.services.registry import SERVICES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.api import Caller, Operation, Service, Wording
    from infra.local.wire.constraints import Violation


class EchoService:
    """Answers each operation with the result or error it was given."""

    def __init__(self, name: str, answers: Mapping[str, dict[str, Any] | Exception]) -> None:
        self._name = name
        self.asked: list[tuple[Caller, str, dict[str, Any]]] = []
        self._operations = {
            operation: self._operation(operation, answer) for operation, answer in answers.items()
        }

    @property
    def name(self) -> str:
        return self._name

    @property
    def wording(self) -> Wording:
        return next(service.wording for service in SERVICES if service.name == self._name)

    def refused(self, broken: Sequence[Violation]) -> Sequence[Violation]:
        return broken

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

    def _operation(self, operation: str, answer: dict[str, Any] | Exception) -> Operation:
        def act(caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
            self.asked.append((caller, operation, parameters))
            if isinstance(answer, Exception):
                raise answer
            return answer

        return act


class EchoWorld:
    """One service, its endpoint, and the faults and calls of that endpoint."""

    def __init__(self, name: str, answers: Mapping[str, dict[str, Any] | Exception]) -> None:
        self.service = EchoService(name, answers)
        self.clock = ManualClock()
        self.faults = Faults()
        self.calls = CallLog()
        self.endpoint = Endpoint(self, self.clock, self.faults, self.calls)

    @property
    def services(self) -> Mapping[str, Service]:
        return {self.service.name: self.service}

    @property
    def parameters(self) -> dict[str, Any]:
        """What the last operation was called with."""
        return self.service.asked[-1][2]
