"""The table: memberships, onboardings, and the administrator's detectors and graphs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from functions.aws.ledger import BY_TIME, EXPIRES_AT

STRING, NUMBER = dynamodb.AttributeType.STRING, dynamodb.AttributeType.NUMBER


class LedgerTable(Construct):
    """On demand, encrypted, with point-in-time recovery.

    Its history is nowhere else, so the table is retained when the stack is deleted. Everything else
    in it can be read from AWS again, so it has no deletion protection.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="pk", type=STRING),
            sort_key=dynamodb.Attribute(name="sk", type=STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute=EXPIRES_AT,
            # Not retained when the deployment that creates it fails.
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        self.table.add_global_secondary_index(
            index_name=BY_TIME,
            partition_key=dynamodb.Attribute(name="kind", type=STRING),
            sort_key=dynamodb.Attribute(name="started_at", type=NUMBER),
        )
