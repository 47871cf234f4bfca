"""AWS as a table of answers: what each operation returns, without any connection."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3

from functions.intake.pattern import matches
from infra.organization import wanted_patterns
from tests.support.builders import ADMINISTRATOR, MANAGEMENT, OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.configuration import Configuration

BUS = f"arn:aws:events:eu-west-1:{ADMINISTRATOR}:event-bus/rollcall"
OUTPUTS = {
    "StateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:Runs",
    "ReconcileMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:Reconciles",
    "StartRunsFunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:StartRuns:live",
    "BusName": "rollcall",
    "BusArn": BUS,
    "TableName": "table",
    "TopicArn": "arn:aws:sns:eu-west-1:111122223333:Results",
    "OperationsTopicArn": "arn:aws:sns:eu-west-1:111122223333:Operations",
    "ResultsBucketName": "bucket",
    "UndeliveredEventsUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/Undelivered",
}
# Actions that are not named after their operation.
_ACTIONS = {"s3:HeadBucket": "s3:ListBucket"}


class Answers:
    """``given`` are the answers by ``service:Operation``; without one, the call is denied.

    ``asked`` are the IAM actions that were used, by the account that used them; ``denied`` is such
    a pair that is denied whatever the answer would be.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self.asked: dict[str, set[str]] = {}
        self.denied: tuple[str, str] | None = None

    def session(self, account: str) -> boto3.Session:
        session = boto3.Session(
            aws_access_key_id=account,
            aws_secret_access_key="none",  # noqa: S106  # nothing is sent
            region_name="eu-west-1",
        )
        used = self.asked.setdefault(account, set())

        def remember(params: Any, context: Any, **_: Any) -> None:
            context["given"] = dict(params)

        def answer(model: Any, context: Any, **_: Any) -> Any:
            service = model.service_model.service_name
            name = f"{service}:{model.name}"
            action = _ACTIONS.get(name, name.replace("stepfunctions:", "states:"))
            used.add(action)
            found = None if self.denied == (account, action) else self._given.get(name)
            if found is None:
                text = f"User: someone is not authorized to perform: {action}"
                error = {"Code": "AccessDeniedException", "Message": text}
                metadata = {"HTTPStatusCode": 400}
                return SimpleNamespace(status_code=400), {
                    "Error": error,
                    "ResponseMetadata": metadata,
                }
            parsed = found(context["given"]) if callable(found) else found
            return SimpleNamespace(status_code=200), parsed

        session.events.register("before-parameter-build", remember)
        session.events.register("before-call", answer)
        return session


def is_match(pattern: str, event: Mapping[str, Any]) -> bool:
    """Whether an event pattern, as JSON text, matches an event."""
    return matches(json.loads(pattern), event)


def all_asked() -> dict[str, Any]:
    """Answers beside those of ``sound`` which make the doctor ask all that it may: a central
    configuration, a management account that is no member, members outside the organisation.
    """

    def associated(asked: dict[str, Any]) -> dict[str, Any]:
        named = asked["ConfigurationPolicyAssociationIdentifiers"]
        accounts = [one["Target"]["AccountId"] for one in named]
        return {
            "ConfigurationPolicyAssociations": [
                {"TargetId": one, "ConfigurationPolicyId": "1", "AssociationStatus": "SUCCESS"}
                for one in accounts
            ]
        }

    aggregator = "arn:aws:securityhub:eu-west-1:111122223333:finding-aggregator/1"
    return {
        "account:ListRegions": {"Regions": [{"RegionName": "eu-west-1"}]},
        "organizations:ListTagsForResource": {"Tags": []},
        "securityhub:DescribeOrganizationConfiguration": {
            "OrganizationConfiguration": {"ConfigurationType": "CENTRAL"}
        },
        "securityhub:ListFindingAggregators": {
            "FindingAggregators": [{"FindingAggregatorArn": aggregator}]
        },
        "securityhub:BatchGetConfigurationPolicyAssociations": associated,
        "securityhub:GetConfigurationPolicy": {
            "ConfigurationPolicy": {"SecurityHub": {"ServiceEnabled": True}}
        },
        "securityhub:DescribeHub": {"HubArn": "arn"},
        **{f"{service}:ListMembers": {"Members": []} for service in ("securityhub", "guardduty")},
        "detective:ListMembers": {"MemberDetails": []},
        "securityhub:GetMembers": {"Members": []},
        "guardduty:GetMembers": {"Members": [], "UnprocessedAccounts": []},
        "iam:SimulatePrincipalPolicy": {
            "EvaluationResults": [{"EvalActionName": "sts:AssumeRole", "EvalDecision": "allowed"}]
        },
    }


