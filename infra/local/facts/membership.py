"""What a membership is: its status, its history, and how services word their refusals."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class LocalStatus(StrEnum):
    """Where a membership is, in one vocabulary for all services."""

    CREATED = "created"
    VERIFYING = "verifying"
    VERIFICATION_FAILED = "verification failed"
    INVITED = "invited"
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"
    RESIGNED = "resigned"
    DELETED = "deleted"
    SUSPENDED = "suspended"
    REGION_DISABLED = "region disabled"
    MANAGEMENT_NOT_READY = "management not ready"
    GONE = "gone"


ASSOCIATED = frozenset({LocalStatus.ENABLED, LocalStatus.DISABLED})
# What CreateMembers takes up again instead of calling it a member already. Documented for members
# that were removed or deleted; inferred for the others, whose hindrance may have gone.
OPEN_TO_CREATION = frozenset(
    {
        LocalStatus.REMOVED,
        LocalStatus.DELETED,
        LocalStatus.SUSPENDED,
        LocalStatus.REGION_DISABLED,
        LocalStatus.MANAGEMENT_NOT_READY,
    }
)
INVITATION_SHOWN = ASSOCIATED | {LocalStatus.INVITED, LocalStatus.RESIGNED, LocalStatus.REMOVED}


class Why(StrEnum):
    """Why a whole request is refused; each service has its own code and text for it."""

    NOT_ENABLED = "the service is off in the calling account"
    NOT_IN_ORGANIZATION = "the caller belongs to no organisation"
    NOT_MANAGEMENT = "only the management account may"
    NOT_ADMINISTRATOR = "only the organisation's administrator may"
    OTHER_ADMINISTRATOR = "another account is the administrator"
    UNKNOWN_ADMINISTRATOR = "the account is not in the organisation or not its administrator"
    NO_INVITATION = "no open invitation of that id from that administrator"
    ALREADY_ASSOCIATED = "the caller is a member already"
    HAS_MEMBERS = "the caller has members"
    NOT_ASSOCIATED = "the caller is not a member"
    ORGANIZATION_MEMBER = "an organisation account may not leave by itself"
    BAD_INPUT = "a value is out of range"


@dataclass(frozen=True, slots=True)
class Texts:
    """What a service answers for one account it did not process."""

    already_member: str
    itself: str
    not_member: str
    already_invited: str = ""
    administrator_is_member: str = ""
    other_administrator: str = ""
    limit: str = ""
    not_created: str = ""
    not_associated: str = ""
    still_associated: str = ""
    no_invitation: str = ""
    invitation_open: str = ""
    organization_account: str = ""
    auto_enable_all: str = ""
    management_not_enabled: str = ""
    unknown_account: str = ""
    suspended: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A membership from one moment on."""

    at: float
    status: LocalStatus
    email: str | None = None
    organization: bool = False
    invited_at: float | None = None
    invitation_id: str | None = None
    disabled_reason: str | None = None

    @property
    def exists(self) -> bool:
        return self.status is not LocalStatus.GONE

    @property
    def counts(self) -> bool:
        """Whether the services' limits count it."""
        return self.exists and self.status not in OPEN_TO_CREATION


@dataclass(slots=True)
class LocalMembership:
    service: str
    region: str
    administrator: str
    account_id: str
    changes: list[Change] = field(default_factory=list)

    @property
    def current(self) -> Change:
        return self.changes[-1]

    def as_of(self, moment: float) -> Change | None:
        return next((change for change in reversed(self.changes) if change.at <= moment), None)


@dataclass(slots=True)
class Tally:
    """How many memberships an administrator has in a Region.

    ``present``: all that exist; ``invited``: those of them that are not the organisation's;
    ``counted``: those that a limit counts.
    """

    present: int = 0
    invited: int = 0
    counted: int = 0

    def add(self, change: Change, number: int) -> None:
        self.present += number * change.exists
        self.invited += number * (change.exists and not change.organization)
        self.counted += number * change.counts


class Memberships:
    """All there are, found by account or administrator without looking at the others."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str, str, str], LocalMembership] = {}
        self._of_account: dict[str, list[LocalMembership]] = {}
        # The accounts, sorted.
        self._of_administrator: dict[tuple[str, str, str], list[str]] = {}
        self._tallies: dict[tuple[str, str, str], Tally] = {}

    def __iter__(self) -> Iterator[LocalMembership]:
        return iter(self._all.values())

    def get(
        self, service: str, region: str, administrator: str, account_id: str
    ) -> LocalMembership | None:
        return self._all.get((service, region, administrator, account_id))

    def make(
        self, service: str, region: str, administrator: str, account_id: str
    ) -> LocalMembership:
        """The one that is there, or a new one, which has no history yet."""
        key = (service, region, administrator, account_id)
        if key not in self._all:
            made = self._all[key] = LocalMembership(*key)
            self._of_account.setdefault(account_id, []).append(made)
            insort(self._of_administrator.setdefault(key[:3], []), account_id)
        return self._all[key]

    def record(self, membership: LocalMembership, change: Change) -> None:
        tally = self._tallies.setdefault(
            (membership.service, membership.region, membership.administrator), Tally()
        )
        if membership.changes:
            tally.add(membership.current, -1)
        tally.add(change, 1)
        membership.changes.append(change)

    def of_account(self, account_id: str) -> Sequence[LocalMembership]:
        return tuple(self._of_account.get(account_id, ()))

    def members(self, service: str, region: str, administrator: str) -> Sequence[str]:
        """The accounts that the administrator has or had a membership with, sorted."""
        return self._of_administrator.get((service, region, administrator), ())

    def of_administrator(
        self, service: str, region: str, administrator: str
    ) -> Sequence[LocalMembership]:
        return tuple(
            self._all[service, region, administrator, account_id]
            for account_id in self.members(service, region, administrator)
        )

    def tally(self, service: str, region: str, administrator: str) -> Tally:
        return self._tallies.get((service, region, administrator), Tally())
