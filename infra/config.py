"""The configuration of a deployment: the context ``rollcall`` of cdk.json, checked at synth."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from functions.enrolment.configuration import OFF, Configuration, read_configuration
from functions.enrolment.document import (
    Document,
    a_duration,
    a_whole_number,
    one_of,
)
from functions.enrolment.errors import InvalidInput
from functions.enrolment.turn import LONGEST_RUN_DAYS, longest_run, most_turns
from functions.services.registry import SERVICES
from infra.names import DEFAULT, Names, a_deployment_name
from infra.notifications import Notifications, notifications
from infra.organization import OrganizationConfig, an_organization, organizations_region

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from functions.enrolment.configuration import Timing

_DEADLINES = (
    "organization_deadline",
    "invitation_deadline",
    "volume_deadline",
    "policy_deadline",
)
# The events that a turn with an action adds to the execution's history (two tasks of 5 events each,
# Choice and Wait of 2 each), and how many of the 25,000 events the turns may use: retries add some.
EVENTS_OF_A_TURN = 14
MOST_EVENTS = 24_000
_BUSES = {"own": "own", "default": "default"}
# The values that CloudWatch Logs accepts (botocore ``logs.PutRetentionPolicy``), up to ten years.
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip

# As long as the queues keep undelivered events.
EVENT_RETENTION_DAYS = 14
MOST_EVENT_RETENTION_DAYS = 3650

# Lambda's limit is 4 KB for all environment variables; table, bus and topic need the rest.
MOST_CONFIGURATION_BYTES = 3500
# IAM's patterns (botocore, iam CreateRole and sts AssumeRole).
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
# IAM's patterns of a tag, the narrowest of all that get one; AWS keeps keys with aws: for itself.
_TAG_KEY = re.compile(r"(?!aws:)[\w .:/=+@-]{1,128}", re.IGNORECASE)
_TAG_VALUE = re.compile(r"[\w .:/=+@-]{1,256}")
MOST_TAGS = 40


@dataclass(frozen=True, slots=True)
class Retry:
    """How the state machine retries a step after a transient error; seconds.

    Waits double from ``first_wait`` to ``longest_wait``; the default retries last about half an
    hour. The ``account_…`` fields apply while Organizations does not report an account as active
    yet. The first wait must be shorter than the longest.
    """

    first_wait: int = 2
    longest_wait: int = 300
    attempts: int = 12
    account_first_wait: int = 30
    account_longest_wait: int = 300
    account_attempts: int = 8


@dataclass(frozen=True, slots=True)
class DeploymentConfig:
    """One deployment. ``configuration`` is the part that is passed to the steps.

    ``bus`` is ``own``, or ``default`` where the organisation's management account administers the
    services itself. Without ``organization`` no other account may put events on the bus.
    ``event_retention_days`` is how long the bus's archive keeps events about accounts; 0 without
    an archive.
    """

    configuration: Configuration
    names: Names = field(default_factory=Names)
    bus: str = "own"
    organization: OrganizationConfig | None = None
    notifications: Notifications = field(default_factory=Notifications)
    retry: Retry = Retry()
    log_retention_days: int = 365
    event_retention_days: int = EVENT_RETENTION_DAYS
    tags: Mapping[str, str] = field(default_factory=dict)


def read_config(value: object) -> DeploymentConfig:
    """Read the context: an object, or one as JSON text (``-c rollcall='{…}'``).

    Raises:
        InvalidInput: a value is invalid; the message names the key and the allowed values.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise InvalidInput("rollcall", "takes a JSON object") from None
    document = Document(value, "rollcall")
    bus = document.optional("bus", one_of(_BUSES), "own")
    config = DeploymentConfig(
        configuration=read_configuration(document, SERVICES),
        names=Names(document.optional("name", a_deployment_name, DEFAULT)),
        bus=bus,
        organization=document.optional("organization", an_organization(bus), None),
        notifications=document.optional("notifications", notifications, Notifications()),
        retry=document.optional("retry", _retry, Retry()),
        log_retention_days=document.optional("log_retention_days", _retention, 365),
        event_retention_days=document.optional(
            "event_retention_days", _event_retention, EVENT_RETENTION_DAYS
        ),
        tags=document.optional("tags", _tags, {}),
    )
    document.close()
    _check_regions(config)
    _check_values_for_aws(config.configuration)
    return config


def _check_regions(config: DeploymentConfig) -> None:
    """Refuse Regions that one deployment cannot reach, and those in which it would do nothing."""
    configuration, organization = config.configuration, config.organization
    first = configuration.regions[0]
    others = {f"regions[{number}]": region for number, region in enumerate(configuration.regions)}
    if organization is not None:
        others["organization.home_region"] = organization.home_region
        others["organization.control_tower_region"] = organization.control_tower_region or first
    for key, region in others.items():
        if organizations_region(region) != organizations_region(first):
            raise InvalidInput(
                f"rollcall.{key}",
                f"takes a Region of the same partition as {first}; {region} is in another",
            )
    used = {target.region for target in configuration.targets}
    for number, region in enumerate(configuration.regions):
        if region not in used:
            raise InvalidInput(
                f"rollcall.regions[{number}]",
                f"takes a Region of at least one service: service_regions leaves {region} out",
            )


