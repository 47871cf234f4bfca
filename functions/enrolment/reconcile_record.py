"""The record of a reconcile, and its conversion to and from the table's item."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.records import published_in
from functions.enrolment.stored import (
    a_list,
    a_number,
    a_text,
    a_time,
    optional,
    reading,
    required,
    row_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    """Read a reconcile from its item.

    Raises:
        Unreadable: a field has another form.
    """
    with reading(row_of(item)):
        return ReconcileRecord(
            id=required(item, "reconcile_id", a_text),
            source=required(item, "source", a_text),
            started_at=required(item, "started_at", a_time),
            execution_arn=required(item, "execution_arn", a_text),
            paused_at=optional(item, "paused_at", a_time, None),
            surveyed_at=optional(item, "surveyed_at", a_time, None),
            runs=optional(item, "runs", a_list(a_number), ()),
            begun_at=optional(item, "begun_at", a_time, None),
            await_until=optional(item, "await_until", a_time, None),
            outcome=optional(item, "outcome", a_text, None),
            closed_at=optional(item, "closed_at", a_time, None),
            gaps=optional(item, "gaps", a_number, None),
            unfinished=optional(item, "unfinished", a_list(a_text), ()),
            published=published_in(item),
        )
