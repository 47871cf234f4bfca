"""Reads an OnboardingRequest from any accepted input: an event, a manual one or a reconcile's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from functions.enrolment.errors import InvalidInput
from functions.intake.events import read_event
from functions.intake.manual import MANUAL, read_manual
from functions.intake.pattern import at
from functions.intake.reconciled import RECONCILE, read_reconciled

if TYPE_CHECKING:
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.request import OnboardingRequest


def read_request(value: object, configuration: Configuration) -> OnboardingRequest:
    """Read an EventBridge event (it has a ``detail-type``), a reconcile's input (it has a
    ``reconcile``) or a manual one.

    Raises:
        InvalidInput: a value is invalid; the message names the field and the allowed values.
    """
    if not isinstance(value, dict):
        raise InvalidInput("input", "takes a JSON object")
    if "detail-type" in value:
        return read_event(value, configuration)
    if RECONCILE in value:
        return read_reconciled(value)
    return read_manual(value, configuration)


def source_of(value: object) -> str:
    """The source of an input, also of a refused one: an event's name, ``reconcile``, ``manual``."""
    if not isinstance(value, dict) or "detail-type" not in value:
        return RECONCILE if isinstance(value, dict) and RECONCILE in value else MANUAL
    name = at(value, "detail.eventName") or value["detail-type"]
    plain = isinstance(name, str) and re.fullmatch(r"[A-Za-z -]{1,64}", name)
    return str(name) if plain else "event"
