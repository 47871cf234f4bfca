"""The evaluator of policies decides as IAM does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.iam import Role, Unsupported, read_statement, roles_in

TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/Rollcall"
ROLE = "arn:aws:iam::444455556666:role/RollcallMember"
ACCEPTING = "arn:aws:iam::111122223333:role/RollcallAcceptInvitations"


def resolve(kind: str, name: str) -> str:
    return f"{kind} of {name}"


def role(*statements: dict[str, Any], trust: dict[str, Any] | None = None) -> Role:
    return Role(
        ROLE,
        tuple(read_statement(each, resolve) for each in statements),
        (read_statement(trust, resolve),) if trust else (),
    )


def allow(action: object, resource: object, **more: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("action", "resource", "may"),
    [
        ("dynamodb:GetItem", TABLE, True),
        ("DynamoDB:getitem", TABLE, True),
        ("dynamodb:PutItem", TABLE, False),
        ("dynamodb:GetItem", f"{TABLE}/index/by-time", False),
        ("dynamodb:GetItem", TABLE.lower(), False),
        ("s3:GetObject", "arn:aws:s3:::results/surveys/a/plan.json", True),
        ("s3:GetObject", "arn:aws:s3:::results/reconciles/a.json", False),
        ("s3:GetObject", "arn:aws:s3:::other/surveys/a/plan.json", False),
        ("sts:AssumeRole", "arn:aws:iam::444455556666:role/RollcallMember", True),
        ("sts:AssumeRole", "arn:aws:iam::444455556666:role/path/Other", False),
        ("organizations:ListAccounts", "*", True),
        ("events:PutEvents", "*", False),
    ],
)
def test_a_role_may_do_what_a_statement_allows(action: str, resource: str, may: bool) -> None:
    allowed = role(
        allow("dynamodb:GetItem", TABLE),
        allow(["s3:GetObject"], "arn:aws:s3:::results/surveys/*"),
        allow("sts:AssumeRole", "arn:aws:iam::*:role/RollcallMember"),
        allow("organizations:ListAccounts", "*"),
        allow("events:PutEvents", "arn:aws:events:*"),
    )

    assert allowed.may(action, resource) is may


def test_what_is_denied_is_not_allowed_by_another_statement() -> None:
    denied = role(allow("s3:*", "*"), {"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"})

    assert denied.may("s3:GetObject", "arn:aws:s3:::results/a")
    assert not denied.may("s3:PutObject", "arn:aws:s3:::results/a")


@pytest.mark.parametrize(
    ("operator", "wanted", "found", "may"),
    [
        ("StringEquals", ["a.amazonaws.com", "b.amazonaws.com"], "b.amazonaws.com", True),
        ("StringEquals", "a.amazonaws.com", "b.amazonaws.com", False),
        ("StringEquals", "a.amazonaws.com", None, False),
        ("StringEquals", "*.amazonaws.com", "a.amazonaws.com", False),
        ("ArnEquals", ACCEPTING, ACCEPTING, True),
        ("ArnEquals", ACCEPTING, f"{ACCEPTING}2", False),
        ("ArnLike", "arn:aws:iam::*:role/Roll*", ACCEPTING, True),
        ("ArnLike", "arn:aws:*:role/RollcallAcceptInvitations", ACCEPTING, False),
    ],
)
def test_a_condition_holds_for_what_the_request_has(
    operator: str, wanted: object, found: str | None, may: bool
) -> None:
    conditional = role(allow("sts:AssumeRole", "*", Condition={operator: {"aws:Key": wanted}}))

    assert conditional.may("sts:AssumeRole", "*", {"AWS:key": found} if found else {}) is may


def test_an_action_that_is_taken_out_is_not_allowed_any_more() -> None:
    allowed = role(allow(["s3:GetObject", "s3:PutObject"], "*"), allow("s3:GetObject", "arn:*"))

    left = allowed.without("s3:GetObject")

    assert allowed.actions == {"s3:GetObject", "s3:PutObject"}
    assert left.actions == {"s3:PutObject"}
    assert not left.may("s3:GetObject", "arn:aws:s3:::a")
    assert left.may("s3:PutObject", "arn:aws:s3:::a")


@pytest.mark.parametrize(
    ("principal", "may"),
    [
        (("AWS", ACCEPTING), True),
        (("AWS", "arn:aws:iam::111122223333:role/Other"), True),
        (("AWS", "arn:aws:iam::222233334444:role/RollcallAcceptInvitations"), False),
        (("Service", "lambda.amazonaws.com"), False),
    ],
)
def test_an_account_that_is_trusted_is_every_principal_of_it(
    principal: tuple[str, str], may: bool
) -> None:
    trusting = role(
        trust={
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        }
    )

    assert trusting.trusts(principal, {}) is may


def test_a_role_has_the_policies_of_the_template_with_their_references() -> None:
    document = {"Statement": [allow("s3:GetObject", {"Fn::Sub": "${Bucket}/*"})]}
    attached = {"Statement": [allow("sns:Publish", {"Ref": "Topic"})]}
    inline = {"Statement": [allow("sqs:SendMessage", {"Fn::GetAtt": ["Queue", "Arn"]})]}
    template = {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Statement": []},
                    "Policies": [{"PolicyDocument": inline}],
                },
            },
            "Other": {
                "Type": "AWS::IAM::Role",
                "Properties": {"AssumeRolePolicyDocument": {"Statement": []}},
            },
            "Policy": {
                "Type": "AWS::IAM::Policy",
                "Properties": {"PolicyDocument": document, "Roles": [{"Ref": "Role"}]},
            },
            "Managed": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": attached, "Roles": [{"Ref": "Role"}]},
            },
        }
    }

    found = roles_in(template, resolve)

    assert found["Role"].arn == "Arn of Role"
    assert found["Role"].may("s3:GetObject", "Ref of Bucket/key")
    assert found["Role"].may("sns:Publish", "Ref of Topic")
    assert found["Role"].may("sqs:SendMessage", "Arn of Queue")
    assert found["Other"].actions == set()


@pytest.mark.parametrize(
    "more",
    [
        {"NotAction": "s3:*"},
        {"NotResource": "*"},
        {"NotPrincipal": {"AWS": "*"}},
        {"Principal": "*"},
        {"Principal": {"Federated": "cognito-identity.amazonaws.com"}},
        {"Effect": "Maybe"},
        {"Condition": {"StringEqualsIfExists": {"aws:Key": "a"}}},
        {"Resource": {"Fn::ImportValue": "a"}},
    ],
    ids=str,
)
def test_what_is_not_evaluated_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        read_statement({**allow("s3:GetObject", "*"), **more}, resolve)


@pytest.mark.parametrize(
    "more", [{"ManagedPolicyArns": ["arn:aws:iam::aws:policy/A"]}, {"PermissionsBoundary": "arn"}]
)
def test_a_role_with_what_is_not_in_the_template_is_refused(more: dict[str, Any]) -> None:
    properties = {"AssumeRolePolicyDocument": {"Statement": []}, **more}
    template = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}}

    with pytest.raises(Unsupported):
        roles_in(template, resolve)
