"""Refuses every call that may change something it was not allowed to change.

Handles botocore's event ``before-call``, which every client of a session emits before it sends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    import boto3
    from botocore.model import OperationModel

# The only one that sts:AssumeRole may name: it does not exist, and so gives no credentials.
NO_SUCH_ROLE = "rollcall-contract-no-such-role"
READ_ONLY = frozenset(
    {
        "account:ListRegions",
        "detective:DescribeOrganizationConfiguration",
        "detective:GetMembers",
        "detective:ListGraphs",
        "detective:ListInvitations",
        "detective:ListMembers",
        "guardduty:DescribeOrganizationConfiguration",
        "guardduty:GetAdministratorAccount",
        "guardduty:GetMembers",
        "guardduty:ListDetectors",
        "guardduty:ListInvitations",
        "guardduty:ListMembers",
        "organizations:DescribeAccount",
        "organizations:DescribeOrganization",
        "organizations:ListAccounts",
        "organizations:ListDelegatedAdministrators",
        "organizations:ListTagsForResource",
        "securityhub:BatchGetConfigurationPolicyAssociations",
        "securityhub:DescribeHub",
        "securityhub:DescribeOrganizationConfiguration",
        "securityhub:GetAdministratorAccount",
        "securityhub:GetConfigurationPolicy",
        "securityhub:GetMembers",
        "securityhub:ListFindingAggregators",
        "securityhub:ListInvitations",
        "securityhub:ListMembers",
        "sts:AssumeRole",
        "sts:GetCallerIdentity",
    }
)
CHANGING = frozenset(
    {
        "detective:CreateMembers",
        "detective:DeleteMembers",
        "guardduty:CreateMembers",
        "guardduty:DeleteMembers",
        "guardduty:DisassociateMembers",
        "guardduty:InviteMembers",
        "securityhub:CreateMembers",
        "securityhub:DeleteMembers",
        "securityhub:DisassociateMembers",
        "securityhub:InviteMembers",
    }
)
_ACCOUNT_ID = re.compile(r"(?<![0-9A-Za-z])\d{12}(?![0-9A-Za-z])")
# A behavior graph's ARN contains the account of its administrator.
_GRAPH = re.compile(r"arn:[a-z-]+:detective:[a-z0-9-]+:\d{12}:graph:[0-9a-f]+")


class CallRefused(Exception):
    """The call was not sent."""


class Guard:
    """``accounts`` are the ids that changing calls may name; without any, nothing is changed."""

    def __init__(self, accounts: Iterable[str] = ()) -> None:
        self._accounts = frozenset(accounts)

    def watch(self, session: boto3.Session) -> None:
        """Check every call of every client that the session makes from now on."""
        session.events.register_first("before-call", self.check)

    def check(self, model: OperationModel, params: dict[str, Any], **_: Any) -> None:
        """Raises CallRefused unless the call only reads, or changes only accounts given."""
        operation = f"{model.service_model.service_name}:{model.name}"
        if operation == "sts:AssumeRole" and not _role(params).endswith(f":role/{NO_SUCH_ROLE}"):
            raise CallRefused(f"{operation} names another role than {NO_SUCH_ROLE}")
        if operation in READ_ONLY:
            return
        if operation not in CHANGING or not self._accounts:
            raise CallRefused(f"{operation} is not on the list of read-only operations")
        named = _account_ids(params)
        if not named or not named <= self._accounts:
            raise CallRefused(f"{operation} names an account that is not in the file of accounts")


def _role(params: dict[str, Any]) -> str:
    return str(params["body"]["RoleArn"])


def _account_ids(params: dict[str, Any]) -> set[str]:
    """All account ids anywhere in a request as it is sent."""
    body = params.get("body") or ""
    text = body.decode() if isinstance(body, bytes | bytearray) else str(body)
    request = unquote(f"{params.get('url_path', '')} {params.get('query_string', '')} {text}")
    return set(_ACCOUNT_ID.findall(_GRAPH.sub("", request)))
