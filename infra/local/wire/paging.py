"""NextToken paging and the timestamp forms the services answer with."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def page(items: Sequence[T], token: str | None, size: int) -> tuple[list[T], str | None]:
    """One page from where the token points, and the token of the next; ValueError if unreadable."""
    start = _position(token) if token else 0
    following = start + size
    return list(items[start:following]), _token(following) if following < len(items) else None


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(f"from:{position}".encode()).decode()


def _position(token: str) -> int:
    try:
        kind, _, position = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    except (binascii.Error, UnicodeError) as error:
        raise ValueError(token) from error
    if kind != "from" or not position.isdigit():
        raise ValueError(token)
    return int(position)


def when(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def iso(at: float) -> str:
    """``2026-11-20T08:26:57.000Z``, the form of GuardDuty's and Security Hub's text timestamps."""
    return when(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
