"""The whole result is kept as one object, and whoever is told of it can read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from functions.aws.archive import ACTIONS, ONBOARDINGS, Archive, result_key
from functions.aws.sessions import Clients
from functions.enrolment.errors import AccessDenied, RollcallError, ServiceRefused, Throttled
from tests.support.builders import NOW
from tests.unit.aws.support import a_session, watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

REGION: Final = "eu-west-1"
BUCKET = "rollcall-results"
KEY = "onboardings/one/1800000000-result.json"
DOCUMENT = {"outcome": "enabled", "accounts": [{"name": "Zoë 日本", "members": 2}]}


@pytest.fixture
def s3() -> Iterator[S3Client]:
    with mock_aws():
        client = Clients(a_session()).client("s3", REGION)
        client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        yield client


def test_a_document_is_kept_as_json(s3: S3Client) -> None:
    Archive(s3, BUCKET).persist(KEY, DOCUMENT)

    kept = s3.get_object(Bucket=BUCKET, Key=KEY)
    body = kept["Body"].read()
    assert kept["ContentType"] == "application/json"
    assert json.loads(body) == DOCUMENT
    assert body.decode() == '{"outcome":"enabled","accounts":[{"name":"Zoë 日本","members":2}]}'


def test_what_utf_8_cannot_encode_is_kept_escaped(s3: S3Client) -> None:
    Archive(s3, BUCKET).persist(KEY, {"name": "\ud800"})

    body = s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    assert body == b'{"name":"\\ud800"}'
    assert json.loads(body) == {"name": "\ud800"}


def test_the_uri_is_that_of_the_object(s3: S3Client) -> None:
    assert Archive(s3, BUCKET).persist(KEY, DOCUMENT) == f"s3://{BUCKET}/{KEY}"


def test_keeping_again_replaces(s3: S3Client) -> None:
    archive = Archive(s3, BUCKET)

    archive.persist(KEY, {"outcome": "failed"})
    archive.persist(KEY, DOCUMENT)

    assert json.loads(s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()) == DOCUMENT


def test_keys_are_sorted_by_onboarding() -> None:
    assert result_key("one", NOW, final=True) == KEY
    assert KEY.startswith(ONBOARDINGS)


def test_a_missing_bucket_is_a_refusal(s3: S3Client) -> None:
    with pytest.raises(ServiceRefused, match=r"^S3 PutObject: NoSuchBucket: "):
        Archive(s3, "rollcall-nowhere").persist(KEY, DOCUMENT)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("AccessDenied", 403, AccessDenied), ("SlowDown", 503, Throttled)],
)
def test_a_refusal_of_s3_is_an_error(
    s3: S3Client, code: str, status: int, error: type[RollcallError]
) -> None:
    with Stubber(s3) as stubber:
        stubber.add_client_error("put_object", code, http_status_code=status)

        with pytest.raises(error, match=f"^S3 PutObject: {code}$"):
            Archive(s3, BUCKET).persist(KEY, DOCUMENT)


def test_its_actions_are_those_of_its_calls(s3: S3Client) -> None:
    made = watch(s3)

    Archive(s3, BUCKET).persist(KEY, DOCUMENT)

    assert set(made) == set(ACTIONS["persist"])
    assert set(ACTIONS) == {name for name in vars(Archive) if not name.startswith("_")}


def test_a_kept_document_is_read_again(s3: S3Client) -> None:
    archive = Archive(s3, BUCKET)
    archive.persist(KEY, DOCUMENT)
    made = watch(s3)

    assert archive.read(KEY) == DOCUMENT
    assert set(made) == set(ACTIONS["read"])


@pytest.mark.parametrize("body", [b"[]", b"null", b"{", b"[" * 100_000, b"\xff"], ids=len)
def test_what_is_no_document_is_refused(s3: S3Client, body: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)

    with pytest.raises(ServiceRefused, match=rf"^S3 GetObject: {KEY} is not a JSON object$"):
        Archive(s3, BUCKET).read(KEY)


def test_a_document_that_was_never_kept(s3: S3Client) -> None:
    assert Archive(s3, BUCKET).read("surveys/none/plan.json") is None
