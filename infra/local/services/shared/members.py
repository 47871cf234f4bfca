"""The relation between administrators and members, which the member services share.

A service subclasses `Members`: its tables say how it spells a status and words a refusal, its
hooks say what happens on the way. Lists of refusals are (account id, text) pairs.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from infra.local.api import Caller, ServiceError
from infra.local.facts.membership import (
    ASSOCIATED,
    INVITATION_SHOWN,
    OPEN_TO_CREATION,
    Change,
    LocalMembership,
    LocalStatus,
    Texts,
    Why,
)
from infra.local.facts.organization import AccountState, AutoEnable, LocalOrganization
from infra.local.facts.switches import REFUSED
from infra.local.services.service import LocalService
from infra.local.services.shared.delegation import Delegation
from infra.local.wire.paging import page, page_by_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from infra.local.facts.state import State

T = TypeVar("T")
Refusals = list[tuple[str, str]]


class Members(LocalService):
    """One service's memberships in every account and Region."""

    principal: ClassVar[str]
    spelling: ClassVar[Mapping[LocalStatus, str]]
    texts: ClassVar[Texts]
    errors: ClassVar[Mapping[Why, tuple[str, str]]]
    # Detective invites in CreateMembers; the others wait for InviteMembers.
    invites_on_creation: ClassVar[bool] = False
    # Whether an account may have only one administrator.
    exclusive: ClassVar[bool] = True
    first_in_organization: ClassVar[LocalStatus] = LocalStatus.CREATED
    # When the administrator, or the organisation, loses the account.
    when_removed: ClassVar[LocalStatus] = LocalStatus.REMOVED
    when_left: ClassVar[LocalStatus | None] = None  # as when removed
    # While an organisation has it enabled, auto-enable makes no account a member.
    policy_type: ClassVar[str | None] = None

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.delegation = Delegation(self)

    @abstractmethod
    def enable_delay(self) -> float:
        """Seconds from taking up an organisation account to its admission."""

    @abstractmethod
    def capacity(self, *, organization: bool) -> float: ...

    @abstractmethod
    def switch_on(self, account_id: str, region: str) -> None:
        """Switch the service on where it is off, as the service does it by itself."""

    def verification_delay(self) -> float | None:
        """Seconds until the e-mail of an invited account is verified; None where it is not."""
        return None

    def takes_unknown_accounts(self) -> bool:
        """Whether an account that no one has described can be created as a member."""
        return self.state.switches.get(f"{self.name}_unknown_account") != REFUSED

    def admission(self, membership: LocalMembership) -> tuple[LocalStatus, str | None]:
        """What an accepted or organisation account becomes, and Detective's DisabledReason."""
        account = self.state.account(membership.account_id)
        if account.state is not AccountState.ACTIVE:
            return LocalStatus.SUSPENDED, None
        if not account.can_use(membership.region):
            return LocalStatus.REGION_DISABLED, None
        self.switch_on(membership.account_id, membership.region)
        return LocalStatus.ENABLED, None

    def administrator_ended(self, account_id: str, region: str) -> None:
        """What else the service does when an account stops being its organisation's."""

    # What is

    def error(self, why: Why, **named: object) -> ServiceError:
        code, text = self.errors[why]
        return ServiceError(code, text.format(**named))

    def spelled(self, change: Change) -> str:
        return self.spelling[change.status]

    def find(self, administrator: str, region: str, account_id: str) -> LocalMembership | None:
        membership = self.state.memberships.get(self.name, region, administrator, account_id)
        if membership is None or membership.current.status is LocalStatus.GONE:
            return None
        return membership

    def members_of(self, administrator: str, region: str) -> Iterator[LocalMembership]:
        for one in self.state.memberships.of_administrator(self.name, region, administrator):
            if one.current.status is not LocalStatus.GONE:
                yield one

    def memberships_of(self, account_id: str, region: str) -> Iterator[LocalMembership]:
        for one in self.state.memberships.of_account(account_id):
            here = (one.service, one.region) == (self.name, region)
            if here and one.current.status is not LocalStatus.GONE:
                yield one

    def association(self, account_id: str, region: str) -> LocalMembership | None:
        """The membership that ties the account to an administrator now."""
        for membership in self.memberships_of(account_id, region):
            if membership.current.status in ASSOCIATED:
                return membership
        return None

    def shown(self, who: Caller, account_id: str) -> Change | None:
        """What member reads show the administrator, lagging by `stale_reads`; None for nothing."""
        seen = self.state.now() - self.state.timings["stale_reads"]
        one = self.state.memberships.get(self.name, who.region, who.account_id, account_id)
        change = None if one is None else one.as_of(seen)
        return change if change is not None and change.exists else None

    def listed(
        self,
        who: Caller,
        params: Mapping[str, Any],
        size: int,
        describe: Callable[[str, Change], T | None],
    ) -> tuple[list[T], dict[str, str]]:
        """One page of the members that are shown, by account, and its NextToken if there is more.

        ``describe`` gives None for a member that is left out.
        """

        def described(account_id: str) -> T | None:
            change = self.shown(who, account_id)
            return None if change is None else describe(account_id, change)

        accounts = self.state.memberships.members(self.name, who.region, who.account_id)
        size = params.get("MaxResults") or size
        with self._reading_token():
            shown, token = page_by_key(accounts, described, params.get("NextToken"), size)
        return shown, _next(token)

    def invitations(self, who: Caller) -> list[tuple[str, Change]]:
        """Invitations as the invited account sees them: open, accepted and answered ones."""
        shown = {
            membership.administrator: membership.current
            for membership in self.memberships_of(who.account_id, who.region)
            if membership.current.invitation_id is not None
            and membership.current.status in INVITATION_SHOWN
        }
        return sorted(shown.items(), key=lambda entry: entry[0])

    def paged(
        self, items: Sequence[T], params: Mapping[str, Any], size: int
    ) -> tuple[list[T], dict[str, str]]:
        """One page and its NextToken member, if there is a next one."""
        with self._reading_token():
            shown, token = page(items, params.get("NextToken"), params.get("MaxResults") or size)
        return shown, _next(token)

    @contextmanager
    def _reading_token(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise self.error(Why.BAD_INPUT) from error

    # What the administrator does

    def refusals(
        self,
        who: Caller,
        operation: str,
        account_ids: Iterable[str],
        act: Callable[[str], str | None],
    ) -> Refusals:
        """What ``act`` or a forced failure says of each account."""
        refused = []
        for account_id in account_ids:
            text = self.state.forced_text(self.name, operation, who.region, account_id)
            text = text or act(account_id)
            if text:
                refused.append((account_id, text))
        return refused

    def create(self, who: Caller, account_id: str, email: str | None) -> str | None:
        known = self.find(who.account_id, who.region, account_id)
        organization = self.shared_organization(who, account_id)
        refusal = self._no_creation(who, account_id, known, organization)
        if refusal:
            return refusal
        membership = self.membership(who.account_id, who.region, account_id)
        if organization is not None:
            self.enrol(membership, email or self.state.account(account_id).email)
        elif self.invites_on_creation:
            self._send_invitation(membership, email)
        else:
            self.record(membership, Change(self.state.now(), LocalStatus.CREATED, email))
        return None

    def invite(self, who: Caller, account_id: str) -> str | None:
        """Organisation accounts get no invitation: they count as invited already."""
        if account_id == who.account_id:
            return self.texts.itself
        if self.exclusive and self.association(who.account_id, who.region):
            return self.texts.administrator_is_member
        membership = self.find(who.account_id, who.region, account_id)
        if membership is None:
            return self.texts.not_created
        current = membership.current
        if self.shared_organization(who, account_id) or current.organization:
            pending = current.organization and current.status not in OPEN_TO_CREATION
            return self.texts.already_invited if pending else self.texts.organization_account
        if current.status not in (LocalStatus.CREATED, LocalStatus.REMOVED, LocalStatus.RESIGNED):
            return self.texts.already_invited
        self._send_invitation(membership, current.email)
        return None

    def disassociate(self, who: Caller, account_id: str) -> str | None:
        membership = self.find(who.account_id, who.region, account_id)
        if membership is None or membership.current.status in (
            LocalStatus.CREATED,
            LocalStatus.REMOVED,
            LocalStatus.RESIGNED,
            LocalStatus.DELETED,
        ):
            return self.texts.not_associated
        if self.kept_by_organization(who, membership):
            return self.texts.auto_enable_all
        self.become(membership, self.when_removed)
        return None

    def delete(self, who: Caller, account_id: str) -> str | None:
        membership = self.find(who.account_id, who.region, account_id)
        if membership is None:
            return self.texts.not_member
        if self.kept_by_organization(who, membership):
            return self.texts.auto_enable_all
        if membership.current.status in ASSOCIATED:
            return self.texts.still_associated
        visible = self.state.timings["deleted_visible"]
        if visible and LocalStatus.DELETED in self.spelling:
            self.become(membership, LocalStatus.DELETED)
            self.later(visible, membership, lambda: self.become(membership, LocalStatus.GONE))
        else:
            self.become(membership, LocalStatus.GONE)
        return None

    # What the member does

    def accept(self, who: Caller, administrator: str, invitation_id: str) -> None:
        if self.association(who.account_id, who.region):
            raise self.error(Why.ALREADY_ASSOCIATED)
        members = self.members_of(who.account_id, who.region)
        if any(
            m.current.status in ASSOCIATED | {LocalStatus.CREATED, LocalStatus.INVITED}
            for m in members
        ):
            raise self.error(Why.HAS_MEMBERS)
        membership = self.find(administrator, who.region, who.account_id)
        if (
            membership is None
            or membership.current.status is not LocalStatus.INVITED
            or membership.current.invitation_id != invitation_id
        ):
            raise self.error(Why.NO_INVITATION)
        self.admit(membership)

    def decline(self, who: Caller, administrator: str) -> str | None:
        membership = self.find(administrator, who.region, who.account_id)
        if membership is None or membership.current.status is not LocalStatus.INVITED:
            return self.texts.no_invitation
        self.become(membership, LocalStatus.RESIGNED)
        return None

    def delete_invitation(self, who: Caller, administrator: str) -> str | None:
        membership = self.find(administrator, who.region, who.account_id)
        if membership is None or membership.current.invitation_id is None:
            return self.texts.no_invitation
        if membership.current.status in ASSOCIATED | {LocalStatus.INVITED}:
            return self.texts.invitation_open
        self.become(membership, membership.current.status, invitation_id=None)
        return None

    def resign(self, who: Caller) -> None:
        membership = self.association(who.account_id, who.region)
        if membership is None:
            raise self.error(Why.NOT_ASSOCIATED)
        if membership.current.organization:
            raise self.error(Why.ORGANIZATION_MEMBER)
        self.become(membership, LocalStatus.RESIGNED)

    # How a membership changes

    def record(self, membership: LocalMembership, change: Change) -> None:
        self.state.memberships.record(membership, change)

    def become(self, membership: LocalMembership, status: LocalStatus, **values: Any) -> None:
        values.setdefault("disabled_reason", None)
        self.record(
            membership,
            replace(membership.current, at=self.state.now(), status=status, **values),
        )

    def enrol(self, membership: LocalMembership, email: str | None) -> None:
        """Take up an organisation account: no invitation, admission after a while."""
        self.record(
            membership,
            Change(self.state.now(), self.first_in_organization, email, organization=True),
        )
        self.later(self.enable_delay(), membership, lambda: self.admit(membership))

    def admit(self, membership: LocalMembership) -> None:
        status, reason = self.admission(membership)
        if (status, reason) != (membership.current.status, membership.current.disabled_reason):
            self.become(membership, status, disabled_reason=reason)

    def owner_may_accept(self, membership: LocalMembership) -> None:
        """Let the invited account's owner accept when its time has come."""
        account = self.state.account(membership.account_id)
        delay = account.acceptance(self.name)
        if delay is None:
            return
        due = membership.current.at + delay

        def accept() -> None:
            unchanged = account.acceptance(self.name) == delay
            free = not (self.exclusive and self.association(account.id, membership.region))
            able = account.state is AccountState.ACTIVE and account.can_use(membership.region)
            if unchanged and free and able:
                self.admit(membership)

        self.later(due - self.state.now(), membership, accept)

    def account_changed(self, account_id: str) -> None:
        """Look again at what waits on the account's own facts: its Regions, its owner."""
        for membership in self.state.memberships.of_account(account_id):
            if membership.service == self.name:
                self.reconsider(membership)

    def reconsider(self, membership: LocalMembership) -> None:
        current = membership.current
        if current.status is LocalStatus.INVITED:
            self.owner_may_accept(membership)
        elif current.organization and current.status in (
            LocalStatus.CREATED,
            LocalStatus.REGION_DISABLED,
            LocalStatus.MANAGEMENT_NOT_READY,
        ):
            organization = self.state.organization_of(membership.account_id)
            if organization is not None and self.management_not_ready(
                organization, membership.account_id, membership.region
            ):
                return
            self.later(self.enable_delay(), membership, lambda: self.admit(membership))

    def shared_organization(self, who: Caller, account_id: str) -> LocalOrganization | None:
        """The organisation that ``who`` administers here and the account belongs to."""
        found = self.state.designation(self.name, who.region, who.account_id)
        if found is None or account_id not in found[0].seats:
            return None
        return found[0]

    def kept_by_organization(self, who: Caller, membership: LocalMembership) -> bool:
        """Auto-enable ALL forbids taking organisation accounts out."""
        found = self.state.designation(self.name, who.region, who.account_id)
        return (
            found is not None
            and membership.current.organization
            and found[1].auto_enable is AutoEnable.ALL
        )

    def management_not_ready(
        self, organization: LocalOrganization, account_id: str, region: str
    ) -> bool:
        """Only the management account's own users may switch the service on in it."""
        return (
            account_id == organization.management
            and self.state.installation(self.name, account_id, region) is None
        )

    def full(self, administrator: str, region: str, *, organization: bool) -> bool:
        tally = self.state.memberships.tally(self.name, region, administrator)
        return tally.counted >= self.capacity(organization=organization)

    def _no_creation(
        self,
        who: Caller,
        account_id: str,
        known: LocalMembership | None,
        organization: LocalOrganization | None,
    ) -> str | None:
        texts = self.texts
        if account_id == who.account_id:
            return texts.itself
        if self.exclusive and self.association(who.account_id, who.region):
            return texts.administrator_is_member
        if known is not None and not self._may_create_again(known.current, organization):
            return texts.already_member
        if organization is not None:
            if self.management_not_ready(organization, account_id, who.region):
                return texts.management_not_enabled
            if self.exclusive and self.association(account_id, who.region):
                return texts.other_administrator
        elif account_id not in self.state.accounts and not self.takes_unknown_accounts():
            return texts.unknown_account
        if self.full(who.account_id, who.region, organization=organization is not None):
            return texts.limit
        return None

    def _may_create_again(self, current: Change, organization: LocalOrganization | None) -> bool:
        """Inferred for what was created or invited before it was the organisation's to enrol."""
        if current.status in OPEN_TO_CREATION:
            return True
        if organization is None or current.status in ASSOCIATED:
            return False
        return not current.organization or current.status is LocalStatus.RESIGNED

    def membership(self, administrator: str, region: str, account_id: str) -> LocalMembership:
        return self.state.memberships.make(self.name, region, administrator, account_id)

    def _send_invitation(self, membership: LocalMembership, email: str | None) -> None:
        now = self.state.now()
        delay = self.verification_delay()
        if delay is None:
            self.record(membership, Change(now, LocalStatus.INVITED, email, invited_at=now))
            self._sent(membership)
            return
        self.record(membership, Change(now, LocalStatus.VERIFYING, email, invited_at=now))

        def verify() -> None:
            account = self.state.accounts.get(membership.account_id)
            if account is None or account.email.casefold() != (email or "").casefold():
                self.become(membership, LocalStatus.VERIFICATION_FAILED)
            else:
                self.become(membership, LocalStatus.INVITED)
                self._sent(membership)

        self.later(delay, membership, verify)

    def _sent(self, membership: LocalMembership) -> None:
        membership.changes[-1] = replace(membership.current, invitation_id=self.state.hex_id())
        key = (self.name, membership.region, membership.administrator, membership.account_id)
        self.state.invitations_sent[key] += 1
        self.owner_may_accept(membership)

    def later(
        self, seconds: float, membership: LocalMembership, effect: Callable[[], None]
    ) -> None:
        """Run the effect unless the membership has changed by then."""
        expected = membership.current

        def run() -> None:
            if membership.current is expected:
                effect()

        self.state.agenda.after(seconds, run)


def _next(token: str | None) -> dict[str, str]:
    return {} if token is None else {"NextToken": token}
