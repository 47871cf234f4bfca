"""Every role may do what it must, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.support import (
    a_list,
    arrival_rules,
    granted,
    machine_of,
    resources,
    role_of,
    steps,
    text,
    the,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTING = {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}
READING = ACTING | {"dynamodb:BatchWriteItem", "dynamodb:GetItem"}
ENDING = ACTING | {"dynamodb:BatchWriteItem", "dynamodb:Query"}
ANNOUNCING = {"bus": {"events:PutEvents"}, "topic": {"sns:Publish"}}
PUBLISHING = ANNOUNCING | {"onboardings": {"s3:PutObject"}}
LOGGING = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACING = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}

# By kind of resource. Written out, so that a wider grant shows up in a review of this file.
ALLOWED: dict[str, dict[str, set[str]]] = {
    "plan_onboarding": {
        "table": ACTING | {"dynamodb:GetItem"},
        "executions": {"states:DescribeExecution"},
        "reconcile executions": {"states:DescribeExecution"},
        "surveys": {"s3:GetObject"},
        "accounts": {"organizations:DescribeAccount", "organizations:ListTagsForResource"},
        "*": {
            "account:ListRegions",
            "organizations:DescribeOrganization",
            "organizations:ListDelegatedAdministrators",
        },
    },
    "get_members": {
        "table": READING,
        "graphs": {"detective:DescribeOrganizationConfiguration", "detective:GetMembers"},
        "hubs": {"securityhub:DescribeOrganizationConfiguration", "securityhub:GetMembers"},
        "policies": {"securityhub:GetConfigurationPolicy"},
        "*": {
            "detective:ListGraphs",
            "guardduty:DescribeOrganizationConfiguration",
            "guardduty:GetMembers",
            "guardduty:ListDetectors",
            "securityhub:BatchGetConfigurationPolicyAssociations",
            "securityhub:ListFindingAggregators",
        },
    },
    "create_members": {
        "table": ACTING,
        "graphs": {"detective:CreateMembers"},
        "hubs": {"securityhub:CreateMembers"},
        "*": {"guardduty:CreateMembers"},
    },
    "invite_members": {
        "table": ACTING,
        "hubs": {"securityhub:InviteMembers"},
        "*": {"guardduty:InviteMembers"},
    },
    "accept_invitations": {"table": ACTING, "member role": {"sts:AssumeRole"}},
    "restart_members": {
        "table": ACTING,
        "graphs": {"detective:StartMonitoringMember"},
        "*": {"guardduty:StartMonitoringMembers"},
    },
    "fail_target": {"table": READING - {"dynamodb:UpdateItem"}},
    "publish_interim": {
        "table": {"dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem"},
        **PUBLISHING,
    },
    "publish_results": {"table": ENDING, **PUBLISHING},
    "close_run": {
        "table": ENDING | READING,
        "index": {"dynamodb:Query"},
        "executions": {"states:DescribeExecution"},
        "machine": {"states:ListExecutions"},
        **PUBLISHING,
    },
    "survey_organization": {
        "table": {
            "dynamodb:BatchGetItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        },
        "reconcile executions": {"states:DescribeExecution"},
        "surveys": {"s3:GetObject", "s3:PutObject"},
        "accounts": {"organizations:ListTagsForResource"},
        "graphs": {"detective:DescribeOrganizationConfiguration", "detective:ListMembers"},
        "hubs": {"securityhub:DescribeOrganizationConfiguration", "securityhub:ListMembers"},
        "policies": {"securityhub:GetConfigurationPolicy"},
        "*": {
            "account:ListRegions",
            "detective:ListGraphs",
            "guardduty:DescribeOrganizationConfiguration",
            "guardduty:ListDetectors",
            "guardduty:ListMembers",
            "organizations:DescribeOrganization",
            "organizations:ListAccounts",
            "organizations:ListDelegatedAdministrators",
            "organizations:ListRoots",
            "securityhub:BatchGetConfigurationPolicyAssociations",
            "securityhub:ListFindingAggregators",
        },
    },
    "start_runs": {
        "table": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
        "machine": {"states:StartExecution"},
        "surveys": {"s3:GetObject", "s3:PutObject"},
        "accounts": {"organizations:DescribeAccount"},
        "*": {"organizations:ListAccounts"},
    },
    "await_runs": {"table": {"dynamodb:BatchGetItem", "dynamodb:GetItem"}},
    "publish_reconcile": {
        "table": {
            "dynamodb:BatchGetItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        },
        "index": {"dynamodb:Query"},
        "reconcile executions": {"states:DescribeExecution"},
        "machine of reconciles": {"states:ListExecutions"},
        "surveys": {"s3:GetObject"},
        "reconciles": {"s3:GetObject", "s3:PutObject"},
        **ANNOUNCING,
    },
}
PLACES = {
    "*": "*",
    "arn:aws:detective:*:111122223333:graph:*": "graphs",
    "arn:aws:iam::*:role/RollcallMember": "member role",
    "arn:aws:organizations::*:account/*": "accounts",
    "arn:aws:securityhub:*:111122223333:configuration-policy/*": "policies",
    "arn:aws:securityhub:*:111122223333:hub/default": "hubs",
}
EXECUTIONS = "arn:aws:states:eu-west-1:111122223333:execution:"
KINDS = {
    "AWS::DynamoDB::Table": "table",
    "AWS::Events::EventBus": "bus",
    "AWS::SNS::Topic": "topic",
    "AWS::Logs::LogGroup": "log",
}


def by_kind(template: Mapping[str, Any], role: str) -> dict[str, set[str]]:
    def kind(resource: str) -> str:
        if resource in PLACES:
            return PLACES[resource]
        if resource == f"{EXECUTIONS}{machine_of(template)}:*":
            return "executions"
        if resource == f"{EXECUTIONS}{machine_of(template, 'ReconcileMachineArn')}:*":
            return "reconcile executions"
        if resource == machine_of(template):
            return "machine"
        if resource == machine_of(template, "ReconcileMachineArn"):
            return "machine of reconciles"
        if resource.endswith("/index/by-time"):
            return "index"
        if resource.endswith("/*"):
            bucket, prefix, _ = resource.split("/")
            return {"AWS::S3::Bucket": prefix}[kind_of(bucket)]
        return KINDS[kind_of(resource)]

    def kind_of(logical_id: str) -> str:
        return str(template["Resources"][logical_id]["Type"])

    return {kind(resource): actions for resource, actions in granted(template, role).items()}


@pytest.mark.parametrize("module", ALLOWED)
def test_a_step_may_do_exactly_this(template: Mapping[str, Any], module: str) -> None:
    expected = ALLOWED[module] | {"log": LOGGING}
    expected["*"] = expected.get("*", set()) | TRACING

    assert by_kind(template, role_of(template, module)) == expected


def test_every_step_is_listed(template: Mapping[str, Any]) -> None:
    assert set(steps(template)) == set(ALLOWED)


def test_the_machine_may_invoke_its_steps_and_run_its_children(
    template: Mapping[str, Any],
) -> None:
    machine = machine_of(template)
    allowed = granted(template, role_of_machine(template, machine))
    aliases = aliases_of(template, "StateMachineArn")
    functions = {
        text(resources(template, "AWS::Lambda::Alias")[a]["FunctionName"]) for a in aliases
    }
    invoked = {r for r, actions in allowed.items() if actions == {"lambda:InvokeFunction"}}
    children = {
        action for resource, actions in allowed.items() if machine in resource for action in actions
    }

    # Executions of a deployment from before the aliases name the functions.
    assert invoked == aliases | functions
    assert children == {
        "states:StartExecution",
        "states:DescribeExecution",
        "states:StopExecution",
        "states:RedriveExecution",
    }
    others = {action for actions in allowed.values() for action in actions} - children
    assert {action.partition(":")[0] for action in others} == {"lambda", "logs", "xray"}


def test_the_machine_of_reconciles_may_invoke_its_steps_only(template: Mapping[str, Any]) -> None:
    machine = machine_of(template, "ReconcileMachineArn")
    allowed = granted(template, role_of_machine(template, machine))

    invoked = {r for r, actions in allowed.items() if actions == {"lambda:InvokeFunction"}}
    assert invoked == aliases_of(template, "ReconcileMachineArn")
    others = {action for r, actions in allowed.items() if r not in invoked for action in actions}
    assert {action.partition(":")[0] for action in others} == {"logs", "xray"}


def test_the_schedule_may_start_reconciles_and_nothing_else(
    templates: Mapping[str, dict[str, Any]],
) -> None:
    template = templates["Rollcall"]
    target = the(template, "AWS::Scheduler::Schedule")["Target"]
    role = text(target["RoleArn"])
    (trust,) = resources(template, "AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]["Statement"]

    assert granted(template, role) == {
        machine_of(template, "ReconcileMachineArn"): {"states:StartExecution"},
        text(target["DeadLetterConfig"]["Arn"]): {"sqs:SendMessage"},
    }
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    condition = trust["Condition"]["StringEquals"]
    assert condition["aws:SourceAccount"] == "111122223333"
    assert text(condition["aws:SourceArn"]).endswith(":111122223333:schedule-group/default")


def role_of_machine(template: Mapping[str, Any], machine: str) -> str:
    return text(template["Resources"][machine]["Properties"]["RoleArn"])


def aliases_of(template: Mapping[str, Any], output: str) -> set[str]:
    """The aliases that a machine's definition names."""
    definition = template["Resources"][machine_of(template, output)]["Properties"]
    _, parts = definition["DefinitionString"]["Fn::Join"]
    named = {part["Ref"] for part in parts if isinstance(part, dict) and "Ref" in part}
    return named & resources(template, "AWS::Lambda::Alias").keys()


