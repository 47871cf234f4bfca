"""What services answer, before it is put on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.wire.http import Request, Response


class Refusal(Exception):
    """An error of a service; ``members`` stand beside the code and the message."""

    def __init__(
        self, code: str, message: str, status: int = 400, members: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members or {}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, parsed: what IAM calls it, what it is about, and how it is done.

    ``actions`` are those of IAM, ``resources`` what they are done on, as ARNs. ``share`` is the
    same as ``do``, done for a part of a batch only; None where the service has no such thing.
    """

    actions: frozenset[str]
    resources: tuple[str, ...]
    do: Callable[[], Mapping[str, Any]]
    share: Callable[[], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Errors:
    """A service's own codes for what can become of any request, with their HTTP statuses."""

    throttled: tuple[str, int]
    failed: tuple[str, int]
    denied: tuple[str, int] = field(default=("AccessDeniedException", 400))


class AroundService(Protocol):
    errors: Errors

    def ask(self, operation: str, request: Request) -> Asked:
        """What a request asks for; nothing is done yet."""
        ...

    def answer(self, operation: str, result: Mapping[str, Any]) -> Response:
        """A result on the wire."""
        ...

    def refuse(self, refusal: Refusal) -> Response:
        """An error on the wire."""
        ...
