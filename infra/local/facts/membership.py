"""What a membership is: its status, its history, and how services word their refusals."""

from __future__ import annotations

from collections import Counter
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
    def counts(self) -> bool:
        """Whether the services' limits count it."""
        return self.status not in OPEN_TO_CREATION | {LocalStatus.GONE}


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


class Memberships:
    """All there are, found by account or administrator without looking at the others."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str, str, str], LocalMembership] = {}
        self._of_account: dict[str, list[LocalMembership]] = {}
        self._of_administrator: dict[tuple[str, str, str], list[LocalMembership]] = {}
        self._counted: Counter[tuple[str, str, str]] = Counter()

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
            self._of_administrator.setdefault(key[:3], []).append(made)
        return self._all[key]

    def record(self, membership: LocalMembership, change: Change) -> None:
        key = (membership.service, membership.region, membership.administrator)
        if membership.changes:
            self._counted[key] -= membership.current.counts
        self._counted[key] += change.counts
        membership.changes.append(change)

    def of_account(self, account_id: str) -> Sequence[LocalMembership]:
        return tuple(self._of_account.get(account_id, ()))

    def of_administrator(
        self, service: str, region: str, administrator: str
    ) -> Sequence[LocalMembership]:
        return tuple(self._of_administrator.get((service, region, administrator), ()))

    def counted(self, service: str, region: str, administrator: str) -> int:
        """How many the administrator has of those that a limit counts."""
        return self._counted[service, region, administrator]
