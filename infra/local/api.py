"""What the local services and the endpoint that speaks for them agree on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from infra.local.wire.constraints import Violation


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request: the account and Region of its SigV4 credential scope."""

    account_id: str
    region: str


# Parameters and results use the botocore model's own member names and Python types.
Operation = Callable[[Caller, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wording:
    """A service's own errors for what any of its operations may meet."""

    # Codes.
    throttling: str
    server_error: str
    # For parameters that break the model's constraints.
    invalid_input: Callable[[Sequence[Violation]], ServiceError]
    # For a body that is no JSON, or holds a value of another type; takes what is wrong with it.
    malformed: Callable[[str], ServiceError]


class Service(Protocol):
    """One AWS service: its operations by the name the botocore model gives them."""

    @property
    def name(self) -> str:
        """The botocore service name, for example ``securityhub``."""
        ...

    @property
    def wording(self) -> Wording:
        """How it words what any of its operations may be refused with."""
        ...

    def refused(self, broken: Sequence[Violation]) -> Sequence[Violation]:
        """Those of the violations of its model for which it refuses a request."""
        ...

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The operations this service answers; any other is answered as unknown."""
        ...


class ServiceError(Exception):
    """A modelled error: its code, its message and any further modelled members."""

    def __init__(self, code: str, message: str, **members: object) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.members = members
