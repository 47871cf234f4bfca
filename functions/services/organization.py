"""Shared by the adapters: what their organisation's configuration says a service does by itself."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from functions.enrolment.automation import Automatic, Automation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from functions.enrolment.errors import Permanent

# By service, texts of DescribeOrganizationConfiguration for another caller than the organisation's
# administrator in the Region. Security Hub's was observed (hashicorp/terraform-provider-aws, issue
# 23079), GuardDuty's first one for UpdateOrganizationConfiguration (SRA, issue 141); the others are
# inferred.
NOT_DELEGATED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "securityhub": ("not an administrator for this organization",),
        "guardduty": ("organization master permission", "delegated administrator"),
        "detective": ("detective administrator",),
    }
)
# IAM's text for a missing permission; it quotes names that people chose.
_DENIED_BY_POLICY = "is not authorized to perform"


def not_delegated(error: Permanent, texts: Iterable[str]) -> Automation:
    """``NOT_DELEGATED`` if the refusal contains one of the texts; else raises ``error``."""
    said = str(error)
    if _DENIED_BY_POLICY in said or not any(text in said.casefold() for text in texts):
        raise error
    return Automation(Automatic.NOT_DELEGATED, said)
