"""Every accepted input, event or manual, becomes one OnboardingRequest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from functions.enrolment.errors import InvalidInput
from functions.intake.events import read_event
from functions.intake.manual import MANUAL, read_manual
from functions.intake.pattern import at

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.request import OnboardingRequest


def read_request(
    value: object,
    configuration: Configuration,
    management_account: AccountId | None = None,
) -> OnboardingRequest:
    """Read an EventBridge event (it has a ``detail-type``) or a manual input.

    Events of Organizations and Control Tower must come from ``management_account``, where given.

    Raises:
        InvalidInput: naming the field and what it takes.
    """
    if not isinstance(value, dict):
        raise InvalidInput("input", "takes a JSON object")
    if "detail-type" in value:
        return read_event(value, configuration, management_account)
    return read_manual(value, configuration)


def source_of(value: object) -> str:
    """What an input is from, also where it is refused: an event's name, or ``manual``."""
    if not isinstance(value, dict) or "detail-type" not in value:
        return MANUAL
    name = at(value, "detail.eventName") or value["detail-type"]
    plain = isinstance(name, str) and re.fullmatch(r"[A-Za-z -]{1,64}", name)
    return str(name) if plain else "event"
