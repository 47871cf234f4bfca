"""How long things take in the local world, and how many it allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of the world's clock; AWS takes minutes to days for most of these."""

    # From CreateMembers on an organisation account to Enabled.
    securityhub_enable: float = 1.0
    guardduty_enable: float = 1.0
    # From the invitation to Invited, or to a failed verification.
    guardduty_email_verification: float = 1.0
    # From CreateMembers to INVITED or VERIFICATION_FAILED, or for organisation accounts to ENABLED.
    detective_verification: float = 1.0
    # From GuardDuty being on in an account until Detective can tell its data volume.
    detective_volume: float = 2.0
    # From the volume being known until Detective enables the member unasked; None is never.
    detective_recheck: float | None = 2.0
    # From an account joining, or the setting changing, until auto-enable starts.
    organization_auto_enable: float = 1.0
    # How long a removed administrator is listed as DISABLE_IN_PROGRESS.
    administrator_removal: float = 0.5
    account_creation: float = 1.0
    account_closure: float = 1.0
    region_opt: float = 1.0
    # How long Security Hub and GuardDuty still return a deleted member, as Deleted.
    deleted_visible: float = 0.0
    # How far member reads lag behind writes.
    stale_reads: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Members per administrator and Region (aws-facts 1.5), and accounts per organisation."""

    securityhub_organization: int = 10_000
    securityhub_invitation: int = 1_000
    guardduty: int = 50_000
    detective: int = 1_200
    organization_accounts: int = 10_000
