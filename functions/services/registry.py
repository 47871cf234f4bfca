"""The supported services, in the order of enrolment."""

from __future__ import annotations

from functions.services.detective import DETECTIVE
from functions.services.guardduty import GUARDDUTY
from functions.services.securityhub import SECURITYHUB

__all__ = ["DETECTIVE", "GUARDDUTY", "SECURITYHUB", "SERVICES"]

SERVICES = (SECURITYHUB, GUARDDUTY, DETECTIVE)
