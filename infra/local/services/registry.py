"""The services of the local world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.services.account import AccountManagement
from infra.local.services.detective import Detective
from infra.local.services.guardduty.service import GuardDuty
from infra.local.services.inspector import Inspector
from infra.local.services.macie import Macie
from infra.local.services.organizations.service import Organizations
from infra.local.services.securityhub.service import SecurityHub

if TYPE_CHECKING:
    from infra.local.services.service import LocalService

SERVICES: tuple[type[LocalService], ...] = (
    SecurityHub,
    GuardDuty,
    Detective,
    Organizations,
    AccountManagement,
    Macie,
    Inspector,
)