def _check_values_for_aws(configuration: Configuration) -> None:
    """Check values that AWS would otherwise refuse in the middle of a deployment."""
    invitation = configuration.invitation
    if not _ROLE_NAME.fullmatch(invitation.member_role or "role"):
        raise InvalidInput(
            "rollcall.invitation.member_role",
            "takes the name of a role: letters, digits and _+=,.@-, without a path",
        )
    if not _EXTERNAL_ID.fullmatch(invitation.external_id or "id"):
        raise InvalidInput(
            "rollcall.invitation.external_id", "takes 2 to 1224 letters, digits and _+=,.@:/-"
        )
    _check_timing(configuration.timing)
    _check_size(configuration)


def _check_size(configuration: Configuration) -> None:
    """Lambda counts its variables as JSON, in which the configuration is escaped once more."""
    sizes = {key: _escaped(value) for key, value in configuration.to_json().items()}
    if _escaped(configuration.to_json()) > MOST_CONFIGURATION_BYTES:
        longest = max(sizes, key=lambda key: sizes[key])
        raise InvalidInput(
            f"rollcall.{longest}",
            f"takes less than its {sizes[longest]} bytes: the configuration, as Lambda counts it,"
            f" has more than {MOST_CONFIGURATION_BYTES} and does not fit into its environment",
        )


def _escaped(value: object) -> int:
    return len(json.dumps(json.dumps(value)))


def _check_timing(timing: Timing) -> None:
    def refuse(key: str, takes: str) -> NoReturn:
        raise InvalidInput(f"rollcall.timing.{key}", takes)

    for shorter, longer in (("first_wait", "longest_wait"), ("longest_wait", "longest_slow_wait")):
        if getattr(timing, shorter) > getattr(timing, longer):
            refuse(shorter, f"takes at most {longer}")
    if timing.auto_enable >= timing.organization_deadline:
        refuse("auto_enable", "takes less than organization_deadline")
    for deadline in _DEADLINES:
        if timing.grace >= getattr(timing, deadline):
            refuse("grace", f"takes less than {deadline}")
    longest = max(_DEADLINES, key=lambda name: int(getattr(timing, name)))
    if longest_run(timing) > LONGEST_RUN_DAYS * 86400:
        refuse(
            longest, f"takes less: with volume_deadline a run lasts over {LONGEST_RUN_DAYS} days"
        )
    if most_turns(timing) * EVENTS_OF_A_TURN > MOST_EVENTS:
        refuse(longest, "takes less with this first_wait: an execution's history has 25,000 events")


def _retry(value: object, path: str) -> Retry:
    document = Document(value, path)
    defaults = Retry()
    retry = Retry(
        first_wait=document.optional("first_wait", a_duration, defaults.first_wait),
        longest_wait=document.optional("longest_wait", a_duration, defaults.longest_wait),
        attempts=document.optional("attempts", a_whole_number(1, 50), defaults.attempts),
        account_first_wait=document.optional(
            "account_first_wait", a_duration, defaults.account_first_wait
        ),
        account_longest_wait=document.optional(
            "account_longest_wait", a_duration, defaults.account_longest_wait
        ),
        account_attempts=document.optional(
            "account_attempts", a_whole_number(1, 50), defaults.account_attempts
        ),
    )
    document.close()
    for kind, first, longest in (
        ("", retry.first_wait, retry.longest_wait),
        ("account_", retry.account_first_wait, retry.account_longest_wait),
    ):
        if first >= longest:
            raise InvalidInput(
                document.path(f"{kind}first_wait"), f"takes less than {kind}longest_wait"
            )
    return retry


def _retention(value: object, path: str) -> int:
    if value not in RETENTION_DAYS or isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(path, f"takes one of {', '.join(map(str, RETENTION_DAYS))}")
    return value


def _event_retention(value: object, path: str) -> int:
    if value == OFF:
        return 0
    try:
        return a_whole_number(1, MOST_EVENT_RETENTION_DAYS)(value, path)
    except InvalidInput as error:
        raise InvalidInput(path, f"{error.takes}, or {OFF}") from None


def _tags(value: object, path: str) -> dict[str, str]:
    document = Document(value, path)
    names = value if isinstance(value, dict) else {}
    if len(names) > MOST_TAGS:
        raise InvalidInput(path, f"takes at most {MOST_TAGS} tags")
    return {str(name): document.required(name, _a_tag(str(name))) for name in names}


def _a_tag(key: str) -> Callable[[object, str], str]:
    def read(value: object, path: str) -> str:
        if not _TAG_KEY.fullmatch(key):
            raise InvalidInput(
                path, "takes a key of 1 to 128 letters, digits, spaces and _.:/=+-@, without aws:"
            )
        if not isinstance(value, str) or not _TAG_VALUE.fullmatch(value):
            raise InvalidInput(path, "takes 1 to 256 letters, digits, spaces and _.:/=+-@")
        return value

    return read