def sound(configuration: Configuration) -> dict[str, Any]:
    """What AWS says of a deployment that needs nothing."""
    rules = {
        f"Arrivals{number}": pattern
        for number, pattern in enumerate(wanted_patterns(configuration).values())
    }
    forwarded = {
        f"{stack}-{re.sub('[^A-Za-z]', '', name)}": pattern
        for stack in ("RollcallOrganizationEvents", "RollcallRegionEvents")
        for name, pattern in wanted_patterns(configuration).items()
    }

    def rule(asked: dict[str, Any]) -> dict[str, Any]:
        pattern = (rules | forwarded)[asked["Name"]]
        return {"Name": asked["Name"], "State": "ENABLED", "EventPattern": json.dumps(pattern)}

    def matched(asked: dict[str, Any]) -> dict[str, Any]:
        return {"Result": is_match(asked["EventPattern"], json.loads(asked["Event"]))}

    def names(asked: dict[str, Any]) -> dict[str, Any]:
        return {"RuleNames": sorted(rules) if asked["EventBusName"] == "rollcall" else []}

    member = {"AccountId": MANAGEMENT, "Email": "x@example.com", "MasterId": ADMINISTRATOR}
    accounts = [
        {"Id": one, "State": "ACTIVE", "Email": "x@example.com"}
        for one in (MANAGEMENT, ADMINISTRATOR, OTHER)
    ]
    stack = {
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": [
            {"OutputKey": "UndeliveredEventsUrl", "OutputValue": OUTPUTS["UndeliveredEventsUrl"]}
        ],
    }
    arn = "arn:aws:lambda:eu-west-1:111122223333:function:StartRuns:live"
    resources = [("AWS::Lambda::Alias", arn), ("AWS::Scheduler::Schedule", "schedule")]
    graph = "arn:aws:detective:eu-west-1:111122223333:graph:1"
    trail = {"Name": "all", "TrailARN": "arn", "HomeRegion": "us-east-1"}
    return {
        "organizations:DescribeOrganization": {
            "Organization": {"Id": "o-aa111bb222", "MasterAccountId": MANAGEMENT}
        },
        "organizations:ListAccounts": {"Accounts": accounts},
        "organizations:DescribeAccount": lambda asked: {
            "Account": {"Id": asked["AccountId"], "State": "ACTIVE", "Email": "x@example.com"}
        },
        "organizations:ListDelegatedAdministrators": {
            "DelegatedAdministrators": [{"Id": ADMINISTRATOR}]
        },
        "organizations:ListAWSServiceAccessForOrganization": {
            "EnabledServicePrincipals": [{"ServicePrincipal": "account.amazonaws.com"}]
        },
        "guardduty:ListDetectors": {"DetectorIds": ["1"]},
        "guardduty:DescribeOrganizationConfiguration": {"AutoEnableOrganizationMembers": "NEW"},
        "guardduty:GetMembers": lambda asked: {
            "Members": [
                member | {"AccountId": one, "RelationshipStatus": "Enabled"}
                for one in asked["AccountIds"]
            ],
            "UnprocessedAccounts": [],
        },
        "detective:ListGraphs": {"GraphList": [{"Arn": graph}]},
        "detective:DescribeOrganizationConfiguration": {"AutoEnable": True},
        "detective:GetMembers": lambda asked: {
            "MemberDetails": [
                member | {"AccountId": one, "Status": "ENABLED"} for one in asked["AccountIds"]
            ]
        },
        "securityhub:DescribeOrganizationConfiguration": {
            "AutoEnable": True,
            "OrganizationConfiguration": {"ConfigurationType": "LOCAL"},
        },
        "securityhub:GetMembers": lambda asked: {
            "Members": [
                member | {"AccountId": one, "MemberStatus": "Enabled"}
                for one in asked["AccountIds"]
            ]
        },
        "cloudformation:DescribeStacks": {"Stacks": [stack]},
        "cloudformation:ListStackResources": {
            "StackResourceSummaries": [
                {"ResourceType": kind, "PhysicalResourceId": one} for kind, one in resources
            ]
        },
        "lambda:GetFunctionConfiguration": {"State": "Active"},
        "stepfunctions:DescribeStateMachine": {"status": "ACTIVE"},
        "stepfunctions:ListExecutions": {"executions": []},
        "dynamodb:DescribeTable": {"Table": {"TableStatus": "ACTIVE"}},
        "dynamodb:DescribeContinuousBackups": {
            "ContinuousBackupsDescription": {
                "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}
            }
        },
        "dynamodb:DescribeTimeToLive": {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED"}},
        "dynamodb:BatchGetItem": {"Responses": {}, "UnprocessedKeys": {}},
        "s3:HeadBucket": {"BucketRegion": "eu-west-1"},
        "scheduler:GetSchedule": {"State": "ENABLED"},
        "sqs:GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}},
        "cloudwatch:DescribeAlarms": {"MetricAlarms": []},
        "sns:ListSubscriptionsByTopic": {
            "Subscriptions": [{"Protocol": "sqs", "SubscriptionArn": "arn:of:it"}]
        },
        "events:DescribeEventBus": {
            "Policy": json.dumps(
                {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"},
                            "Action": "events:PutEvents",
                        }
                    ]
                }
            )
        },
        "events:ListRuleNamesByTarget": names,
        "events:DescribeRule": rule,
        "events:ListTargetsByRule": {
            "Targets": [{"Id": "1", "Arn": BUS, "DeadLetterConfig": {"Arn": "arn"}}]
        },
        "events:TestEventPattern": matched,
        "events:PutEvents": {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]},
        "iam:GetRole": {"Role": {"RoleName": "RollcallOrganizationEvents"}},
        "sts:GetCallerIdentity": {"Account": MANAGEMENT},
        "cloudtrail:DescribeTrails": {"trailList": [trail]},
        "cloudtrail:GetTrailStatus": {"IsLogging": True},
        "cloudtrail:GetEventSelectors": {
            "EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]
        },
        "cloudtrail:LookupEvents": {"Events": []},
    }
