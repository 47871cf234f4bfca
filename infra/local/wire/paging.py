"""NextToken paging and the timestamp forms the services answer with."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


def page(items: Sequence[T], token: str | None, size: int) -> tuple[list[T], str | None]:
    """One page from where the token points, and the token of the next; ValueError if unreadable."""
    start = _position(token) if token else 0
    following = start + size
    return list(items[start:following]), _token("from", following) if following < len(
        items
    ) else None


def page_by_key(
    keys: Sequence[str], show: Callable[[str], T | None], token: str | None, size: int
) -> tuple[list[T], str | None]:
    """As `page`, of what is shown of sorted keys, None for those that are left out.

    It reads no more keys than the page takes. The token names a key, so that what is added or left
    out between two pages moves nothing from one to the other.
    """
    shown: list[T] = []
    start = bisect_right(keys, _read(token, "after")) if token else 0
    last = ""
    for position in range(start, len(keys)):
        item = show(keys[position])
        if item is None:
            continue
        if len(shown) == size:
            return shown, _token("after", last)
        shown.append(item)
        last = keys[position]
    return shown, None


def _token(kind: str, value: object) -> str:
    return base64.urlsafe_b64encode(f"{kind}:{value}".encode()).decode()


def _position(token: str) -> int:
    position = _read(token, "from")
    if not position.isdigit():
        raise ValueError(token)
    return int(position)


def _read(token: str, wanted: str) -> str:
    try:
        kind, _, value = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    except (binascii.Error, UnicodeError) as error:
        raise ValueError(token) from error
    if kind != wanted:
        raise ValueError(token)
    return value


def when(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def iso(at: float) -> str:
    """``2026-11-20T08:26:57.000Z``, the form of GuardDuty's and Security Hub's text timestamps."""
    return when(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
