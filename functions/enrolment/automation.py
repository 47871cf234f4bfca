"""What a service does by itself about an account of the organisation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Automatic(StrEnum):
    """Whether a service makes an account of the organisation a member by itself.

    ``NONE``: it does not. ``NEW``: if the account joins the organisation. ``ALL``: in any case.
    ``POLICY``: a configuration policy enables the account. ``LEFT_OUT``: a configuration policy
    disables it. ``UNASSOCIATED``: policies are in use, and none applies to the account (yet).
    ``POLICY_UNKNOWN``: policies are in use, and which one applies could not be read.
    ``NOT_DELEGATED``: not for this administrator, which the organisation has not designated in the
    Region. ``UNKNOWN``: it could not be read.
    """

    NONE = "none"
    NEW = "new"
    ALL = "all"
    POLICY = "policy"
    LEFT_OUT = "left-out"
    UNASSOCIATED = "unassociated"
    POLICY_UNKNOWN = "policy-unknown"
    NOT_DELEGATED = "not-delegated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Automation:
    """What a service does about one account; ``said`` is the setting, for people.

    ``freed_at`` is when this run first read that a policy which enabled the account no longer does
    (epoch seconds), None if none did.
    """

    kind: Automatic
    said: str
    freed_at: float | None = None

    @property
    def may_change(self) -> bool:
        """Whether it is read again at every turn while the account is not Enabled."""
        return self.kind in (*BY_POLICY, Automatic.UNASSOCIATED)

    def followed_by(self, found: Automation, now: float) -> Automation:
        """What is known after a further reading.

        One that failed says nothing new, except that policies are in use now.
        """
        if found.kind is Automatic.UNKNOWN:
            return self
        if found.kind is Automatic.POLICY_UNKNOWN and self.kind is Automatic.POLICY:
            return self
        freed = self.kind is Automatic.POLICY and found.kind is not Automatic.POLICY
        return replace(found, freed_at=now if freed else self.freed_at)


# A member is never created under these: whether the account is one is up to the policy.
BY_POLICY = (Automatic.POLICY, Automatic.POLICY_UNKNOWN)


def auto_enable(setting: str) -> Automation:
    """The automation for ``NEW``, ``ALL`` or ``NONE`` (GuardDuty's words), any other is unknown."""
    kinds = {"NEW": Automatic.NEW, "ALL": Automatic.ALL, "NONE": Automatic.NONE}
    if setting not in kinds:
        return Automation(Automatic.UNKNOWN, f"its auto-enable setting {setting} is not known")
    return Automation(kinds[setting], f"auto-enable {setting}")


def without_auto_enable(automation: Automation, policy_type: str) -> Automation:
    """The automation while Organizations policies of a type do its work."""
    if automation.kind not in (Automatic.NEW, Automatic.ALL):
        return automation
    said = f"{automation.said}, which does nothing while the organisation has {policy_type} enabled"
    return Automation(Automatic.NONE, said)


def unreadable(error: Exception) -> Automation:
    """The automation where it cannot be read."""
    return Automation(Automatic.UNKNOWN, f"what it does by itself could not be read: {error}")
