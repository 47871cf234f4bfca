"""Reads a member's status from the service's own spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.enrolment.membership import Status

if TYPE_CHECKING:
    from functions.services.record import ServiceRecord


def read_status(service: ServiceRecord, raw: str) -> Status:
    """The status that a service spells ``raw``; UNKNOWN if none.

    Case, spaces and underscores are ignored: the services differ in them.
    """
    spelled = _normalise(raw)
    return next(
        (status for word, status in service.statuses.items() if _normalise(word) == spelled),
        Status.UNKNOWN,
    )


def _normalise(raw: str) -> str:
    return raw.casefold().replace("_", "").replace(" ", "")
