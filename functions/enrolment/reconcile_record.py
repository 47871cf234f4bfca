"""The record of a reconcile, and its conversion to and from the table's item."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PUBLISHED = "published_"


@dataclass(frozen=True, slots=True)
class ReconcileRecord:
    """One reconcile; ``id`` is the name of its execution, ``source`` ``schedule`` or ``manual``.

    ``paused_at`` is when its survey began, set if only a part of the survey is persisted yet.
    ``surveyed_at``: changes after it may be missing in the plan; set once that is persisted.
    ``runs`` are the numbers of the batches that are started, ``begun_at`` when that began,
    ``await_until`` how long their ends are awaited; None before. ``published`` holds the ids of
    what was published, by channel. ``outcome`` and ``closed_at`` are set once it has ended, and
    ``gaps``, how many are left at the targets that it read, if it has surveyed them, and
    ``unfinished``, the channels on which it could not be published. Times are epoch seconds.
    """

    id: str
    source: str
    started_at: float
    execution_arn: str
    paused_at: float | None = None
    surveyed_at: float | None = None
    runs: tuple[int, ...] = ()
    begun_at: float | None = None
    await_until: float | None = None
    outcome: str | None = None
    closed_at: float | None = None
    gaps: int | None = None
    unfinished: tuple[str, ...] = ()
    published: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def reconcile_to_item(record: ReconcileRecord) -> dict[str, Any]:
    """The attributes of a reconcile that begins."""
    return {
        "reconcile_id": record.id,
        "source": record.source,
        "started_at": record.started_at,
        "execution_arn": record.execution_arn,
    }


def reconcile_from_item(item: Mapping[str, Any]) -> ReconcileRecord:
    """Read a reconcile from its item."""
    return ReconcileRecord(
        id=item["reconcile_id"],
        source=item["source"],
        started_at=float(item["started_at"]),
        execution_arn=item["execution_arn"],
        paused_at=_time(item.get("paused_at")),
        surveyed_at=_time(item.get("surveyed_at")),
        runs=tuple(int(number) for number in item.get("runs", ())),
        begun_at=_time(item.get("begun_at")),
        await_until=_time(item.get("await_until")),
        outcome=item.get("outcome"),
        closed_at=_time(item.get("closed_at")),
        gaps=None if item.get("gaps") is None else int(item["gaps"]),
        unfinished=tuple(item.get("unfinished", ())),
        published={
            name.removeprefix(_PUBLISHED): sent
            for name, sent in item.items()
            if name.startswith(_PUBLISHED)
        },
    )


def _time(value: Any) -> float | None:
    return None if value is None else float(value)
