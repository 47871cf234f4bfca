"""The archive of complete results, including those too large for an event or a message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from functions.aws.calls import calling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

PREFIX = "onboardings/"

ACTIONS: Mapping[str, tuple[str, ...]] = {"persist": ("s3:PutObject",)}


class Archive:
    """Stores documents in one bucket, given by name."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def persist(self, key: str, document: Mapping[str, Any]) -> str:
        """Store the document as JSON, replacing an existing object; return its ``s3://`` URI.

        Raises:
            Throttled, ServiceUnavailable, Conflict, AccessDenied, ServiceRefused: the last also
                if the bucket does not exist.
        """
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate, which UTF-8 cannot encode, becomes its JSON escape.
        body = text.encode(errors="backslashreplace")
        with calling("S3", "PutObject"):
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/json"
            )
        return f"s3://{self._bucket}/{key}"


def result_key(onboarding_id: str, name: str) -> str:
    """The key of one of an onboarding's documents."""
    return f"{PREFIX}{onboarding_id}/{name}.json"
