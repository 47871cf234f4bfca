"""The beliefs about the three services that are tried by reading only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import CredentialsRefused
from functions.services.central import NO_POLICY
from functions.services.guardduty import NO_DETECTOR
from functions.services.organization import NOT_DELEGATED
from tests.contract.beliefs import needs
from tests.contract.beliefs.belief import Belief, Source
from tests.contract.beliefs.expectations import (
    Either,
    Expectation,
    Lacks,
    Matches,
    MemberApi,
    NoMember,
    Present,
    Reached,
    Refused,
    RefusedAs,
    SaysOfSome,
)
from tests.contract.beliefs.needs import (
    APIS,
    DETECTIVE_API,
    GUARDDUTY_API,
    SECURITYHUB_API,
    UNKNOWN_ACCOUNTS,
    association_of,
    resource,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.contract.beliefs.answers import Site
    from tests.contract.beliefs.belief import Parameters

_ADAPTER = {api.record.name: f"functions/services/{api.record.name}.py" for api in APIS}
_POLICIES = "functions/services/central.py"
_BATCHES = "functions/services/batches.py"
_INVITATIONS = "functions/services/invitations.py"
_ORGANIZATION = "functions/services/organization.py"
# Left out, it is true: enabled members only.
_EVERYONE: Mapping[str, Mapping[str, Any]] = {
    "securityhub": {"OnlyAssociated": False},
    "guardduty": {"OnlyAssociated": "false"},
    "detective": {},
}


def _of_members(api: MemberApi, **parameters: Any) -> Parameters:
    return lambda site: {**resource(api.record, site), **parameters}


def _statuses(api: MemberApi) -> Belief:
    return Belief(
        id=f"{api.record.name}.list-members.status",
        service=api.record.name,
        operation="ListMembers",
        parameters=_of_members(api, **_EVERYONE[api.record.name]),
        all_pages=True,
        expected=api.known_status(),
        source=Source.READ,
        used_in=(_ADAPTER[api.record.name], "functions/services/statuses.py"),
        needs=(needs.enabled(api.record),),
    )


def _unknown_account(api: MemberApi) -> Belief:
    return Belief(
        id=f"{api.record.name}.get-members.unknown-account",
        service=api.record.name,
        operation="GetMembers",
        parameters=_of_members(api, AccountIds=[UNKNOWN_ACCOUNTS[0]]),
        expected=NoMember(api),
        source=Source.INFERRED,
        used_in=(_BATCHES, "functions/services/answers.py"),
        needs=(needs.enabled(api.record),),
    )


def _too_many(api: MemberApi, expected: Expectation, source: Source) -> Belief:
    return Belief(
        id=f"{api.record.name}.get-members.51-accounts",
        service=api.record.name,
        operation="GetMembers",
        parameters=_of_members(api, AccountIds=list(UNKNOWN_ACCOUNTS)),
        expected=expected,
        source=source,
        used_in=(_BATCHES, _ADAPTER[api.record.name]),
        needs=(needs.enabled(api.record),),
    )


def _configuration(api: MemberApi, *fields: str) -> Belief:
    return Belief(
        id=f"{api.record.name}.organization-configuration.administrator",
        service=api.record.name,
        operation="DescribeOrganizationConfiguration",
        parameters=_of_members(api),
        expected=Present(fields),
        source=Source.READ,
        used_in=(_ORGANIZATION, _ADAPTER[api.record.name]),
        needs=(needs.administers(api.record),),
    )


def _no_configuration(api: MemberApi, refused: Refused, source: Source) -> Belief:
    return Belief(
        id=f"{api.record.name}.organization-configuration.other",
        service=api.record.name,
        operation="DescribeOrganizationConfiguration",
        parameters=_of_members(api),
        expected=refused,
        source=source,
        used_in=(_ORGANIZATION, _ADAPTER[api.record.name]),
        needs=(needs.enabled(api.record), needs.administers_not(api.record)),
    )


def _invitations(api: MemberApi) -> Belief:
    administrator = "AdministratorId" if api is DETECTIVE_API else "AccountId"
    identity = "GraphArn" if api is DETECTIVE_API else "InvitationId"
    fields = tuple(f"Invitations[].{name}" for name in (administrator, identity, api.status))
    return Belief(
        id=f"{api.record.name}.list-invitations.fields",
        service=api.record.name,
        operation="ListInvitations",
        all_pages=True,
        expected=Present(fields),
        source=Source.READ,
        used_in=(_ADAPTER[api.record.name], _INVITATIONS),
        needs=(needs.enabled(api.record),) if api is SECURITYHUB_API else (),
    )


def _invitation_status(api: MemberApi) -> Belief:
    return Belief(
        id=f"{api.record.name}.list-invitations.status",
        service=api.record.name,
        operation="ListInvitations",
        all_pages=True,
        expected=api.known_status("Invitations[]"),
        source=Source.READ,
        used_in=(_ADAPTER[api.record.name], "functions/services/statuses.py"),
        needs=(needs.enabled(api.record),) if api is SECURITYHUB_API else (),
    )


def _administrator(api: MemberApi) -> Belief:
    return Belief(
        id=f"{api.record.name}.get-administrator-account.status",
        service=api.record.name,
        operation="GetAdministratorAccount",
        parameters=_of_members(api),
        expected=api.known_status("Administrator"),
        source=Source.READ,
        used_in=(_ADAPTER[api.record.name], _INVITATIONS),
        needs=(needs.enabled(api.record), needs.has_administrator(api.record)),
    )


def _no_administrator(api: MemberApi, expected: Expectation, source: Source) -> Belief:
    return Belief(
        id=f"{api.record.name}.get-administrator-account.none",
        service=api.record.name,
        operation="GetAdministratorAccount",
        parameters=_of_members(api),
        expected=expected,
        source=source,
        used_in=(_ADAPTER[api.record.name], _INVITATIONS),
        needs=(needs.enabled(api.record), needs.has_no_administrator(api.record)),
    )


def _region(api: MemberApi, *, there: bool) -> Belief:
    need = needs.offered if there else needs.not_offered
    return Belief(
        id=f"{api.record.name}.region.{'offered' if there else 'not-offered'}",
        service=api.record.name,
        operation="ListInvitations",
        expected=Reached(there),
        source=Source.READ,
        used_in=("functions/enrolment/configuration.py", _ADAPTER[api.record.name]),
        needs=(need(api.record),),
    )


def _region_off(api: MemberApi) -> Belief:
    return Belief(
        id=f"{api.record.name}.region.not-opted-in",
        service=api.record.name,
        operation="ListInvitations",
        expected=RefusedAs(CredentialsRefused),
        source=Source.INFERRED,
        used_in=("functions/aws/calls.py", "functions/services/protocol.py"),
        needs=(needs.not_opted_in, needs.offered(api.record)),
    )


def _no_graph(site: Site) -> Mapping[str, Any]:
    graph = f"arn:{site.partition}:detective:{site.region}:{site.caller}:graph:{'0' * 32}"
    return {"GraphArn": graph, "AccountIds": [UNKNOWN_ACCOUNTS[0]]}


_MEMBERS = (
    *(_statuses(api) for api in APIS),
    *(_unknown_account(api) for api in APIS),
    _too_many(
        SECURITYHUB_API,
        SaysOfSome(SECURITYHUB_API, "maximum number of results exceeded"),
        Source.OBSERVED,
    ),
    _too_many(GUARDDUTY_API, Refused(("BadRequestException",)), Source.READ),
    _too_many(DETECTIVE_API, Refused(("ValidationException",)), Source.READ),
    Belief(
        id="securityhub.get-members.no-hub",
        service="securityhub",
        operation="GetMembers",
        parameters=lambda _: {"AccountIds": [UNKNOWN_ACCOUNTS[0]]},
        expected=Refused(("InvalidAccessException",), ("not subscribed",)),
        source=Source.OBSERVED,
        used_in=(_ADAPTER["securityhub"],),
        needs=(needs.no_hub,),
    ),
    Belief(
        id="guardduty.get-members.wrong-detector",
        service="guardduty",
        operation="GetMembers",
        parameters=lambda _: {"DetectorId": "0" * 32, "AccountIds": [UNKNOWN_ACCOUNTS[0]]},
        expected=Refused(("BadRequestException",), NO_DETECTOR),
        source=Source.READ,
        used_in=(_ADAPTER["guardduty"],),
    ),
    Belief(
        id="detective.get-members.deleted-graph",
        service="detective",
        operation="GetMembers",
        parameters=_no_graph,
        expected=Refused(("ResourceNotFoundException",)),
        source=Source.INFERRED,
        used_in=(_ADAPTER["detective"],),
    ),
)

_AS_ADMINISTRATOR = (
    _configuration(
        SECURITYHUB_API,
        "AutoEnable",
        "OrganizationConfiguration.ConfigurationType",
        "OrganizationConfiguration.Status",
    ),
    _configuration(GUARDDUTY_API, "AutoEnableOrganizationMembers", "MemberAccountLimitReached"),
    _configuration(DETECTIVE_API, "AutoEnable"),
    _no_configuration(
        SECURITYHUB_API,
        Refused(("InvalidAccessException",), NOT_DELEGATED["securityhub"]),
        Source.OBSERVED,
    ),
    _no_configuration(GUARDDUTY_API, Refused(parts=NOT_DELEGATED["guardduty"]), Source.INFERRED),
    _no_configuration(
        DETECTIVE_API,
        Refused(("AccessDeniedException",), NOT_DELEGATED["detective"]),
        Source.INFERRED,
    ),
)

_CENTRAL = (
    Belief(
        id="securityhub.list-finding-aggregators.arn",
        service="securityhub",
        operation="ListFindingAggregators",
        expected=Matches(
            "FindingAggregators[].FindingAggregatorArn",
            "arn:…:securityhub:Region:…",
            r"arn:[a-z-]+:securityhub:[a-z0-9-]+:\d{12}:.+",
        ),
        source=Source.READ,
        used_in=(_POLICIES,),
        needs=(needs.central,),
    ),
    Belief(
        id="securityhub.configuration-policy-associations.fields",
        service="securityhub",
        operation="BatchGetConfigurationPolicyAssociations",
        parameters=lambda site: association_of(needs.other_account(site) or ""),
        expected=Present(
            (
                "ConfigurationPolicyAssociations[].TargetId",
                "ConfigurationPolicyAssociations[].ConfigurationPolicyId",
            )
        ),
        source=Source.READ,
        used_in=(_POLICIES,),
        needs=(needs.central, needs.another),
    ),
    Belief(
        id="securityhub.configuration-policy-associations.none",
        service="securityhub",
        operation="BatchGetConfigurationPolicyAssociations",
        parameters=lambda _: association_of(UNKNOWN_ACCOUNTS[0]),
        expected=Either(
            (
                Lacks("UnprocessedConfigurationPolicyAssociations[]"),
                Matches(
                    "UnprocessedConfigurationPolicyAssociations[].ErrorCode",
                    " or ".join(NO_POLICY),
                    "|".join(NO_POLICY),
                ),
            )
        ),
        source=Source.INFERRED,
        used_in=(_POLICIES,),
        needs=(needs.central,),
    ),
    Belief(
        id="securityhub.configuration-policy.enables",
        service="securityhub",
        operation="GetConfigurationPolicy",
        parameters=lambda site: {"Identifier": needs.configuration_policy(site)},
        expected=Present(("ConfigurationPolicy.SecurityHub.ServiceEnabled",)),
        source=Source.READ,
        used_in=(_POLICIES,),
        needs=(needs.central, needs.another, needs.has_policy),
    ),
)

_AS_MEMBER = (
    *(_invitations(api) for api in APIS),
    *(_invitation_status(api) for api in APIS),
    Belief(
        id="securityhub.list-invitations.no-hub",
        service="securityhub",
        operation="ListInvitations",
        expected=Either(
            (
                Lacks("Invitations[]"),
                Present(("Invitations[].InvitationId",)),
                Refused(("InvalidAccessException",), ("not subscribed",)),
            )
        ),
        source=Source.UNKNOWN,
        used_in=(_ADAPTER["securityhub"],),
        needs=(needs.no_hub,),
    ),
    *(_administrator(api) for api in (SECURITYHUB_API, GUARDDUTY_API)),
    _no_administrator(
        SECURITYHUB_API,
        Either((Lacks("Administrator"), Refused(("ResourceNotFoundException",)))),
        Source.UNKNOWN,
    ),
    _no_administrator(GUARDDUTY_API, Lacks("Administrator"), Source.READ),
)


_REGIONS = (
    *(_region(api, there=True) for api in APIS),
    *(_region_off(api) for api in APIS),
    *(_region(api, there=False) for api in APIS if api.record.not_offered),
)

SERVICE_READINGS = (*_MEMBERS, *_AS_ADMINISTRATOR, *_CENTRAL, *_AS_MEMBER, *_REGIONS)
