"""What a deployment is configured to do: read once at synth, read again by the steps."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
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
from functions.enrolment.scope import Scope, read_scope
from functions.enrolment.target import ServiceName

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_REGIONS = 40


@dataclass(frozen=True, slots=True)
class Invitation:
    """How accounts outside the organisation are invited.

    ``message`` goes into the e-mail AWS sends and is only sent where not empty; ``send_email`` says
    whether AWS sends that e-mail at all (GuardDuty and Detective take both; Security Hub neither).
    ``member_role`` is the name of the role through which Rollcall accepts in the member account,
    with ``external_id``; without one, people accept.
    """

    message: str = ""
    send_email: bool = False
    member_role: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Waits and deadlines in seconds; each deadline counts from the membership's first reading.

    A wait between readings is as long as the status has lasted: at least ``first_wait``, at first
    no more than ``longest_wait`` (twelve times that for what people or slow checks end), later a
    twelfth of the status's age and at most ``longest_slow_wait``. ``grace`` is
    how long a reading may lag behind an action: before that none is repeated that may have taken
    effect. ``most_attempts`` is how often an action is done that the service takes and no reading
    shows. ``refusal`` is how long readings may be refused in the middle of a wait before what was
    waited for has failed. ``volume_deadline`` counts from when Detective does not know the volume,
    or from when GuardDuty is Enabled. ``hold`` is how long Detective waits for GuardDuty in its
    Region. ``visibility`` is how long a person's start waits for Organizations to show an account
    before it counts as one outside.
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
    refusal: int = 3600
    hold: int = 900
    visibility: int = 600
    duplicate_window: int = 86400


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the steps need to know of the deployment."""

    regions: tuple[str, ...]
    services: tuple[ServiceName, ...]
    invitation: Invitation = Invitation()
    timing: Timing = Timing()
    scope: Scope = field(default_factory=Scope)

    def to_json(self) -> dict[str, Any]:
        """The JSON form that :func:`read_configuration` reads."""
        durations = {
            name: value if name == "most_attempts" else f"{value}s"
            for name, value in asdict(self.timing).items()
        }
        return {
            "regions": list(self.regions),
            "services": [str(service) for service in self.services],
            "invitation": {k: v for k, v in asdict(self.invitation).items() if v != ""},
            "timing": durations,
            "scope": self.scope.to_json(),
        }


SERVICES = {str(name): name for name in ServiceName}


def read_configuration(document: Document) -> Configuration:
    """Read ``regions``, ``services``, ``invitation``, ``timing``, ``scope``; the caller closes.

    Raises:
        InvalidInput: naming the key and what it takes.
    """
    invitation = document.optional("invitation", _invitation, Invitation())
    return Configuration(
        regions=document.required("regions", a_list(a_region, MOST_REGIONS)),
        services=document.optional(
            "services", a_list(one_of(SERVICES), len(SERVICES)), tuple(ServiceName)
        ),
        invitation=invitation,
        timing=document.optional("timing", _timing, Timing()),
        scope=document.optional("scope", read_scope, Scope()),
    )


def _invitation(value: object, path: str) -> Invitation:
    document = Document(value, path)
    invitation = Invitation(
        message=document.optional("message", a_string(1000), ""),
        send_email=document.optional("send_email", a_boolean, default=False),
        member_role=document.optional("member_role", a_string(64), None),
        external_id=document.optional("external_id", a_string(1224), None),
    )
    document.close()
    if invitation.member_role and not invitation.external_id:
        raise InvalidInput(document.path("external_id"), "is required where member_role is given")
    return invitation


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
