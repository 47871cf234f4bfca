"""The bucket of results by itself: private, encrypted, kept for as long as it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from functions.aws.archive import SURVEY_DAYS
from infra.constructs.results_bucket import RETENTION_DAYS, ResultsBucket
from tests.conftest import cdk_json
from tests.infra.alarms import refuses_plain_http
from tests.infra.support import text, the

if TYPE_CHECKING:
    from collections.abc import Mapping


def an_app(folder: Path) -> cdk.App:
    """An app as ``infra.app`` builds it: a finding of cdk-nag fails its synthesis."""
    app = cdk.App(outdir=str(folder), context=cdk_json())
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template, as a file, of a stack with nothing but the bucket."""
    folder = tmp_path_factory.mktemp("bucket.cdk.out")
    app = an_app(folder)
    ResultsBucket(cdk.Stack(app, "Bucket"), "Results")
    app.synth()
    return folder / "Bucket.template.json"


@pytest.fixture(scope="module")
def template(written: Path) -> dict[str, Any]:
    """The template read: here it has the bucket only."""
    read: dict[str, Any] = json.loads(written.read_text())
    return read


def test_a_bucket_made_carelessly_would_be_found(tmp_path: Path) -> None:
    app = an_app(tmp_path)
    s3.Bucket(cdk.Stack(app, "Bucket"), "Careless")

    with pytest.raises(RuntimeError, match="Validation"):
        app.synth()


def test_cfn_lint_has_nothing_to_say_about_the_bucket(written: Path) -> None:
    cfn_lint = Path(sys.executable).with_name("cfn-lint")

    done = subprocess.run(  # noqa: S603  # our own command line
        [str(cfn_lint), str(written)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout


def test_nothing_in_it_can_be_public(template: Mapping[str, Any]) -> None:
    bucket = the(template, "AWS::S3::Bucket")

    assert bucket["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_it_is_encrypted_with_keys_of_s3(template: Mapping[str, Any]) -> None:
    (rule,) = the(template, "AWS::S3::Bucket")["BucketEncryption"][
        "ServerSideEncryptionConfiguration"
    ]

    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_it_refuses_plain_http_and_allows_nobody(template: Mapping[str, Any]) -> None:
    policy = the(template, "AWS::S3::BucketPolicy")
    (statement,) = policy["PolicyDocument"]["Statement"]
    bucket = text(policy["Bucket"])

    assert refuses_plain_http([statement])
    assert (statement["Principal"], statement["Action"]) == ({"AWS": "*"}, "s3:*")
    assert [text(resource) for resource in statement["Resource"]] == [bucket, f"{bucket}/*"]


def test_surveys_expire_before_results_and_unfinished_uploads_too(
    template: Mapping[str, Any],
) -> None:
    rule, of_surveys = the(template, "AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]

    assert RETENTION_DAYS == 400
    assert SURVEY_DAYS == 30
    assert of_surveys == {"Status": "Enabled", "Prefix": "surveys/", "ExpirationInDays": 30}
    assert rule == {
        "Status": "Enabled",
        "ExpirationInDays": 400,
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }


def test_it_outlives_its_stack(template: Mapping[str, Any]) -> None:
    (resource,) = [r for r in template["Resources"].values() if r["Type"] == "AWS::S3::Bucket"]

    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"
