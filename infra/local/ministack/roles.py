"""The roles of accounts that the local AWS makes, and who is given which role.

sts:AssumeRole is as AWS decides it: the role exists in an open account, trusts the caller, and its
account has the Region of the endpoint.

MiniStack hands out credentials for any role unless it checks every policy of every call, and then
``cdk deploy`` fails. The caller's own permission to assume the role is not checked here.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ministack.core.iam_evaluator import EvalContext, evaluate_trust_policy
from ministack.core.responses import get_region, request_scope
from ministack.services import iam, sts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra.local.facts.state import NewRole
    from infra.local.ministack.admission import KnowsAccounts

    Answer = tuple[int, dict[str, str], bytes]
    Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Answer]]


def refuse_untrusted_callers(accounts: KnowsAccounts) -> Callable[[Handler], Handler]:
    """MiniStack's STS, asked only for roles the caller may assume."""
    return partial(_refusing, accounts)


def _refusing(accounts: KnowsAccounts, handle: Handler) -> Handler:
    async def handle_request(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, list[str]],
    ) -> Answer:
        form = {key: values[0] for key, values in query.items()}
        form |= {key: values[0] for key, values in parse_qs(body.decode(errors="replace")).items()}
        if form.get("Action") == "AssumeRole":
            caller: dict[str, Any] = sts._caller_identity(headers, query)
            if not may_assume(accounts, caller, form):
                text = (
                    f"User: {caller['userArn']} is not authorized to perform: sts:AssumeRole "
                    f"on resource: {form.get('RoleArn', '')}"
                )
                refusal: Answer = iam._error(403, "AccessDenied", text, ns="sts")
                return refusal
            account = form["RoleArn"].split(":")[4]
            if not accounts.can_use(account, get_region()):
                # That a caller without permission is told so first is inferred.
                text = f"STS is not activated in this region for account:{account}."
                disabled: Answer = iam._error(403, "RegionDisabledException", text, ns="sts")
                return disabled
        return await handle(method, path, headers, body, query)

    return handle_request


def may_assume(accounts: KnowsAccounts, caller: dict[str, Any], form: dict[str, str]) -> bool:
    """Whether the role ``form["RoleArn"]`` is of an open account and lets ``caller`` in."""
    role = role_at(form.get("RoleArn", ""))
    if role is None or not accounts.is_open(role["Arn"].split(":")[4]):
        return False
    context = EvalContext(
        principal_arn=_principal_arn(caller),
        principal_type=caller["principalType"],
        principal_account=caller["accountId"],
        action="sts:AssumeRole",
        resource_arn=role["Arn"],
        region=get_region(),
        service_context={
            "sts:externalid": form.get("ExternalId"),
            "sts:rolesessionname": form.get("RoleSessionName"),
        },
    )
    trust = _without_services(role["AssumeRolePolicyDocument"])
    return bool(evaluate_trust_policy(trust, caller["userArn"], context))


def _without_services(trust: str) -> dict[str, Any]:
    """The policy for callers that are no service: MiniStack lets every root user be one."""
    policy: dict[str, Any] = json.loads(trust)
    statements = policy.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        if isinstance(statement.get("Principal"), dict):
            statement["Principal"].pop("Service", None)
    return policy


def _principal_arn(caller: dict[str, Any]) -> str:
    """aws:PrincipalArn: of a session it is the role's, not the session's."""
    arn: str = caller["userArn"]
    account, _, resource = arn.partition("::")[2].partition(":")
    kind, _, rest = resource.partition("/")
    if kind != "assumed-role":
        return arn
    role = iam._roles.get_scoped(account, None, rest.split("/")[0])
    return str(role["Arn"]) if role else arn


def make_role(role: NewRole) -> None:
    """A role with an id that depends on its ARN only. One that is there already stays."""
    # IAM is global; us-east-1 is where it is signed for.
    with request_scope(role.account_id, "us-east-1"):
        if role.name in iam._roles:
            return
        trust = json.dumps(_trust_policy(role))
        iam._create_role({"RoleName": [role.name], "AssumeRolePolicyDocument": [trust]})
        made = iam._roles[role.name]
        made["RoleId"] = f"AROA{hashlib.sha256(made['Arn'].encode()).hexdigest()[:17].upper()}"
        for policy in role.policies:
            iam._attach_role_policy({"RoleName": [role.name], "PolicyArn": [policy]})


def _trust_policy(role: NewRole) -> dict[str, Any]:
    services = [one for one in role.trusts if one.endswith(".amazonaws.com")]
    principals = [
        f"arn:aws:iam::{one}:root" if one.isdigit() else one
        for one in role.trusts
        if one not in services
    ]
    named = (("AWS", principals), ("Service", services))
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {kind: names for kind, names in named if names},
        "Action": "sts:AssumeRole",
    }
    if role.external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": role.external_id}}
    return {"Version": "2012-10-17", "Statement": [statement]}


def role_at(arn: str) -> dict[str, Any] | None:
    """MiniStack's record of a role; None when there is none."""
    account, _, resource = arn.removeprefix("arn:aws:iam::").partition(":")
    role: dict[str, Any] | None = iam._roles.get_scoped(account, None, resource.split("/")[-1])
    # The path is part of the ARN: a role of that name elsewhere is another role.
    return role if role is not None and role["Arn"] == arn else None
