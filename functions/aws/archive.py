"""The bucket of documents: complete results, and what surveys found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from functions.aws.calls import calling
from functions.enrolment.errors import ServiceRefused
from functions.enrolment.text import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

# Results of onboardings, results of reconciles, and what surveys found. The last is kept for
# ``SURVEY_DAYS`` only.
ONBOARDINGS = "onboardings/"
RECONCILES = "reconciles/"
SURVEYS = "surveys/"
SURVEY_DAYS = 30
# What reconciles have found so far; each replaces it.
GAPS = f"{RECONCILES}gaps.json"

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "persist": ("s3:PutObject",),
    "read": ("s3:GetObject",),
}


class Archive:
    """Stores JSON documents in one bucket, given by name. They contain no e-mail addresses.

    Both methods raise ``Throttled``, ``ServiceUnavailable``, ``Conflict``, ``AccessDenied`` or
    ``ServiceRefused``, the last also if the bucket does not exist.
    """

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def persist(self, key: str, document: Mapping[str, Any]) -> str:
        """Store the document as JSON, replacing an existing object; return its ``s3://`` URI."""
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate, which UTF-8 cannot encode, becomes its JSON escape.
        body = text.encode(errors="backslashreplace")
        with calling("S3", "PutObject"):
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/json"
            )
        return uri_of(self._bucket, key)

    def read(self, key: str) -> dict[str, Any] | None:
        """A stored document, None if there is none. ``ServiceRefused``: it is no JSON object.

        Without s3:ListBucket S3 answers AccessDenied for a missing object (S3 API reference,
        GetObject), which is raised: steps read only what is known to be stored.
        """
        with calling("S3", "GetObject"):
            try:
                body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except self._s3.exceptions.NoSuchKey:
                return None
        document = parsed(body)
        if not isinstance(document, dict):
            raise ServiceRefused(f"S3 GetObject: {key} is not a JSON object")
        return document


def uri_of(bucket: str, key: str) -> str:
    """The ``s3://`` URI of a document."""
    return f"s3://{bucket}/{key}"


def result_key(onboarding_id: str, started_at: float, *, final: bool) -> str:
    """The key of a run's result, or of its interim one; an older run may have had the same id."""
    name = "result" if final else "interim"
    return f"{ONBOARDINGS}{onboarding_id}/{int(started_at)}-{name}.json"


def survey_key(reconcile_id: str, name: str) -> str:
    """The key of a document of a reconcile's survey, such as ``plan`` or ``batches/7``."""
    return f"{SURVEYS}{reconcile_id}/{name}.json"


def reconcile_key(reconcile_id: str, name: str) -> str:
    """The key of one of a reconcile's results."""
    return f"{RECONCILES}{reconcile_id}/{name}.json"
