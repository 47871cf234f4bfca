"""What a SigV4 signature says about its sender. Signatures are not verified."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from infra.local.wire.http import Request

_SCOPE = re.compile(
    r"(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request"
)


@dataclass(frozen=True, slots=True)
class CredentialScope:
    access_key_id: str
    region: str
    service: str


def credential_scope(request: Request) -> CredentialScope | None:
    """The scope in the Authorization header or in a pre-signed query; None when unsigned."""
    credential = request.headers.get("authorization", "")
    if not credential.startswith("AWS4-HMAC-SHA256"):
        credential = parse_qs(request.query).get("X-Amz-Credential", [""])[0]
    found = _SCOPE.search(credential.replace("Credential=", ""))
    if found is None:
        return None
    return CredentialScope(found["key"], found["region"], found["service"])
