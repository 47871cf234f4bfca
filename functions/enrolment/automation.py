"""What a service does by itself about an account of the organisation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Automatic(StrEnum):
    """Whether a service makes an account of the organisation a member by itself.

    ``NONE``: it does not. ``NEW``: if the account joins the organisation. ``ALL``: in any case.
    ``POLICY``: a configuration policy enables the account. ``LEFT_OUT``: a configuration policy
    disables it. ``UNASSOCIATED``: policies are in use, and none applies to the account (yet).
    ``NOT_DELEGATED``: not for this administrator, which the organisation has not designated in the
    Region. ``UNKNOWN``: it could not be read.
    """

    NONE = "none"
    NEW = "new"
    ALL = "all"
    POLICY = "policy"
    LEFT_OUT = "left-out"
    UNASSOCIATED = "unassociated"
    NOT_DELEGATED = "not-delegated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Automation:
    """What a service does about one account; ``said`` is the setting, for people."""

    kind: Automatic
    said: str

    @property
    def may_change(self) -> bool:
        """Whether it is read again while the account is not Enabled."""
        return self.kind in (Automatic.POLICY, Automatic.UNASSOCIATED)


def auto_enable(setting: str) -> Automation:
    """The automation for ``NEW``, ``ALL`` or ``NONE`` (GuardDuty's words), any other is unknown."""
    kinds = {"NEW": Automatic.NEW, "ALL": Automatic.ALL, "NONE": Automatic.NONE}
    return Automation(kinds.get(setting, Automatic.UNKNOWN), f"auto-enable {setting}")