def test_events_may_start_the_machine_and_nothing_else(template: Mapping[str, Any]) -> None:
    rules = arrival_rules(template).values()
    (role,) = {text(target["RoleArn"]) for rule in rules for target in rule["Targets"]}

    assert granted(template, role) == {machine_of(template): {"states:StartExecution"}}


def test_no_role_takes_a_policy_that_aws_manages(template: Mapping[str, Any]) -> None:
    for role in resources(template, "AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role


def test_every_role_trusts_one_service(template: Mapping[str, Any]) -> None:
    for role in resources(template, "AWS::IAM::Role").values():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Action"] == "sts:AssumeRole"
        assert list(trust["Principal"]) == ["Service"]
        assert trust["Principal"]["Service"] in (
            "lambda.amazonaws.com",
            "states.amazonaws.com",
            "events.amazonaws.com",
            "scheduler.amazonaws.com",
        )


NO_RESOURCE = "the service has no resource for it (service authorization reference)"
EVERY_REGION = "its id is not known, and those of every configured Region are meant"
# Why a resource is no narrower: of actions on "*", and of ARNs with a wildcard.
EXPLAINED: Mapping[str, str] = {
    "account:ListRegions": "it is done on an account of the organisation, whose id is not known",
    "detective:ListGraphs": NO_RESOURCE,
    "detective:ListInvitations": NO_RESOURCE,
    "guardduty:AcceptAdministratorInvitation": NO_RESOURCE,
    "guardduty:CreateDetector": NO_RESOURCE,
    "guardduty:CreateMembers": NO_RESOURCE,
    "guardduty:DescribeOrganizationConfiguration": NO_RESOURCE,
    "guardduty:GetAdministratorAccount": NO_RESOURCE,
    "guardduty:GetMembers": NO_RESOURCE,
    "guardduty:InviteMembers": NO_RESOURCE,
    "guardduty:ListDetectors": NO_RESOURCE,
    "guardduty:ListInvitations": NO_RESOURCE,
    "guardduty:ListMembers": NO_RESOURCE,
    "guardduty:StartMonitoringMembers": NO_RESOURCE,
    "logs:CreateLogDelivery": NO_RESOURCE,
    "logs:DeleteLogDelivery": NO_RESOURCE,
    "logs:DescribeLogGroups": "Step Functions guide, logging: the resource is *",
    "logs:DescribeResourcePolicies": NO_RESOURCE,
    "logs:GetLogDelivery": NO_RESOURCE,
    "logs:ListLogDeliveries": NO_RESOURCE,
    "logs:PutResourcePolicy": "Step Functions guide, logging: the resource is *",
    "logs:UpdateLogDelivery": NO_RESOURCE,
    "organizations:DescribeOrganization": NO_RESOURCE,
    "organizations:ListAccounts": NO_RESOURCE,
    "organizations:ListDelegatedAdministrators": NO_RESOURCE,
    "organizations:ListRoots": NO_RESOURCE,
    "securityhub:BatchGetConfigurationPolicyAssociations": NO_RESOURCE,
    "securityhub:ListFindingAggregators": NO_RESOURCE,
    "xray:GetSamplingRules": NO_RESOURCE,
    "xray:GetSamplingTargets": NO_RESOURCE,
    "xray:PutTelemetryRecords": NO_RESOURCE,
    "xray:PutTraceSegments": NO_RESOURCE,
    "arn:aws:detective:*:111122223333:graph:*": EVERY_REGION,
    "arn:aws:detective:*:AdministratorId:graph:*": EVERY_REGION,
    "arn:aws:iam::*:role/RollcallMember": "the account is whichever is invited",
    "arn:aws:iam::*:role/aws-service-role/*": "a condition names the services",
    "arn:aws:organizations::*:account/*": "every account that may be enrolled is meant",
    "arn:aws:securityhub:*:111122223333:configuration-policy/*": EVERY_REGION,
    "arn:aws:securityhub:*:111122223333:hub/default": "the hub of every configured Region is meant",
    "bucket/onboardings/*": "every run has a key of its own",
    "bucket/reconciles/*": "every reconcile has a key of its own",
    "bucket/surveys/*": "every reconcile has keys of its own",
    "executions": "which execution is asked about is not known before",
}


def test_every_wildcard_of_a_resource_is_explained(
    templates: Mapping[str, dict[str, Any]],
) -> None:
    found: set[str] = set()
    for template in templates.values():
        buckets = resources(template, "AWS::S3::Bucket")
        for role in resources(template, "AWS::IAM::Role"):
            for resource, actions in granted(template, role).items():
                if resource == "*":
                    found |= actions
                elif resource.startswith(EXECUTIONS):
                    found.add("executions")
                elif "*" in resource:
                    owner, _, rest = resource.partition("/")
                    found.add(f"bucket/{rest}" if owner in buckets else resource)

    assert found == set(EXPLAINED)


def test_no_action_is_a_wildcard(template: Mapping[str, Any]) -> None:
    for policy in resources(template, "AWS::IAM::Policy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            assert not any("*" in action for action in a_list(statement["Action"]))
