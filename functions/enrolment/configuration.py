"""A deployment's configuration, read at synthesis and again by the steps."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.document import (
    Document,
    a_boolean,
    a_duration,
    a_list,
    a_region,
    a_string,
    a_whole_number,
    one_of,
)
from functions.enrolment.errors import InvalidInput
from functions.enrolment.protection import detector_features, standards
from functions.enrolment.scope import Scope, read_scope
from functions.enrolment.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from functions.enrolment.service import Service

MOST_REGIONS = 40
# As the results in the bucket: longer than a year, for a yearly review.
RECORD_RETENTION_DAYS = 400
# Step Functions' events about a run arrive within a day of its end, and a run can be redriven for
# 14 days: until then its record must say that it is closed.
LEAST_RECORD_RETENTION_DAYS = 30
MOST_RECORD_RETENTION_DAYS = 3650
_SCHEDULE = re.compile(
    r"rate\([1-9][0-9]{0,4} (minute|hour|day)s?\)|cron\([A-Za-z0-9*?,/#L -]{9,80}\)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """How accounts outside the organisation are invited.

    ``message`` is the text of the e-mail that AWS sends, left out of the request if empty;
    ``send_email`` says whether AWS sends that e-mail (GuardDuty and Detective support both,
    Security Hub neither). ``member_role`` is the name of the role that Rollcall assumes with
    ``external_id`` to accept invitations in the member account; without a role, people accept.

    ``standards`` and ``detector_features`` are what Rollcall enables when it accepts: exactly these
    standards in a hub that has none, and exactly these optional features in a detector that it
    creates; where they are ``None``, AWS's defaults.
    """

    message: str = ""
    send_email: bool = False
    member_role: str | None = None
    external_id: str | None = None
    standards: tuple[str, ...] | None = None
    detector_features: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults."""
        return {
            each.name: list(value) if isinstance(value, tuple) else value
            for each in fields(self)
            if (value := getattr(self, each.name)) != each.default
        }


@dataclass(frozen=True, slots=True)
class Timing:
    """Waits and deadlines in seconds; each deadline counts from the membership's first reading.

    The wait between readings equals the age of the status, but is at least ``first_wait``, at first
    at most ``longest_wait`` (twelve times that while waiting for people or slow checks), later at
    most a twelfth of the age, and never more than ``longest_slow_wait``. ``grace`` is how long a
    reading may lag behind an action: an action that may have taken effect is not repeated earlier.
    ``most_attempts`` limits how often an action is done that the service accepts but no reading
    shows. ``refusal`` is how long readings may be refused during a wait before the memberships
    fail. ``volume_deadline`` counts from when Detective reports the volume as unknown, or from when
    GuardDuty is Enabled. ``policy_deadline`` applies to accounts that a configuration policy of
    Security Hub enables. ``auto_enable`` is how long a service that makes accounts members by
    itself has for it before Rollcall creates the member, counted from when the run took the
    membership. ``hold`` is how long Detective waits for GuardDuty in its Region. ``visibility`` is
    how long a run started by hand waits for Organizations to return an account before the account
    counts as outside the organisation.
    ``duplicate_window`` is how long an event about an account that ended Enabled is a duplicate.
    """

    first_wait: int = 15
    longest_wait: int = 300
    longest_slow_wait: int = 6 * 3600
    grace: int = 120
    most_attempts: int = 3
    organization_deadline: int = 3600
    invitation_deadline: int = 14 * 86400
    volume_deadline: int = 2 * 86400
    policy_deadline: int = 86400
    refusal: int = 3600
    hold: int = 900
    visibility: int = 600
    duplicate_window: int = 86400
    auto_enable: int = 300


# ``Reconcile.schedule`` for none.
OFF = "off"


@dataclass(frozen=True, slots=True)
class Reconcile:
    """How the gaps of the whole organisation are closed.

    ``schedule`` is an expression of EventBridge Scheduler, in UTC, ``OFF`` if reconciles are
    started by hand only. The default is a time of day: ``rate(…)`` would start one during the
    deployment. ``services`` (names) and ``regions`` are the configured ones where None. A reconcile
    that would create or invite more than ``most_changes`` accounts does nothing,
    unless it was started with a higher number. ``rates`` are the requests per second that a survey
    sends to a service (by name) in a Region, for those that differ from the service's own rate.
    """

    schedule: str = "cron(23 4 * * ? *)"
    services: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    most_changes: int = 100
    rates: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults."""
        return {
            each.name: _plain(value)
            for each in fields(self)
            if (value := getattr(self, each.name)) != getattr(Reconcile(), each.name)
        }


MOST_CHANGES = 50_000
MOST_RATE = 1000


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration that the steps use; ``services`` are in the order of enrolment.

    ``service_regions`` are the Regions of the services, by name, that are not enrolled in all of
    ``regions``. ``record_retention_days`` is how long the table keeps the record of a run after the
    run has ended; 0 is for ever. What is stored beside the record goes up to a year later.
    """

    regions: tuple[str, ...]
    services: tuple[Service, ...]
    invitation: Invitation = Invitation()
    timing: Timing = Timing()
    scope: Scope = field(default_factory=Scope)
    service_regions: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    record_retention_days: int = RECORD_RETENTION_DAYS
    reconcile: Reconcile = Reconcile()

    @property
    def targets(self) -> tuple[Target, ...]:
        """The configured targets, by Region, in the order of enrolment."""
        return tuple(
            Target(service, region)
            for region in self.regions
            for service in self.services
            if region in self.service_regions.get(service.name, self.regions)
        )

    def is_offered(self, target: Target) -> bool:
        """Whether AWS offers the service in the Region; it is taken to where Regions are given."""
        known = target.region not in target.service.not_offered
        return known or target.service.name in self.service_regions

    def to_json(self) -> dict[str, Any]:
        """The JSON form that :func:`read_configuration` reads."""
        durations = {
            name: value if name == "most_attempts" else f"{value}s"
            for name, value in asdict(self.timing).items()
        }
        return {
            "regions": list(self.regions),
            "services": [service.name for service in self.services],
            "invitation": self.invitation.to_json(),
            "timing": durations,
            "scope": self.scope.to_json(),
            "record_retention_days": self.record_retention_days,
            "reconcile": self.reconcile.to_json(),
        } | self._service_regions_to_json()

    def _service_regions_to_json(self) -> dict[str, Any]:
        given = {name: list(regions) for name, regions in self.service_regions.items()}
        return {"service_regions": given} if given else {}


