"""Whose calls MiniStack takes: those of accounts that are open, in Regions that they have."""

from __future__ import annotations

import uuid
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from ministack import app as ministack_app
from ministack.core.iam_actions import access_denied_response, extract_iam_action
from ministack.core.iam_evaluator import AuthError, resolve_caller_identity
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import detect_service, extract_access_key_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Answer = tuple[int, dict[str, str], Any]
    Query = dict[str, list[str]]
    BucketHost = Callable[[str, str, str, dict[str, str], bytes, Query], Awaitable[Answer | None]]
    Dispatch = Callable[[str, str, dict[str, str], bytes, Query, str], Awaitable[Answer]]

# Those whose clients may sign for the Region they were made for, though the service has none.
_GLOBAL = frozenset({"cloudfront", "iam", "route53"})
_UNKNOWN_TOKEN = AuthError(
    "UnrecognizedClientException", "The security token included in the request is invalid."
)


_caller: ContextVar[str] = ContextVar("_caller")


class KnowsAccounts(Protocol):
    def organization_of(self, account_id: str) -> str | None:
        """The id of the account's organisation."""
        ...

    def is_open(self, account_id: str) -> bool:
        """Whether AWS takes the account's calls."""
        ...

    def can_use(self, account_id: str, region: str) -> bool:
        """Whether the account has the Region."""
        ...


def admit_callers(accounts: KnowsAccounts) -> Callable[[Dispatch], Dispatch]:
    """MiniStack's services, for the calls that AWS takes.

    Of an account that is not open it denies every call, and a Region that an account lacks does
    not know its credentials: AWS's own samples probe Regions with sts:GetCallerIdentity.
    """

    def admitting(dispatch: Dispatch) -> Dispatch:
        async def dispatch_admitted(
            method: str,
            path: str,
            headers: dict[str, str],
            body: bytes,
            query: Query,
            request_id: str,
        ) -> Answer:
            refused = _refusal(accounts, method, path, headers, body, query, request_id)
            if refused is not None:
                return refused
            return await dispatch(method, path, headers, body, query, request_id)

        return dispatch_admitted

    return admitting


def admit_bucket_hosts(accounts: KnowsAccounts) -> Callable[[BucketHost], BucketHost]:
    """The same for requests that name a bucket in their host: MiniStack serves them on its own."""

    def admitting(handle: BucketHost) -> BucketHost:
        async def handle_admitted(
            host: str, path: str, method: str, headers: dict[str, str], body: bytes, query: Query
        ) -> Answer | None:
            if detect_service(method, path, headers, query) == "s3":
                request_id = str(uuid.uuid4())
                refused = _refusal(accounts, method, path, headers, body, query, request_id)
                if refused is not None:
                    return refused
            return await handle(host, path, method, headers, body, query)

        return handle_admitted

    return admitting


def caller_arn() -> str:
    """The ARN of the identity that makes the current request."""
    return _caller.get()


def _arn_of_caller(headers: dict[str, str], query: Query) -> str:
    identity = resolve_caller_identity(extract_access_key_id(headers, query) or "")
    return str(identity["userArn"]) if identity else f"arn:aws:iam::{get_account_id()}:root"


def _refusal(
    accounts: KnowsAccounts,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: Query,
    request_id: str,
) -> Answer | None:
    """Why AWS does not take the call, if so; notes who makes it."""
    _caller.set(_arn_of_caller(headers, query))
    account_id = get_account_id()
    is_open, has_region = accounts.is_open(account_id), accounts.can_use(account_id, get_region())
    if is_open and has_region:
        return None
    parameters = ministack_app._routing_params(method, path, headers, body, query)
    service = detect_service(method, path, headers, parameters)
    refused: Answer
    if is_open:
        if service in _GLOBAL:
            return None
        refused = ministack_app._credential_failure(
            service, "", request_id, _UNKNOWN_TOKEN, headers
        )
        return refused
    action = extract_iam_action(service, method, path, headers, body, parameters)
    refused = access_denied_response(
        service, action or service, caller_arn(), request_id, headers=headers
    )
    # Protocols that name the operation in a header answer every refusal with 400.
    return (400, *refused[1:]) if "x-amz-target" in headers else refused
