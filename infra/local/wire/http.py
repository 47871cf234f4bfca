"""A request and its response, apart from whatever carries them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` and ``query`` as sent, percent-encoded; header names in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """``delay`` is how many seconds the carrier holds the response back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    delay: float = 0.0