# An explicit list, so that an upgrade never enrols accounts in a service that it adds.
DEFAULT_SERVICES: tuple[str, ...] = ("securityhub", "guardduty", "detective")


def read_configuration(document: Document, services: Sequence[Service]) -> Configuration:
    """Read all that the steps use of the configuration; the caller closes the document.

    ``services`` are all supported services, in the order of enrolment.

    Raises:
        InvalidInput: a value is invalid; the message names the key and the allowed values.
    """
    names = {service.name: service.name for service in services}
    wanted = document.optional("services", a_list(one_of(names), len(names)), DEFAULT_SERVICES)
    invitation = document.optional("invitation", _invitation, Invitation())
    regions = document.required("regions", a_list(a_region, MOST_REGIONS))
    return Configuration(
        regions=regions,
        services=tuple(service for service in services if service.name in wanted),
        service_regions=document.optional(
            "service_regions", _service_regions(wanted, regions), MappingProxyType({})
        ),
        invitation=invitation,
        timing=document.optional("timing", _timing, Timing()),
        scope=document.optional("scope", read_scope, Scope()),
        record_retention_days=document.optional(
            "record_retention_days", _record_retention, RECORD_RETENTION_DAYS
        ),
        reconcile=document.optional("reconcile", _reconcile(wanted, regions), Reconcile()),
    )


def _service_regions(
    services: Sequence[str], regions: Sequence[str]
) -> Callable[[object, str], Mapping[str, tuple[str, ...]]]:
    a_configured_region = one_of({region: region for region in regions})

    def read(value: object, path: str) -> Mapping[str, tuple[str, ...]]:
        document = Document(value, path)
        given = {
            name: document.optional(name, a_list(a_configured_region, len(regions)), None)
            for name in services
        }
        document.close()
        return MappingProxyType({name: some for name, some in given.items() if some is not None})

    return read


def _invitation(value: object, path: str) -> Invitation:
    document = Document(value, path)
    invitation = Invitation(
        message=document.optional("message", a_string(1000), ""),
        send_email=document.optional("send_email", a_boolean, default=False),
        member_role=document.optional("member_role", a_string(64), None),
        external_id=document.optional("external_id", a_string(1224), None),
        standards=document.optional("standards", standards, None),
        detector_features=document.optional("detector_features", detector_features, None),
    )
    document.close()
    if invitation.member_role and not invitation.external_id:
        raise InvalidInput(document.path("external_id"), "is required where member_role is given")
    for key in ("standards", "detector_features"):
        if getattr(invitation, key) is not None and not invitation.member_role:
            raise InvalidInput(document.path("member_role"), f"is required where {key} is given")
    return invitation


def _reconcile(
    services: Sequence[str], regions: Sequence[str]
) -> Callable[[object, str], Reconcile]:
    a_service = one_of({name: name for name in services})
    a_configured_region = one_of({region: region for region in regions})

    def read(value: object, path: str) -> Reconcile:
        document = Document(value, path)
        reconcile = Reconcile(
            schedule=document.optional("schedule", _schedule, Reconcile().schedule),
            services=document.optional("services", a_list(a_service, len(services)), None),
            regions=document.optional("regions", a_list(a_configured_region, len(regions)), None),
            most_changes=document.optional(
                "most_changes", a_whole_number(0, MOST_CHANGES), Reconcile().most_changes
            ),
            rates=document.optional("rates", _rates(services), MappingProxyType({})),
        )
        document.close()
        return reconcile

    return read


def _schedule(value: object, path: str) -> str:
    # EventBridge Scheduler user guide, "Schedule types"; the rest is checked by AWS.
    if value == OFF or (isinstance(value, str) and _SCHEDULE.fullmatch(value)):
        return value
    raise InvalidInput(path, f"takes rate(…) or cron(…) as EventBridge Scheduler does, or {OFF}")


def _rates(services: Sequence[str]) -> Callable[[object, str], Mapping[str, int]]:
    def read(value: object, path: str) -> Mapping[str, int]:
        document = Document(value, path)
        given = {
            name: document.optional(name, a_whole_number(1, MOST_RATE), None) for name in services
        }
        document.close()
        return MappingProxyType({name: rate for name, rate in given.items() if rate is not None})

    return read


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, MappingProxyType) else value


def _record_retention(value: object, path: str) -> int:
    least, most = LEAST_RECORD_RETENTION_DAYS, MOST_RECORD_RETENTION_DAYS
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and (value == 0 or least <= value <= most)
    ):
        return value
    raise InvalidInput(path, f"takes a whole number from {least} to {most}, or 0")


def _timing(value: object, path: str) -> Timing:
    document = Document(value, path)
    given = {
        each.name: document.optional(
            each.name, _reader_of_timing(each.name), getattr(Timing(), each.name)
        )
        for each in fields(Timing)
    }
    document.close()
    return Timing(**given)


def _reader_of_timing(name: str) -> Callable[[object, str], int]:
    return a_whole_number(1, 10) if name == "most_attempts" else a_duration
