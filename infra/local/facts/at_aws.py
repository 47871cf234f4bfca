"""What AWS takes for the timings, and allows for the limits, that the local AWS can change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class AtAws:
    """``source`` is the page or repository that says so."""

    amount: str
    source: str = ""


_UNDOCUMENTED = AtAws("not documented")
_UNBLOCK = "Detective, Enabling a member account that is Not enabled"
# Every timing and limit by its name.
AT_AWS: Mapping[str, AtAws] = {
    "organization_auto_enable": AtAws(
        "up to 24 hours for all accounts with GuardDuty's ALL; Detective hears of new accounts"
        " within an hour",
        "GuardDuty API, UpdateOrganizationConfiguration; Detective User Guide, accounts",
    ),
    "administrator_removal": _UNDOCUMENTED,
    "deleted_visible": _UNDOCUMENTED,
    "stale_reads": _UNDOCUMENTED,
    "securityhub_enable": _UNDOCUMENTED,
    "securityhub_central_configuration": _UNDOCUMENTED,
    "securityhub_policy_association": AtAws(
        "up to 24 hours", "Security Hub User Guide, Reviewing the status of a policy"
    ),
    "guardduty_enable": _UNDOCUMENTED,
    "guardduty_email_verification": _UNDOCUMENTED,
    "detective_verification": AtAws(
        "not documented; Terraform waits for 4 minutes", "hashicorp/terraform-provider-aws"
    ),
    "detective_volume": AtAws(
        "48 hours as a GuardDuty customer in older copies of the page; newer ones omit it", _UNBLOCK
    ),
    "detective_recheck": AtAws(
        "not documented; accounts are enabled as the behavior graph can accommodate them", _UNBLOCK
    ),
    "account_creation": AtAws("a few minutes", "Organizations API, CreateAccount"),
    "account_closure": AtAws("a few minutes", "Organizations API, CloseAccount"),
    "region_opt": AtAws(
        "a few minutes for most accounts, several hours for some",
        "Account Management API, EnableRegion",
    ),
    "securityhub_organization": AtAws(
        "10,000", "Security Hub User Guide, Restrictions and recommendations"
    ),
    "securityhub_policies": AtAws("20", "Security Hub User Guide, How configuration policies work"),
    "securityhub_invitation": AtAws(
        "1,000", "Security Hub User Guide, Restrictions and recommendations"
    ),
    "guardduty": AtAws(
        "50,000 of the organization, 5,000 by invitation", "GuardDuty User Guide, Quotas"
    ),
    "detective": AtAws("1,200", "Detective API, ServiceQuotaExceededException"),
    "organization_accounts": AtAws(
        "10 at first, up to 50,000 on request", "Organizations User Guide, Quotas"
    ),
}
