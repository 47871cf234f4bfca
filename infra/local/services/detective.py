"""Detective: behavior graphs, their members, and the organisation's administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError, Wording
from infra.local.facts.membership import (
    ASSOCIATED,
    Change,
    LocalMembership,
    LocalStatus,
    Texts,
    Why,
)
from infra.local.facts.organization import AccountState, AutoEnable, LocalOrganization
from infra.local.facts.state import Installation, Volume
from infra.local.facts.timings import OrNever
from infra.local.services.guardduty.service import GuardDuty
from infra.local.services.shared.members import Members
from infra.local.services.shared.tags import TagOperations
from infra.local.wire.errors import described
from infra.local.wire.paging import when

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from infra.local.wire.constraints import Violation

_PAGE = 200
_CORE = "DETECTIVE_CORE"
_UNKNOWN = "VOLUME_UNKNOWN"
# What becomes of an associated account's data.
_INGEST = {LocalStatus.ENABLED: "STARTED", LocalStatus.DISABLED: "DISABLED"}


def _invalid_input(broken: Sequence[Violation]) -> ServiceError:
    graph = broken[0].path == ("GraphArn",)
    code = "INVALID_GRAPH_ARN" if graph else "INVALID_REQUEST_BODY"
    return ServiceError("ValidationException", described(broken), ErrorCode=code)


def _malformed(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, ErrorCode="INVALID_REQUEST_BODY")


class Detective(Members):
    name = "detective"
    label = "Detective"
    principal = "detective.amazonaws.com"
    wording = Wording(
        throttling="TooManyRequestsException",
        server_error="InternalServerException",
        invalid_input=_invalid_input,
        malformed=_malformed,
    )
    timings: ClassVar = {
        # From CreateMembers to INVITED or VERIFICATION_FAILED, or for organisation accounts to
        # ENABLED.
        "detective_verification": 1.0,
        # From GuardDuty being on in an account until Detective can tell its data volume.
        "detective_volume": 2.0,
        # From the volume being known until Detective enables the member unasked.
        "detective_recheck": OrNever(2.0),
    }
    # Members per administrator and Region (aws-facts 1.5).
    limits: ClassVar = {"detective": 1_200}
    spelling: ClassVar = {
        LocalStatus.VERIFYING: "VERIFICATION_IN_PROGRESS",
        LocalStatus.VERIFICATION_FAILED: "VERIFICATION_FAILED",
        LocalStatus.INVITED: "INVITED",
        LocalStatus.ENABLED: "ENABLED",
        LocalStatus.DISABLED: "ACCEPTED_BUT_DISABLED",
    }
    # "Account is already a member" is what SRA compares with; the others are inferred.
    texts = Texts(
        already_member="Account is already a member",
        itself="Account is the administrator of the behavior graph",
        not_member="Account is not a member",
        suspended="Account is suspended",
        unknown_account="Account does not exist",
    )
    # Codes are modelled; texts are inferred where no other source is named.
    errors: ClassVar = {
        # Seen in a public survey of denied calls for ListOrganizationAdminAccounts.
        Why.NOT_MANAGEMENT: (
            "AccessDeniedException",
            "Caller is not an organization manager or delegated administrator",
        ),
        Why.NOT_IN_ORGANIZATION: (
            "AccessDeniedException",
            "Caller is not an organization manager or delegated administrator",
        ),
        Why.NOT_ADMINISTRATOR: (
            "AccessDeniedException",
            "Caller is not the Detective administrator account of an organization",
        ),
        Why.OTHER_ADMINISTRATOR: (
            "ValidationException",
            "Another account is the delegated administrator for Detective",
        ),
        Why.UNKNOWN_ADMINISTRATOR: (
            "ValidationException",
            "The account cannot be, or is not, the Detective administrator of the organization",
        ),
        Why.NOT_ENABLED: ("ResourceNotFoundException", "The behavior graph does not exist"),
        Why.NO_INVITATION: (
            "ResourceNotFoundException",
            "The account has no invitation to the behavior graph",
        ),
        Why.ALREADY_ASSOCIATED: ("ConflictException", "The invitation has been answered already"),
        Why.NOT_ASSOCIATED: (
            "ConflictException",
            "The account does not have a member status that allows this",
        ),
        Why.ORGANIZATION_MEMBER: (
            "ValidationException",
            "Organization accounts cannot leave the organization behavior graph",
        ),
        Why.BAD_INPUT: ("ValidationException", "The request parameters are invalid"),
    }
    invites_on_creation = True
    exclusive = False
    first_in_organization = LocalStatus.VERIFYING
    when_removed = LocalStatus.GONE

    @property
    def operations(self) -> Mapping[str, Operation]:
        free: dict[str, Operation] = {
            "CreateGraph": self.create_graph,
            "ListGraphs": self.list_graphs,
            "ListInvitations": self.list_invitations,
            "AcceptInvitation": self.accept_invitation,
            "RejectInvitation": self.reject_invitation,
            "BatchGetMembershipDatasources": self.batch_get_membership_datasources,
            "DisassociateMembership": self.disassociate_membership,
            "EnableOrganizationAdminAccount": self.enable_organization_admin_account,
            "DisableOrganizationAdminAccount": self.disable_organization_admin_account,
            "ListOrganizationAdminAccounts": self.list_organization_admin_accounts,
            **TagOperations(self, "ResourceNotFoundException").operations,
        }
        of_the_administrator: dict[str, Operation] = {
            "DeleteGraph": self.delete_graph,
            "CreateMembers": self.create_members,
            "GetMembers": self.get_members,
            "ListMembers": self.list_members,
            "DeleteMembers": self.delete_members,
            "StartMonitoringMember": self.start_monitoring_member,
            "BatchGetGraphMemberDatasources": self.batch_get_graph_member_datasources,
            "ListDatasourcePackages": self.list_datasource_packages,
            "UpdateDatasourcePackages": self.update_datasource_packages,
        }
        of_the_organization: dict[str, Operation] = {
            "DescribeOrganizationConfiguration": self.describe_organization_configuration,
            "UpdateOrganizationConfiguration": self.update_organization_configuration,
        }
        return (
            free
            | {name: self._owning(call) for name, call in of_the_administrator.items()}
            | {
                name: self._owning(call, of_organization=True)
                for name, call in of_the_organization.items()
            }
        )

    def enable_delay(self) -> float:
        return self.state.timings["detective_verification"]

    def verification_delay(self) -> float | None:
        return self.state.timings["detective_verification"]

    def capacity(self, *, organization: bool) -> float:
        return self.state.limits["detective"]

    def management_not_ready(
        self, organization: LocalOrganization, account_id: str, region: str
    ) -> bool:
        return False

    def switch_on(self, account_id: str, region: str) -> None:
        """Only administrators have a graph."""
        if self.state.installation(self.name, account_id, region) is None:
            self._create(Caller(account_id, region), {})

    def admission(self, membership: LocalMembership) -> tuple[LocalStatus, str | None]:
        account = self.state.account(membership.account_id)
        volume = account.volume
        if volume is Volume.MEASURED:
            known_at = self._volume_known_at(membership)
            known = known_at is not None and known_at <= self.state.now()
            volume = Volume.KNOWN if known else Volume.UNKNOWN
        if volume is Volume.TOO_HIGH:
            return LocalStatus.DISABLED, "VOLUME_TOO_HIGH"
        if volume is Volume.UNKNOWN:
            return LocalStatus.DISABLED, _UNKNOWN
        return LocalStatus.ENABLED, None

    def admit(self, membership: LocalMembership) -> None:
        super().admit(membership)
        self._look_again(membership)

    def reconsider(self, membership: LocalMembership) -> None:
        super().reconsider(membership)
        self._look_again(membership)

    def administrator_ended(self, account_id: str, region: str) -> None:
        """Removing the administrator deletes the organization behavior graph (BC)."""
        self._drop_graph(Caller(account_id, region))

    # Graphs

    def create_graph(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        graph = self.state.installation(self.name, who.account_id, who.region)
        return {"GraphArn": (graph or self._create(who, params)).arn}

    def list_graphs(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        graph = self.state.installation(self.name, who.account_id, who.region)
        graphs = [{"Arn": graph.arn, "CreatedTime": when(graph.since)}] if graph else []
        shown, token = self.paged(graphs, params, _PAGE)
        return {"GraphList": shown, **token}

    def delete_graph(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        self._drop_graph(who)
        return {}

    def list_datasource_packages(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        started = self._graph(who).settings["packages"]
        packages = [
            (
                name,
                {
                    "DatasourcePackageIngestState": "STARTED",
                    "LastIngestStateChange": {"STARTED": {"Timestamp": when(since)}},
                },
            )
            for name, since in started.items()
        ]
        shown, token = self.paged(packages, params, _PAGE)
        return {"DatasourcePackages": dict(shown), **token}

    def update_datasource_packages(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        for name in params["DatasourcePackages"]:
            self._graph(who).settings["packages"].setdefault(name, self.state.now())
        return {}

    # The administrator's members

    def create_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        emails = {one["AccountId"]: one["EmailAddress"] for one in params["Accounts"]}
        added = sum(self.find(who.account_id, who.region, one) is None for one in emails)
        tally = self.state.memberships.tally(self.name, who.region, who.account_id)
        if added and tally.present + added > self.state.limits["detective"]:
            raise ServiceError(
                "ServiceQuotaExceededException",
                "This request cannot be completed because the number of member accounts in the "
                "behavior graph would exceed the maximum allowed.",
            )
        answer = self._batch(
            who, "CreateMembers", emails, lambda one: self._create_one(who, one, emails[one])
        )
        failed = {entry["AccountId"] for entry in answer["UnprocessedAccounts"]}
        created = [
            self._member(who.account_id, who.region, one, self._current(who, one))
            for one in emails
            if one not in failed
        ]
        return {"Members": created, **answer}

    def get_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        # UnprocessedAccounts holds those "for which Detective was unable to return member
        # details", with a reason (BC); what it says of a stranger is inferred.
        asked = {one: self.shown(who, one) for one in params["AccountIds"]}
        answer = self._batch(
            who,
            "GetMembers",
            asked,
            lambda one: None if asked[one] else self.texts.not_member,
        )
        failed = {entry["AccountId"] for entry in answer["UnprocessedAccounts"]}
        return {
            "MemberDetails": [
                self._member(who.account_id, who.region, one, change)
                for one, change in asked.items()
                if change is not None and one not in failed
            ],
            **answer,
        }

    def list_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        def describe(account_id: str, change: Change) -> dict[str, Any]:
            return self._member(who.account_id, who.region, account_id, change)

        members, token = self.listed(who, params, _PAGE, describe)
        return {"MemberDetails": members, **token}

    def delete_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        asked = dict.fromkeys(params["AccountIds"])
        answer = self._batch(who, "DeleteMembers", asked, lambda one: self._remove(who, one))
        failed = {entry["AccountId"] for entry in answer["UnprocessedAccounts"]}
        return {"AccountIds": [one for one in asked if one not in failed], **answer}

    def start_monitoring_member(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        membership = self.find(who.account_id, who.region, params["AccountId"])
        if membership is None:
            raise ServiceError("ResourceNotFoundException", self.texts.not_member)
        if membership.current.status is not LocalStatus.DISABLED:
            raise self.error(Why.NOT_ASSOCIATED)
        self.admit(membership)
        return {}

    def batch_get_graph_member_datasources(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def describe(account_id: str) -> str | None:
            membership = self.find(who.account_id, who.region, account_id)
            if membership is None:
                return self.texts.not_member
            found.append(self._datasources(membership))
            return None

        asked = dict.fromkeys(params["AccountIds"])
        answer = self._batch(who, "BatchGetGraphMemberDatasources", asked, describe)
        return {"MemberDatasources": found, **answer}

    # The member's graphs

    def batch_get_membership_datasources(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        found, unprocessed = [], []
        for graph_arn in dict.fromkeys(params["GraphArns"]):
            administrator = self._administrator_of(graph_arn)
            membership = (
                self.find(administrator.account_id, who.region, who.account_id)
                if administrator is not None and administrator.region == who.region
                else None
            )
            if membership is None:
                reason = "Account is not a member of the behavior graph"
                unprocessed.append({"GraphArn": graph_arn, "Reason": reason})
            else:
                found.append(self._datasources(membership))
        return {"MembershipDatasources": found, "UnprocessedGraphs": unprocessed}

    def list_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        invitations = [
            self._member(administrator, who.region, who.account_id, change)
            for administrator, change in self.invitations(who)
        ]
        shown, token = self.paged(invitations, params, _PAGE)
        return {"Invitations": shown, **token}

    def accept_invitation(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        membership = self._invited(who, params)
        if membership.current.status is not LocalStatus.INVITED:
            raise self.error(Why.ALREADY_ASSOCIATED)
        self.admit(membership)
        return {}

    def reject_invitation(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        membership = self._invited(who, params)
        if membership.current.status is not LocalStatus.INVITED:
            raise self.error(Why.ALREADY_ASSOCIATED)
        self.become(membership, LocalStatus.GONE)
        return {}

    def disassociate_membership(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        membership = self._invited(who, params)
        if membership.current.organization:
            raise self.error(Why.ORGANIZATION_MEMBER)
        if membership.current.status is not LocalStatus.ENABLED:
            raise self.error(Why.NOT_ASSOCIATED)
        self.become(membership, LocalStatus.GONE)
        return {}

    # The organisation

    def enable_organization_admin_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self.delegation.designate(who, params["AccountId"])
        return {}

    def disable_organization_admin_account(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        self.delegation.undesignate(who)
        return {}

    def list_organization_admin_accounts(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        found = self.state.designation(self.name, who.region, who.account_id)
        organization = self.delegation.managed(who) if found is None else found[0]
        administrators = []
        for one in self.delegation.designations(organization, who.region):
            graph = self.state.installation(self.name, one.account_id, who.region)
            if graph is not None:
                administrators.append(
                    {
                        "AccountId": one.account_id,
                        "GraphArn": graph.arn,
                        "DelegationTime": when(one.since),
                    }
                )
        shown, token = self.paged(administrators, params, _PAGE)
        return {"Administrators": shown, **token}

    def describe_organization_configuration(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        return {"AutoEnable": self.delegation.administered(who).auto_enable is not AutoEnable.NONE}

    def update_organization_configuration(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self.delegation.administered(who)
        if "AutoEnable" in params:
            self.delegation.set_auto_enable(
                who, AutoEnable.NEW if params["AutoEnable"] else AutoEnable.NONE
            )
        return {}

    def _owning(self, call: Operation, *, of_organization: bool = False) -> Operation:
        # The models of the organisation's two operations have no ResourceNotFoundException: that
        # an absent graph is refused there as another account's is inferred.
        def checked(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
            graph = self.state.installation(self.name, who.account_id, who.region)
            if graph is None or graph.arn != params["GraphArn"]:
                absent = self._administrator_of(params["GraphArn"]) is None
                if absent and not of_organization:
                    raise self.error(Why.NOT_ENABLED)
                raise ServiceError(
                    "AccessDeniedException",
                    "The request issuer does not have permission to access this resource.",
                )
            return call(who, params)

        return checked

    def _graph(self, who: Caller) -> Installation:
        return self.state.installations[self.name, who.account_id, who.region]

    def _administrator_of(self, graph_arn: str) -> Caller | None:
        """The account and Region in the ARN, if they have that graph."""
        region, account_id = (*graph_arn.split(":"), "", "", "", "", "")[3:5]
        graph = self.state.installation(self.name, account_id, region)
        if graph is None or graph.arn != graph_arn:
            return None
        return Caller(account_id, region)

    def _invited(self, who: Caller, params: dict[str, Any]) -> LocalMembership:
        administrator = self._administrator_of(params["GraphArn"])
        if administrator is None or administrator.region != who.region:
            raise self.error(Why.NO_INVITATION)
        membership = self.find(administrator.account_id, who.region, who.account_id)
        if membership is None or membership.current.status not in ASSOCIATED | {
            LocalStatus.INVITED
        }:
            raise self.error(Why.NO_INVITATION)
        return membership

    def _create_one(self, who: Caller, account_id: str, email: str) -> str | None:
        account = self.state.accounts.get(account_id)
        if (
            self.shared_organization(who, account_id) is not None
            and account is not None
            and account.state is not AccountState.ACTIVE
        ):
            return self.texts.suspended
        return self.create(who, account_id, email)

    def _remove(self, who: Caller, account_id: str) -> str | None:
        membership = self.find(who.account_id, who.region, account_id)
        if membership is None:
            return self.texts.not_member
        self.become(membership, LocalStatus.GONE)
        return None

    def _current(self, who: Caller, account_id: str) -> Change:
        return self.membership(who.account_id, who.region, account_id).current

    def _volume_known_at(self, membership: LocalMembership) -> float | None:
        detector = self.state.installation(GuardDuty.name, membership.account_id, membership.region)
        if detector is None or not detector.enabled:
            return None
        return detector.since + self.state.timings["detective_volume"]

    def _look_again(self, membership: LocalMembership) -> None:
        """Enable a disabled member unasked once its volume allows, as Detective does."""
        if membership.current.status is not LocalStatus.DISABLED:
            return
        due = self.state.now()
        if self.state.account(membership.account_id).volume is Volume.MEASURED:
            known_at = self._volume_known_at(membership)
            if known_at is None:
                return
            due = max(due, known_at)
        elif self.admission(membership)[0] is LocalStatus.DISABLED:
            return
        delay = due - self.state.now() + self.state.timings["detective_recheck"]
        self.later(delay, membership, lambda: self.admit(membership))

    def _drop_graph(self, who: Caller) -> None:
        self.state.installations.pop((self.name, who.account_id, who.region), None)
        for membership in self.members_of(who.account_id, who.region):
            self.become(membership, LocalStatus.GONE)

    def _batch(
        self,
        who: Caller,
        operation: str,
        account_ids: Mapping[str, Any],
        act: Callable[[str], str | None],
    ) -> dict[str, Any]:
        return {
            "UnprocessedAccounts": [
                {"AccountId": account_id, "Reason": text}
                for account_id, text in self.refusals(who, operation, account_ids, act)
            ]
        }

    def _member(
        self, administrator: str, region: str, account_id: str, change: Change
    ) -> dict[str, Any]:
        graph = self.state.installations[self.name, administrator, region]
        member: dict[str, Any] = {
            "AccountId": account_id,
            "GraphArn": graph.arn,
            "MasterId": administrator,
            "AdministratorId": administrator,
            "Status": self.spelled(change),
            "UpdatedTime": when(change.at),
            "InvitationType": "ORGANIZATION" if change.organization else "INVITATION",
        }
        if change.email:
            member["EmailAddress"] = change.email
        if change.disabled_reason is not None:
            member["DisabledReason"] = change.disabled_reason
        if change.invited_at is not None:
            member["InvitedTime"] = when(change.invited_at)
        if change.status in ASSOCIATED:
            member["DatasourcePackageIngestStates"] = {_CORE: _INGEST[change.status]}
        return member

    def _datasources(self, membership: LocalMembership) -> dict[str, Any]:
        """Since when each package was in each state. None for a member that has not accepted:
        inferred."""
        graph = self.state.installations[self.name, membership.administrator, membership.region]
        return {
            "AccountId": membership.account_id,
            "GraphArn": graph.arn,
            "DatasourcePackageIngestHistory": {
                package: {
                    _INGEST[change.status]: {"Timestamp": when(max(change.at, since))}
                    for change in membership.changes
                    if change.status in _INGEST
                }
                for package, since in graph.settings["packages"].items()
                if membership.current.status in _INGEST
            },
        }

    def _create(self, who: Caller, params: dict[str, Any]) -> Installation:
        now = self.state.now()
        graph_id = self.state.hex_id()
        arn = f"arn:aws:detective:{who.region}:{who.account_id}:graph:{graph_id}"
        graph = Installation(graph_id, arn, now, now, tags=dict(params.get("Tags", {})))
        graph.settings = {"packages": {_CORE: now}}
        self.state.install(self.name, who.account_id, who.region, graph)
        return graph
