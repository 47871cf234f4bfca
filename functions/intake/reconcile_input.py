"""Reads the input of a reconcile (docs/reconcile-input.schema.json)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.enrolment.configuration import MOST_CHANGES
from functions.enrolment.document import Document, a_boolean, a_list, a_whole_number, one_of
from functions.enrolment.errors import InvalidInput
from functions.enrolment.reconcile import Settings
from functions.intake.manual import MANUAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.configuration import Configuration
    from functions.enrolment.rate import Rate
    from functions.enrolment.target import Target

SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """What a reconcile covers, in the order of enrolment, and how it decides.

    ``source`` is ``schedule`` or ``manual``.
    """

    source: str
    targets: tuple[Target, ...]
    settings: Settings


def read_reconcile_input(
    value: object, configuration: Configuration, rates: Mapping[str, Rate]
) -> ReconcileRequest:
    """Read the input of a reconcile. Services and Regions must be configured ones.

    ``rates`` are those of every service by name, for the pace of the runs.

    Where the input does not name services, Regions or the most changes, those configured for
    reconciles apply. Targets that AWS does not offer are left out.

    Raises:
        InvalidInput: a value is invalid; the message names the field and the allowed values.
    """
    services = {service.name: service.name for service in configuration.services}
    regions = {region: region for region in configuration.regions}
    usual = configuration.reconcile
    document = Document(value)
    source = document.optional("source", one_of({SCHEDULE: SCHEDULE}), MANUAL)
    wanted = document.optional("services", a_list(one_of(services), len(services)), usual.services)
    there = document.optional("regions", a_list(one_of(regions), len(regions)), usual.regions)
    settings = Settings(
        most_changes=document.optional(
            "most_changes", a_whole_number(0, MOST_CHANGES), usual.most_changes
        ),
        retry_failed=document.optional("retry_failed", a_boolean, default=False),
        report_only=document.optional("report_only", a_boolean, default=False),
        rates=rates,
    )
    document.close()
    targets = tuple(
        target
        for target in configuration.targets
        if configuration.is_offered(target)
        and (wanted is None or target.service.name in wanted)
        and (there is None or target.region in there)
    )
    if not targets:
        raise InvalidInput("regions", "takes a Region in which a selected service is configured")
    return ReconcileRequest(source, targets, settings)


def reconcile_source_of(value: object) -> str:
    """The source of an input, also of a refused one."""
    scheduled = isinstance(value, dict) and value.get("source") == SCHEDULE
    return SCHEDULE if scheduled else MANUAL
