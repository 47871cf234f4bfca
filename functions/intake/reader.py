"""Every accepted input, event or manual, becomes one OnboardingRequest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.enrolment.errors import InvalidInput
from functions.intake.events import read_event
from functions.intake.manual import read_manual

if TYPE_CHECKING:
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.request import OnboardingRequest


def read_request(value: object, configuration: Configuration) -> OnboardingRequest:
    """Read an EventBridge event (it has a ``detail-type``) or a manual input.

    Raises:
        InvalidInput: naming the field and what it takes.
    """
    if not isinstance(value, dict):
        raise InvalidInput("input", "takes a JSON object")
    if "detail-type" in value:
        return read_event(value, configuration)
    return read_manual(value, configuration)
