"""The rates at which a reconcile sends requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.aws import directory as organizations
from functions.enrolment.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from functions.services.record import ServiceRecord


def survey_rates(
    services: Sequence[ServiceRecord], configured: Mapping[str, int]
) -> dict[str, Rate]:
    """The rates that a reconcile keeps to: its survey by ``Pacing``, its runs by their pace.

    ``configured`` are requests per second by service, in place of the service's own rate.
    """
    own = {
        record.name: Rate(configured[record.name], configured[record.name])
        if record.name in configured
        else record.rate
        for record in services
    }
    return {**organizations.RATES, **own}
