"""The sample events that rules are tried with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.enrolment.regions import is_opt_in
from functions.intake.arrivals import ARRIVALS, CLOUDTRAIL
from functions.intake.pattern import matches
from infra.local.samples import SAMPLES, SAMPLES_MANAGEMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from functions.enrolment.configuration import Configuration


@dataclass(frozen=True, slots=True)
class Samples:
    """Events as AWS sends them, as the organisation's management account has them.

    ``wanted`` start a run, by the event's name. ``ignored`` do not.
    """

    wanted: Mapping[str, Sequence[Mapping[str, Any]]]
    ignored: Sequence[Mapping[str, Any]]


def samples_of(
    wanted: Mapping[str, Mapping[str, Any]], management: str, configuration: Configuration
) -> Samples:
    """The sample events, divided by this version's patterns.

    There is one of an event about a Region for each opt-in Region.
    """
    opt_in = [region for region in configuration.regions if is_opt_in(region)]
    found: dict[str, list[Mapping[str, Any]]] = {name: [] for name in wanted}
    ignored = []
    for path in sorted(SAMPLES.glob("*.json")):
        text = path.read_text().replace(SAMPLES_MANAGEMENT, management)
        for event in _variants(json.loads(text), opt_in):
            names = [name for name, pattern in wanted.items() if matches(pattern, event)]
            for name in names:
                found[name].append(event)
            if not names:
                ignored.append(event)
    return Samples(found, ignored)


def _variants(event: dict[str, Any], opt_in: Sequence[str]) -> list[dict[str, Any]]:
    """The event about each Region, and with each detail-type where AWS does not document it."""
    detail = event["detail"]
    if "regionName" in detail and opt_in:
        return [event | {"detail": detail | {"regionName": region}} for region in opt_in]
    arrival = ARRIVALS.get(event_name(event))
    if arrival is not None and not arrival.documented:
        return [event | {"detail-type": kind} for kind in CLOUDTRAIL]
    return [event]


def event_name(event: Mapping[str, Any]) -> str:
    """The name of an event, as in ``ARRIVALS``."""
    return str(event["detail"].get("eventName", event["detail-type"]))
