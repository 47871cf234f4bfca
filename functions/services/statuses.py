"""Reads a member's status from the service's own spelling."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from functions.enrolment.membership import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.services.record import ServiceRecord


def read_status(service: ServiceRecord, raw: str) -> Status:
    """The status that a service spells ``raw``; UNKNOWN if none.

    Case, spaces and underscores are ignored: the services differ in them.
    """
    return _by_spelling(service).get(_normalise(raw), Status.UNKNOWN)


@cache
def _by_spelling(service: ServiceRecord) -> Mapping[str, Status]:
    return {_normalise(word): status for word, status in service.statuses.items()}


def _normalise(raw: str) -> str:
    return raw.casefold().replace("_", "").replace(" ", "")
