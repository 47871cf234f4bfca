"""Reads an OnboardingRequest from any accepted input: an event or a manual input."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from functions.enrolment.errors import InvalidInput
from functions.intake.events import read_event
from functions.intake.manual import MANUAL, read_manual
from functions.intake.pattern import at

if TYPE_CHECKING:
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.request import OnboardingRequest


def read_request(value: object, configuration: Configuration) -> OnboardingRequest:
    """Read an EventBridge event (it has a ``detail-type``) or a manual input.

    Raises:
        InvalidInput: a value is invalid; the message names the field and the allowed values.
    """
    if not isinstance(value, dict):
        raise InvalidInput("input", "takes a JSON object")
    if "detail-type" in value:
        return read_event(value, configuration)
    return read_manual(value, configuration)


def source_of(value: object) -> str:
    """The source of an input, also of a refused one: an event's name, or ``manual``."""
    if not isinstance(value, dict) or "detail-type" not in value:
        return MANUAL
    name = at(value, "detail.eventName") or value["detail-type"]
    plain = isinstance(name, str) and re.fullmatch(r"[A-Za-z -]{1,64}", name)
    return str(name) if plain else "event"
