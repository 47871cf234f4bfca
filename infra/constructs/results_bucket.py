"""The bucket with the complete results, and with what surveys found."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from functions.aws import archive
from infra.constructs.findings import acknowledge

# Longer than a year, so that a yearly review finds every result since the last one.
RETENTION_DAYS = 400
UPLOAD_DAYS = 7


class ResultsBucket(Construct):
    """Private and encrypted. Results expire after ``RETENTION_DAYS``, surveys after
    ``SURVEY_DAYS``; the bucket is retained when the stack is deleted.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(RETENTION_DAYS),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(UPLOAD_DAYS),
                ),
                # Of two rules for one object, the shorter expiration applies (S3 guide, "Examples
                # of S3 Lifecycle configurations").
                s3.LifecycleRule(
                    prefix=archive.SURVEYS, expiration=cdk.Duration.days(archive.SURVEY_DAYS)
                ),
            ],
            # Not retained when the deployment that creates it fails.
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        acknowledge(
            self.bucket,
            "AwsSolutions-S1",
            "Access logs would need a second bucket; CloudTrail's data events can record reads of"
            " results instead",
        )
