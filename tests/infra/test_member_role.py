"""The role in member accounts: who may take it, and what for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ACCEPTING, member_role_for
from tests.infra.support import a_list, granted, resources, statements, steps, text, the
from tests.support.iam import roles_in

if TYPE_CHECKING:
    from collections.abc import Mapping


def test_it_trusts_only_the_role_that_accepts_and_only_with_the_external_id(
    member_role: Mapping[str, Any], template: Mapping[str, Any]
) -> None:
    (trust,) = the(member_role, "AWS::IAM::Role")["AssumeRolePolicyDocument"]["Statement"]
    accepting = text(steps(template)["accept_invitations"]["Role"])
    name = template["Resources"][accepting]["Properties"]["RoleName"]

    assert trust["Effect"] == "Allow"
    assert text(trust["Principal"]["AWS"]) == "arn:aws:iam::AdministratorId:root"
    condition = trust["Condition"]
    assert condition["StringEquals"] == {"sts:ExternalId": "rollcall-test"}
    assert set(condition) == {"StringEquals", "ArnEquals"}
    assert {key: text(value) for key, value in condition["ArnEquals"].items()} == {
        "aws:PrincipalArn": f"arn:aws:iam::AdministratorId:role/{name}"
    }


HUBS = "arn:aws:securityhub:*:111122223333:hub/default"
ACCEPTS = "arn:aws:iam::111122223333:role/RollcallAcceptInvitations"


@pytest.mark.parametrize(
    ("principal", "external_id", "may"),
    [
        (("AWS", ACCEPTS), "rollcall-test", True),
        (("AWS", ACCEPTS), "another", False),
        (("AWS", ACCEPTS), None, False),
        (("AWS", "arn:aws:iam::111122223333:role/RollcallGetMembers"), "rollcall-test", False),
        (("AWS", "arn:aws:iam::111122223333:role/path/RollcallAcceptInvitations"), None, False),
        (
            ("AWS", "arn:aws:iam::111122223333:user/RollcallAcceptInvitations"),
            "rollcall-test",
            False,
        ),
        (("AWS", "arn:aws:iam::111122223333:root"), "rollcall-test", False),
        (("AWS", ACCEPTS.replace("1111", "9999")), "rollcall-test", False),
        (("Service", "lambda.amazonaws.com"), "rollcall-test", False),
    ],
)
def test_nobody_else_may_assume_it(
    member_role: Mapping[str, Any],
    principal: tuple[str, str],
    external_id: str | None,
    may: bool,
) -> None:
    (role,) = roles_in(member_role, in_place).values()
    context = {"aws:PrincipalArn": principal[1]}
    if external_id is not None:
        context["sts:ExternalId"] = external_id

    assert role.trusts(principal, context) is may


def in_place(_: str, name: str) -> str:
    return {"AdministratorId": "111122223333", "AWS::Partition": "aws"}.get(name, name)


def test_it_may_accept_invitations_and_what_that_takes(member_role: Mapping[str, Any]) -> None:
    (role,) = resources(member_role, "AWS::IAM::Role")

    assert the(member_role, "AWS::IAM::Role")["RoleName"] == "RollcallMember"
    assert granted(member_role, role) == {
        "*": {
            "detective:ListInvitations",
            "guardduty:AcceptAdministratorInvitation",
            "guardduty:CreateDetector",
            "guardduty:GetAdministratorAccount",
            "guardduty:ListDetectors",
            "guardduty:ListInvitations",
        },
        # The administrator's, so that no other's invitation is accepted.
        "arn:aws:detective:*:AdministratorId:graph:*": {"detective:AcceptInvitation"},
        HUBS: {
            "securityhub:AcceptAdministratorInvitation",
            "securityhub:EnableSecurityHub",
            "securityhub:GetAdministratorAccount",
            "securityhub:ListInvitations",
        },
        "arn:aws:iam::*:role/aws-service-role/*": {"iam:CreateServiceLinkedRole"},
    }


def test_it_makes_no_service_linked_role_but_those_of_the_services(
    member_role: Mapping[str, Any],
) -> None:
    (role,) = resources(member_role, "AWS::IAM::Role")
    (linked,) = [
        statement
        for statement in statements(member_role, role)
        if statement["Action"] == "iam:CreateServiceLinkedRole"
    ]

    assert linked["Condition"] == {
        "StringEquals": {
            "iam:AWSServiceName": [
                "guardduty.amazonaws.com",
                "malware-protection.guardduty.amazonaws.com",
                "securityhub.amazonaws.com",
            ]
        }
    }


STANDARDS = {"securityhub:BatchEnableStandards", "securityhub:GetEnabledStandards"}


@pytest.mark.parametrize(
    ("configured", "more", "fewer_roles"),
    [
        ({"standards": ("nist-800-53/v/5.0.0",)}, STANDARDS, set()),
        ({"standards": ()}, set(), set()),
        ({"detector_features": ("EBS_MALWARE_PROTECTION",)}, set(), set()),
        ({"detector_features": ()}, set(), {"malware-protection.guardduty.amazonaws.com"}),
    ],
)
def test_it_may_do_what_the_configuration_takes_and_no_more(
    member_role: Mapping[str, Any],
    configured: dict[str, Any],
    more: set[str],
    fewer_roles: set[str],
) -> None:
    actions, roles = allowed(member_role_for(replace(ACCEPTING.invitation, **configured)))
    by_default, roles_by_default = allowed(member_role)

    assert actions == by_default | more
    assert roles == roles_by_default - fewer_roles


def allowed(member_role: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Its actions on hubs, and the services whose service-linked roles it may create."""
    (role,) = resources(member_role, "AWS::IAM::Role")
    (linked,) = (
        statement["Condition"]["StringEquals"]["iam:AWSServiceName"]
        for statement in statements(member_role, role)
        if statement["Action"] == "iam:CreateServiceLinkedRole"
    )
    return granted(member_role, role)[HUBS], set(a_list(linked))


def test_a_stack_set_can_roll_it_out_as_it_is(member_role: Mapping[str, Any]) -> None:
    assert set(member_role["Parameters"]) == {"AdministratorId"}
    assert set(resources(member_role, "AWS::IAM::Role")) | set(
        resources(member_role, "AWS::IAM::Policy")
    ) == set(member_role["Resources"])
