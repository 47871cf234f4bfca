"""Times and durations for people and documents."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(at: float, timespec: str = "milliseconds") -> str:
    """Epoch seconds as ISO 8601 in UTC."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec=timespec)
    return moment.replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """A duration for people in its two largest units, for example ``1 h 5 min``."""
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    rest = max(0, round(seconds))
    parts: list[str] = []
    for size, unit in units:
        count, rest = divmod(rest, size)
        if count and len(parts) < 2:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"
