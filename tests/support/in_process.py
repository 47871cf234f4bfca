"""boto3 clients that talk to a local Endpoint in process: real requests, no sockets."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import boto3
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from botocore.handlers import BUILTIN_HANDLERS

from infra.local.wire.http import Request, Response
from infra.local.wire.signature import credential_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest

    from infra.local.gateway.endpoint import Endpoint

# Longer than a default client waits for a response.
READ_TIMEOUT = 60.0


MayAssume: TypeAlias = "Callable[[str, str, str | None], bool]"


def local_session(
    endpoint: Endpoint,
    account_id: str,
    region: str = "eu-west-1",
    *,
    may_assume: MayAssume | None = None,
) -> boto3.Session:
    """A session of ``account_id`` whose every client talks to ``endpoint``.

    ``may_assume(caller's account id, role ARN, external id)`` says which roles sts:AssumeRole
    gives; without it every role is refused. The credentials it gives are those of the role's
    account: use them within ``everything_local``, or connect their session too.
    """
    session = boto3.Session(
        aws_access_key_id=account_id,
        aws_secret_access_key="local",  # noqa: S106 (signatures are not verified)
        region_name=region,
    )
    session.events.register("before-send", _sender(endpoint, may_assume))
    return session


def local_first(
    session: boto3.Session, endpoint: Endpoint, *, may_assume: MayAssume | None = None
) -> None:
    """Let the session's clients talk to ``endpoint`` for what is its, and to STS as above; every
    other request goes on to whoever is next, such as moto."""
    ours = _sender(endpoint, may_assume)

    def send(request: AWSPreparedRequest, **_: Any) -> Any:
        received = as_received(request)
        scope = credential_scope(received)
        mine = endpoint.owns(received) or (scope is not None and scope.service == "sts")
        return ours(request) if mine else None

    session.events.register_first("before-send", send)


@contextmanager
def everything_local(endpoint: Endpoint, *, may_assume: MayAssume | None = None) -> Iterator[None]:
    """Every session made meanwhile talks to ``endpoint``, as ``local_session`` describes."""
    handler = ("before-send", _sender(endpoint, may_assume))
    BUILTIN_HANDLERS.append(handler)
    try:
        yield
    finally:
        BUILTIN_HANDLERS.remove(handler)


def _sender(endpoint: Endpoint, may_assume: MayAssume | None) -> Callable[..., Any]:
    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        received = as_received(request)
        ours = endpoint.owns(received)
        response = endpoint.handle(received) if ours else _assume_role(received, may_assume)
        if response.delay > READ_TIMEOUT:
            raise ReadTimeoutError(endpoint_url=request.url)
        headers: Any = HeadersDict(response.headers)
        return AWSResponse(request.url, response.status, headers, Raw(response.body))

    return send


def local_client(
    endpoint: Endpoint, service: str, account_id: str, region: str = "eu-west-1", **config: Any
) -> Any:
    """One client, without retries; ``config`` goes to botocore's Config."""
    options: dict[str, Any] = {
        "retries": {"mode": "standard", "total_max_attempts": 1},
        # botocore takes a tenth of a call's time to make one up.
        "user_agent": "local",
        **config,
    }
    session = local_session(endpoint, account_id, region)
    return session.client(service, config=Config(**options))  # type: ignore[call-overload]  # any name


class Raw(BytesIO):
    """As much of urllib3's response as AWSResponse, and a streaming body, read."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


def as_received(request: AWSPreparedRequest) -> Request:
    """A request that botocore is about to send, as a server gets it."""
    url = urlsplit(request.url)
    # botocore has signed and encoded by now: header values and body are text or bytes.
    headers: dict[str, Any] = {name.lower(): value for name, value in request.headers.items()}
    return Request(
        method=request.method,
        path=url.path,
        query=url.query,
        headers={"host": url.netloc} | {name: _text(value) for name, value in headers.items()},
        body=_text(request.body or "").encode(),
    )


def _text(value: Any) -> str:
    if hasattr(value, "read"):  # what S3 is to store; whoever is next reads it again
        stream, value = value, value.read()
        stream.seek(0)
    return value.decode() if isinstance(value, bytes | bytearray) else str(value)


def _assume_role(request: Request, may_assume: MayAssume | None) -> Response:
    """sts:AssumeRole, the one call tests make beside the local services."""
    scope = credential_scope(request)
    form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
    if scope is None or scope.service != "sts" or form.get("Action") != "AssumeRole":
        raise AssertionError(f"no local service for {request.headers['host']} {request.path}")
    role, caller = form["RoleArn"], scope.access_key_id
    if may_assume is None or not may_assume(caller, role, form.get("ExternalId")):
        denied = (
            f"User: arn:aws:iam::{caller}:root is not authorized to perform: sts:AssumeRole "
            f"on resource: {role}"
        )
        error = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
            f"<Message>{escape(denied)}</Message></Error></ErrorResponse>"
        )
        return Response(403, {"Content-Type": "text/xml"}, error.encode())
    account_id, name = role.split(":")[4], role.rsplit("/", 1)[-1]
    expiration = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    result = (
        f"<AssumeRoleResponse><AssumeRoleResult><Credentials>"
        f"<AccessKeyId>{account_id}</AccessKeyId><SecretAccessKey>local</SecretAccessKey>"
        f"<SessionToken>local</SessionToken><Expiration>{expiration}</Expiration></Credentials>"
        f"<AssumedRoleUser><AssumedRoleId>AROALOCAL:{form['RoleSessionName']}</AssumedRoleId>"
        f"<Arn>arn:aws:sts::{account_id}:assumed-role/{name}/{form['RoleSessionName']}</Arn>"
        f"</AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
    )
    return Response(200, {"Content-Type": "text/xml"}, result.encode())
