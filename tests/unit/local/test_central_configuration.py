"""Security Hub's finding aggregators and central configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.local_world import (
    ADMINISTRATOR,
    MANAGEMENT,
    MEMBER,
    OPT_IN_REGION,
    OTHER_MEMBER,
    OTHER_REGION,
    OUTSIDER,
    REGION,
    STRANGER,
    Lab,
)

if TYPE_CHECKING:
    from tests.support.local_world import Actor

SERVICE = "securityhub"
FAR_REGION = "us-west-2"
SELF_MANAGED = "SELF_MANAGED_SECURITY_HUB"
CIS = "arn:aws:securityhub:::ruleset/cis-aws-foundations-benchmark/v/1.2.0"
BEST_PRACTICES = (
    "arn:aws:securityhub:{}::standards/aws-foundational-security-best-practices/v/1.0.0"
)
CENTRAL = {"ConfigurationType": "CENTRAL"}
NOT_CENTRAL = "Must be a Security Hub delegated administrator with Central Configuration enabled"


@pytest.fixture
def lab() -> Lab:
    """An administrator with a home Region and one linked Region."""
    lab = Lab()
    lab.do("designate", service=SERVICE, account_id=ADMINISTRATOR, regions=[REGION])
    lab.actor(SERVICE, ADMINISTRATOR)(
        "CreateFindingAggregator",
        RegionLinkingMode="SPECIFIED_REGIONS",
        Regions=[OTHER_REGION],
    )
    return lab


@pytest.fixture
def admin(lab: Lab) -> Actor:
    """The administrator at home, central configuration being enabled."""
    admin = lab.actor(SERVICE, ADMINISTRATOR)
    admin("UpdateOrganizationConfiguration", AutoEnable=False, OrganizationConfiguration=CENTRAL)
    lab.pass_seconds(1)
    return admin


def policy(admin: Actor, name: str = "on", *, enabled: bool = True) -> str:
    settings: dict[str, Any] = {"ServiceEnabled": enabled}
    if enabled:
        settings["EnabledStandardIdentifiers"] = [BEST_PRACTICES.format(REGION)]
    created = admin(
        "CreateConfigurationPolicy", Name=name, ConfigurationPolicy={"SecurityHub": settings}
    )
    identifier: str = created["Id"]
    return identifier


def target(lab: Lab, target_id: str) -> dict[str, str]:
    if target_id.isdigit():
        return {"AccountId": target_id}
    return {"RootId" if target_id.startswith("r-") else "OrganizationalUnitId": target_id}


def associate(lab: Lab, admin: Actor, target_id: str, policy_id: str) -> dict[str, Any]:
    return admin(
        "StartConfigurationPolicyAssociation",
        ConfigurationPolicyIdentifier=policy_id,
        Target=target(lab, target_id),
    )


def association(lab: Lab, admin: Actor, target_id: str) -> tuple[str, str, str]:
    found = admin("GetConfigurationPolicyAssociation", Target=target(lab, target_id))
    return found["ConfigurationPolicyId"], found["AssociationType"], found["AssociationStatus"]


def root(lab: Lab) -> str:
    [only] = lab.actor("organizations", MANAGEMENT)("ListRoots")["Roots"]
    identifier: str = only["Id"]
    return identifier


def move(lab: Lab, account_id: str, unit: str) -> None:
    lab.actor("organizations", MANAGEMENT)(
        "MoveAccount", AccountId=account_id, SourceParentId=root(lab), DestinationParentId=unit
    )


# Finding aggregators


def test_an_aggregator_is_created_found_updated_and_deleted_at_home(lab: Lab) -> None:
    admin = lab.actor(SERVICE, ADMINISTRATOR)
    lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION)("EnableSecurityHub")
    elsewhere = lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION)
    [listed] = elsewhere("ListFindingAggregators")["FindingAggregators"]
    named = {"FindingAggregatorArn": listed["FindingAggregatorArn"]}
    assert admin("GetFindingAggregator", **named) == named | {
        "FindingAggregationRegion": REGION,
        "RegionLinkingMode": "SPECIFIED_REGIONS",
        "Regions": [OTHER_REGION],
    }
    change = named | {"RegionLinkingMode": "NO_REGIONS"}

    assert elsewhere.fails("UpdateFindingAggregator", **change).code == "InvalidInputException"
    assert elsewhere.fails("DeleteFindingAggregator", **named).code == "InvalidInputException"
    assert "Regions" not in admin("UpdateFindingAggregator", **change)
    assert admin("DeleteFindingAggregator", **named) == {}

    assert admin("ListFindingAggregators") == {"FindingAggregators": []}
    assert admin.fails("GetFindingAggregator", **named).code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("mode", "regions"),
    [
        ("NO_REGIONS", [OTHER_REGION]),
        ("ALL_REGIONS", [OTHER_REGION]),
        ("SPECIFIED_REGIONS", []),
        ("SPECIFIED_REGIONS", [REGION]),
        ("SPECIFIED_REGIONS", ["nowhere-1"]),
        ("SOME_REGIONS", []),
    ],
)
def test_regions_that_cannot_be_linked_are_refused(mode: str, regions: list[str]) -> None:
    actor = Lab().actor(SERVICE, OUTSIDER)
    actor("EnableSecurityHub")

    refused = actor.fails("CreateFindingAggregator", RegionLinkingMode=mode, Regions=regions)

    assert refused.code == "InvalidInputException"


def test_an_account_has_one_aggregator_and_a_member_none(lab: Lab) -> None:
    admin, member = lab.actor(SERVICE, ADMINISTRATOR), lab.actor(SERVICE, MEMBER)
    admin("CreateMembers", AccountDetails=[{"AccountId": MEMBER}])
    lab.pass_seconds(1)

    again = admin.fails("CreateFindingAggregator", RegionLinkingMode="ALL_REGIONS")
    of_member = member.fails("CreateFindingAggregator", RegionLinkingMode="ALL_REGIONS")

    assert again.code == "InvalidInputException"
    assert of_member.message == "A finding aggregator cannot be created by a member account."


# Central configuration


def test_central_configuration_takes_over_every_linked_region(lab: Lab) -> None:
    lab.actor(SERVICE, MEMBER, OTHER_REGION)("EnableSecurityHub")
    admin = lab.actor(SERVICE, ADMINISTRATOR)
    admin("UpdateOrganizationConfiguration", AutoEnable=True, OrganizationConfiguration=CENTRAL)
    described = admin("DescribeOrganizationConfiguration")
    assert described["OrganizationConfiguration"] == CENTRAL | {"Status": "PENDING"}

    lab.pass_seconds(1)

    for region in (REGION, OTHER_REGION):
        described = lab.actor(SERVICE, ADMINISTRATOR, region)("DescribeOrganizationConfiguration")
        assert described["OrganizationConfiguration"] == CENTRAL | {"Status": "ENABLED"}
        assert (described["AutoEnable"], described["AutoEnableStandards"]) == (False, "NONE")
    assert lab.status(SERVICE, MEMBER, region=OTHER_REGION) == "Enabled"
    assert lab.status(SERVICE, MEMBER) is None
    assert lab.status(SERVICE, OTHER_MEMBER, region=OTHER_REGION) is None


def test_a_linked_region_of_another_administrator_fails_central_configuration(lab: Lab) -> None:
    admin = lab.actor(SERVICE, ADMINISTRATOR)
    organization = lab.actor("organizations", MANAGEMENT)
    lab.do("designate", service=SERVICE, account_id=MANAGEMENT, regions=[OTHER_REGION])
    assert organization("ListRoots")

    admin("UpdateOrganizationConfiguration", AutoEnable=False, OrganizationConfiguration=CENTRAL)
    lab.pass_seconds(1)

    described = admin("DescribeOrganizationConfiguration")["OrganizationConfiguration"]
    assert described["Status"] == "FAILED"
    assert "Another account" in described["StatusMessage"]
    assert admin.fails("ListConfigurationPolicies").message == NOT_CENTRAL


def test_central_configuration_needs_an_aggregator_at_home_and_a_member_account() -> None:
    lab = Lab()
    admin = lab.actor(SERVICE, ADMINISTRATOR)
    lab.do("designate", service=SERVICE, account_id=ADMINISTRATOR, regions=[REGION, OTHER_REGION])
    change = {"AutoEnable": False, "OrganizationConfiguration": CENTRAL}

    without = admin.fails("UpdateOrganizationConfiguration", **change)
    admin("CreateFindingAggregator", RegionLinkingMode="ALL_REGIONS")
    elsewhere = lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION).fails(
        "UpdateOrganizationConfiguration", **change
    )

    assert without.code == "InvalidInputException"
    assert elsewhere.code == "AccessDeniedException"
    assert "aggregation region" in elsewhere.message
    described = admin("DescribeOrganizationConfiguration")["OrganizationConfiguration"]
    assert described == {"ConfigurationType": "LOCAL", "Status": "ENABLED"}


def test_the_management_account_cannot_configure_centrally() -> None:
    lab = Lab()
    lab.do("designate", service=SERVICE, account_id=MANAGEMENT, regions=[REGION])
    management = lab.actor(SERVICE, MANAGEMENT)
    management("CreateFindingAggregator", RegionLinkingMode="ALL_REGIONS")

    refused = management.fails(
        "UpdateOrganizationConfiguration", AutoEnable=False, OrganizationConfiguration=CENTRAL
    )

    assert refused.code == "InvalidInputException"


def test_only_the_administrator_at_home_may_ask(lab: Lab, admin: Actor) -> None:
    member = lab.actor(SERVICE, MEMBER)
    member("EnableSecurityHub")
    elsewhere = lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION)

    assert admin("ListConfigurationPolicies") == {"ConfigurationPolicySummaries": []}
    refused = [actor.fails("ListConfigurationPolicies") for actor in (member, elsewhere)]

    assert {one.code for one in refused} == {"AccessDeniedException"}
    assert [one.message for one in refused] == [
        NOT_CENTRAL,
        "Central Configuration APIs can only be called from the aggregation region",
    ]


def test_local_configuration_comes_back_once_nothing_is_associated(lab: Lab, admin: Actor) -> None:
    identifier = policy(admin)
    associate(lab, admin, MEMBER, identifier)
    local = {"AutoEnable": False, "OrganizationConfiguration": {"ConfigurationType": "LOCAL"}}
    lab.pass_seconds(1)

    assert (
        admin.fails("UpdateOrganizationConfiguration", **local).code == "ResourceConflictException"
    )
    deleting = admin.fails("DeleteConfigurationPolicy", Identifier=identifier)
    assert deleting.code == "ResourceConflictException"
    admin(
        "StartConfigurationPolicyDisassociation",
        ConfigurationPolicyIdentifier=identifier,
        Target={"AccountId": MEMBER},
    )
    admin("DeleteConfigurationPolicy", Identifier=identifier)
    admin("UpdateOrganizationConfiguration", **local)

    described = admin("DescribeOrganizationConfiguration")["OrganizationConfiguration"]
    assert described == {"ConfigurationType": "LOCAL", "Status": "ENABLED"}
    assert lab.status(SERVICE, MEMBER) == "Enabled"


def test_the_administrator_and_its_aggregator_stay_under_central_configuration(
    lab: Lab, admin: Actor
) -> None:
    [listed] = admin("ListFindingAggregators")["FindingAggregators"]
    management = lab.actor(SERVICE, MANAGEMENT)

    assert admin.fails("DeleteFindingAggregator", **listed).code == "InvalidInputException"
    removal = management.fails("DisableOrganizationAdminAccount", AdminAccountId=ADMINISTRATOR)
    assert removal.code == "InvalidInputException"


def test_removing_the_administrator_from_a_region_that_is_not_linked_changes_nothing_elsewhere(
    lab: Lab, admin: Actor
) -> None:
    lab.do("designate", service=SERVICE, account_id=ADMINISTRATOR, regions=[FAR_REGION])
    identifier = policy(admin)

    lab.actor(SERVICE, MANAGEMENT, FAR_REGION)(
        "DisableOrganizationAdminAccount", AdminAccountId=ADMINISTRATOR
    )

    assert admin("GetConfigurationPolicy", Identifier=identifier)["Id"] == identifier


def test_deregistering_the_administrator_ends_central_configuration(lab: Lab, admin: Actor) -> None:
    associate(lab, admin, MEMBER, policy(admin))
    lab.pass_seconds(1)

    lab.actor("organizations", MANAGEMENT)(
        "DeregisterDelegatedAdministrator",
        AccountId=ADMINISTRATOR,
        ServicePrincipal="securityhub.amazonaws.com",
    )

    assert admin.fails("ListConfigurationPolicies").message == NOT_CENTRAL
    assert lab.actor(SERVICE, MEMBER)("DescribeHub")


# Policies


def test_a_policy_is_created_found_listed_and_updated(lab: Lab, admin: Actor) -> None:
    created = admin(
        "CreateConfigurationPolicy",
        Name="on",
        Description="All accounts",
        ConfigurationPolicy={"SecurityHub": {"ServiceEnabled": True}},
    )
    lab.pass_seconds(5)

    assert admin("GetConfigurationPolicy", Identifier=created["Id"]) == created
    assert admin("GetConfigurationPolicy", Identifier=created["Arn"]) == created
    changed = admin(
        "UpdateConfigurationPolicy",
        Identifier=created["Arn"],
        Name="off",
        ConfigurationPolicy={"SecurityHub": {"ServiceEnabled": False}},
    )
    assert changed["UpdatedAt"] > created["UpdatedAt"]
    [summary] = admin("ListConfigurationPolicies")["ConfigurationPolicySummaries"]
    assert (summary["Name"], summary["ServiceEnabled"]) == ("off", False)
    assert summary["Description"] == "All accounts"


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("two words?", {"SecurityHub": {"ServiceEnabled": True}}, "InvalidInputException"),
        ("a", {"SecurityHub": {}}, "InvalidInputException"),
        (
            "a",
            {"SecurityHub": {"ServiceEnabled": True, "EnabledStandardIdentifiers": ["other"]}},
            "InvalidInputException",
        ),
        ("on", {"SecurityHub": {"ServiceEnabled": True}}, "ResourceConflictException"),
    ],
    ids=["name", "no-service-enabled", "standard", "name-taken"],
)
def test_a_policy_that_cannot_be_is_refused(
    admin: Actor, name: str, settings: dict[str, Any], code: str
) -> None:
    policy(admin)

    refused = admin.fails("CreateConfigurationPolicy", Name=name, ConfigurationPolicy=settings)

    assert refused.code == code


def test_there_are_twenty_policies_at_most(admin: Actor) -> None:
    for number in range(20):
        policy(admin, f"policy-{number}")

    with pytest.raises(Exception, match="LimitExceededException"):
        policy(admin, "one-more")


# Associations


def test_an_enabling_policy_makes_a_member_in_every_region(lab: Lab, admin: Actor) -> None:
    identifier = policy(admin)

    started = associate(lab, admin, MEMBER, identifier)

    assert (started["AssociationStatus"], started["TargetType"]) == ("PENDING", "ACCOUNT")
    assert lab.status(SERVICE, MEMBER) is None
    lab.pass_seconds(1)
    assert association(lab, admin, MEMBER) == (identifier, "APPLIED", "SUCCESS")
    for region in (REGION, OTHER_REGION):
        assert lab.status(SERVICE, MEMBER, region=region) == "Enabled"
        [enabled] = lab.actor(SERVICE, MEMBER, region)("GetEnabledStandards")[
            "StandardsSubscriptions"
        ]
        assert enabled["StandardsArn"] == BEST_PRACTICES.format(region)
    assert lab.status(SERVICE, OTHER_MEMBER) is None
    assert lab.status(SERVICE, MEMBER, region=FAR_REGION) is None


def test_a_disabling_policy_switches_the_hub_off_and_ends_the_membership(
    lab: Lab, admin: Actor
) -> None:
    associate(lab, admin, MEMBER, policy(admin))
    lab.pass_seconds(1)

    associate(lab, admin, MEMBER, policy(admin, "off", enabled=False))
    lab.pass_seconds(1)

    assert admin("ListMembers", OnlyAssociated=False)["Members"] == []
    for region in (REGION, OTHER_REGION):
        assert lab.actor(SERVICE, MEMBER, region).fails("DescribeHub").code == (
            "InvalidAccessException"
        )


def test_a_disabling_policy_skips_the_administrator(lab: Lab, admin: Actor) -> None:
    off = policy(admin, "off", enabled=False)

    directly = admin.fails(
        "StartConfigurationPolicyAssociation",
        ConfigurationPolicyIdentifier=off,
        Target={"AccountId": ADMINISTRATOR},
    )
    associate(lab, admin, root(lab), off)
    lab.pass_seconds(1)

    assert directly.code == "InvalidInputException"
    assert admin("DescribeHub")
    refused = admin.fails("GetConfigurationPolicyAssociation", Target={"AccountId": ADMINISTRATOR})
    assert refused.code == "ResourceNotFoundException"


def test_the_nearest_parent_is_inherited_and_what_is_applied_beats_it(
    lab: Lab, admin: Actor
) -> None:
    outer = lab.do("add_unit", management=MANAGEMENT, name="outer")["unit"]
    inner = lab.do("add_unit", management=MANAGEMENT, name="inner", parent=outer)["unit"]
    move(lab, MEMBER, inner)
    on, off = policy(admin), policy(admin, "off", enabled=False)

    associate(lab, admin, root(lab), off)
    associate(lab, admin, outer, on)
    lab.pass_seconds(1)

    assert association(lab, admin, inner) == (on, "INHERITED", "SUCCESS")
    assert association(lab, admin, MEMBER) == (on, "INHERITED", "SUCCESS")
    assert association(lab, admin, OTHER_MEMBER) == (off, "INHERITED", "SUCCESS")
    assert lab.status(SERVICE, MEMBER) == "Enabled"

    associate(lab, admin, MEMBER, SELF_MANAGED)
    associate(lab, admin, outer, off)
    lab.pass_seconds(1)

    assert association(lab, admin, MEMBER) == (SELF_MANAGED, "APPLIED", "SUCCESS")
    assert lab.status(SERVICE, MEMBER) == "Enabled"

    admin(
        "StartConfigurationPolicyDisassociation",
        ConfigurationPolicyIdentifier=SELF_MANAGED,
        Target={"AccountId": MEMBER},
    )
    lab.pass_seconds(1)

    assert association(lab, admin, MEMBER) == (off, "INHERITED", "SUCCESS")
    assert lab.status(SERVICE, MEMBER) is None


def test_without_a_parent_to_inherit_from_an_account_keeps_its_settings(
    lab: Lab, admin: Actor
) -> None:
    identifier = policy(admin)
    associate(lab, admin, MEMBER, identifier)
    lab.pass_seconds(1)

    admin(
        "StartConfigurationPolicyDisassociation",
        ConfigurationPolicyIdentifier=identifier,
        Target={"AccountId": MEMBER},
    )
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER) == "Enabled"
    absent = admin.fails("GetConfigurationPolicyAssociation", Target={"AccountId": MEMBER})
    assert absent.code == "ResourceNotFoundException"


def test_accounts_that_join_or_move_and_new_units_inherit(lab: Lab, admin: Actor) -> None:
    on, off = policy(admin), policy(admin, "off", enabled=False)
    associate(lab, admin, root(lab), on)
    unit = lab.do("add_unit", management=MANAGEMENT, name="unit")["unit"]
    assert association(lab, admin, unit)[:2] == (on, "INHERITED")
    associate(lab, admin, unit, off)
    lab.pass_seconds(1)

    lab.do("add_account", account_id=STRANGER, organization=MANAGEMENT)
    lab.pass_seconds(1)

    assert lab.status(SERVICE, STRANGER) == "Enabled"
    assert association(lab, admin, STRANGER) == (on, "INHERITED", "SUCCESS")
    move(lab, STRANGER, unit)
    lab.pass_seconds(1)
    assert association(lab, admin, STRANGER) == (off, "INHERITED", "SUCCESS")
    assert lab.status(SERVICE, STRANGER) is None
    lab.do("remove_account", account_id=STRANGER)
    gone = admin.fails("GetConfigurationPolicyAssociation", Target={"AccountId": STRANGER})
    assert gone.code == "ResourceNotFoundException"


def test_a_changed_policy_takes_effect_where_it_is_associated(lab: Lab, admin: Actor) -> None:
    identifier = policy(admin)
    associate(lab, admin, root(lab), identifier)
    lab.pass_seconds(1)

    admin(
        "UpdateConfigurationPolicy",
        Identifier=identifier,
        ConfigurationPolicy={"SecurityHub": {"ServiceEnabled": False}},
    )

    assert association(lab, admin, MEMBER)[2] == "PENDING"
    lab.pass_seconds(1)
    assert lab.status(SERVICE, MEMBER) is None


def test_a_newly_linked_region_is_taken_over(lab: Lab, admin: Actor) -> None:
    associate(lab, admin, MEMBER, policy(admin))
    lab.pass_seconds(1)
    [listed] = admin("ListFindingAggregators")["FindingAggregators"]

    admin("UpdateFindingAggregator", **listed, RegionLinkingMode="ALL_REGIONS")
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER, region=FAR_REGION) == "Enabled"


def test_an_opt_in_region_waits_for_the_account_and_fails_without_the_administrators(
    lab: Lab, admin: Actor
) -> None:
    [listed] = admin("ListFindingAggregators")["FindingAggregators"]
    linking = listed | {"RegionLinkingMode": "SPECIFIED_REGIONS", "Regions": [OPT_IN_REGION]}
    identifier = policy(admin)
    admin("UpdateFindingAggregator", **linking)
    associate(lab, admin, MEMBER, identifier)
    lab.pass_seconds(1)
    failed = admin("GetConfigurationPolicyAssociation", Target={"AccountId": MEMBER})
    assert failed["AssociationStatus"] == "FAILED"
    assert OPT_IN_REGION in failed["AssociationStatusMessage"]

    lab.do("set_account", account_id=ADMINISTRATOR, regions=[OPT_IN_REGION])
    admin("UpdateFindingAggregator", **linking)
    associate(lab, admin, MEMBER, identifier)
    lab.pass_seconds(1)
    assert association(lab, admin, MEMBER)[2] == "SUCCESS"
    assert lab.status(SERVICE, MEMBER, region=OPT_IN_REGION) is None

    lab.do("set_account", account_id=MEMBER, regions=[OPT_IN_REGION])
    lab.pass_seconds(1)
    assert lab.status(SERVICE, MEMBER, region=OPT_IN_REGION) == "Enabled"


def test_an_association_fails_when_told_to_and_so_does_its_parents(lab: Lab, admin: Actor) -> None:
    identifier = policy(admin)
    lab.actor(SERVICE, MANAGEMENT)("EnableSecurityHub")
    lab.actor(SERVICE, MANAGEMENT, OTHER_REGION)("EnableSecurityHub")
    lab.do("fail_association", management=MANAGEMENT, account_id=MEMBER, text="AWS Config is off")

    associate(lab, admin, root(lab), identifier)
    lab.pass_seconds(1)

    failed = admin("GetConfigurationPolicyAssociation", Target={"AccountId": MEMBER})
    assert failed["AssociationStatus"] == "FAILED"
    assert failed["AssociationStatusMessage"] == "AWS Config is off"
    assert lab.status(SERVICE, MEMBER) is None
    assert association(lab, admin, OTHER_MEMBER)[2] == "SUCCESS"
    assert association(lab, admin, root(lab))[2] == "FAILED"

    lab.do("fail_association", management=MANAGEMENT, account_id=MEMBER, text=None)
    associate(lab, admin, root(lab), identifier)
    lab.pass_seconds(1)

    assert association(lab, admin, MEMBER)[2] == "SUCCESS"
    assert association(lab, admin, root(lab))[2] == "SUCCESS"


def suspend(lab: Lab) -> None:
    lab.do("set_account", account_id=MEMBER, state="SUSPENDED")


def give_members(lab: Lab) -> None:
    member = lab.actor(SERVICE, MEMBER)
    member("EnableSecurityHub")
    lab.do("set_account", account_id=OUTSIDER, accepts_after=0)
    lab.do("invite", service=SERVICE, administrator=MEMBER, account_id=OUTSIDER, regions=[REGION])


def give_administrator(lab: Lab) -> None:
    lab.actor(SERVICE, OUTSIDER)("EnableSecurityHub")
    lab.do("set_account", account_id=MEMBER, accepts_after=0)
    lab.do("invite", service=SERVICE, administrator=OUTSIDER, account_id=MEMBER, regions=[REGION])


@pytest.mark.parametrize(
    ("hinder", "account_id", "message"),
    [
        (lambda _: None, MANAGEMENT, "management account"),
        (suspend, MEMBER, "suspended"),
        (give_members, MEMBER, "members of its own"),
        (give_administrator, MEMBER, "has another administrator"),
    ],
    ids=["management-without-hub", "suspended", "has-members", "has-administrator"],
)
def test_what_hinders_a_policy_fails_its_association(
    lab: Lab, admin: Actor, hinder: Any, account_id: str, message: str
) -> None:
    hinder(lab)
    lab.pass_seconds(1)

    associate(lab, admin, account_id, policy(admin))
    lab.pass_seconds(1)

    failed = admin("GetConfigurationPolicyAssociation", Target={"AccountId": account_id})
    assert failed["AssociationStatus"] == "FAILED"
    assert message in failed["AssociationStatusMessage"]


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("EnableSecurityHub", {}),
        ("DisableSecurityHub", {}),
        ("BatchEnableStandards", {"StandardsSubscriptionRequests": [{"StandardsArn": CIS}]}),
        ("BatchDisableStandards", {"StandardsSubscriptionArns": ["arn"]}),
    ],
)
def test_an_account_with_a_policy_does_not_configure_itself(
    lab: Lab, admin: Actor, operation: str, params: dict[str, Any]
) -> None:
    associate(lab, admin, MEMBER, policy(admin))
    lab.pass_seconds(1)

    refused = lab.actor(SERVICE, MEMBER).fails(operation, **params)

    assert refused.code == "AccessDeniedException"
    assert refused.message.startswith("This account is currently associated with a central")
    lab.actor(SERVICE, MEMBER, FAR_REGION)("EnableSecurityHub")
    lab.actor(SERVICE, OTHER_MEMBER)("EnableSecurityHub")


def test_associations_are_listed_by_policy_type_and_status(lab: Lab, admin: Actor) -> None:
    on = policy(admin)
    associate(lab, admin, root(lab), on)
    associate(lab, admin, OTHER_MEMBER, SELF_MANAGED)
    lab.pass_seconds(1)
    arn = admin("GetConfigurationPolicy", Identifier=on)["Arn"]

    def listed(**filters: str) -> set[str]:
        found, more = set[str](), dict[str, str]()
        while True:
            page = admin(
                "ListConfigurationPolicyAssociations", MaxResults=2, Filters=filters, **more
            )
            found |= {one["TargetId"] for one in page["ConfigurationPolicyAssociationSummaries"]}
            if "NextToken" not in page:
                return found
            more = {"NextToken": page["NextToken"]}

    everyone = {root(lab), MANAGEMENT, ADMINISTRATOR, MEMBER, OTHER_MEMBER}
    assert listed() == everyone
    assert listed(ConfigurationPolicyId=arn) == everyone - {OTHER_MEMBER}
    assert listed(ConfigurationPolicyId=on, AssociationType="APPLIED") == {root(lab)}
    assert listed(AssociationStatus="FAILED") == {MANAGEMENT, root(lab)}


def test_a_batch_says_what_it_has_not_found(lab: Lab, admin: Actor) -> None:
    associate(lab, admin, MEMBER, policy(admin))
    asked = [{"Target": {"AccountId": one}} for one in (MEMBER, OTHER_MEMBER, STRANGER)]

    answer = admin(
        "BatchGetConfigurationPolicyAssociations",
        ConfigurationPolicyAssociationIdentifiers=[*asked, {}],
    )

    assert [one["TargetId"] for one in answer["ConfigurationPolicyAssociations"]] == [MEMBER]
    unprocessed = answer["UnprocessedConfigurationPolicyAssociations"]
    assert [
        (one["ConfigurationPolicyAssociationIdentifiers"], one["ErrorCode"]) for one in unprocessed
    ] == [(asked[1], "404"), (asked[2], "404"), ({}, "400")]


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ({"AccountId": STRANGER}, "ResourceNotFoundException"),
        ({"RootId": MEMBER}, "ResourceNotFoundException"),
        ({"OrganizationalUnitId": "ou-none"}, "ResourceNotFoundException"),
    ],
)
def test_a_target_is_of_the_organisation(admin: Actor, where: dict[str, str], code: str) -> None:
    refused = admin.fails(
        "StartConfigurationPolicyAssociation",
        ConfigurationPolicyIdentifier=SELF_MANAGED,
        Target=where,
    )

    assert refused.code == code


def test_how_long_it_takes_can_be_set(lab: Lab, admin: Actor) -> None:
    lab.do("set_timings", securityhub_policy_association=3600)
    associate(lab, admin, MEMBER, policy(admin))

    lab.pass_seconds(3599)
    assert association(lab, admin, MEMBER)[2] == "PENDING"
    lab.pass_seconds(1)
    assert association(lab, admin, MEMBER)[2] == "SUCCESS"
