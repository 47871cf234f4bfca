"""Who may do what in a simulation, by the roles of the templates; and who has done what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from infra.local.wire.signature import credential_scope
from tests.support.builders import ADMINISTRATOR, MANAGEMENT
from tests.support.iam import ANY
from tests.support.permissions import MEMBER_ROLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from infra.local.wire.http import Request
    from tests.support.iam import Role

# Of whose member role a request is made: every account has its own, and they are alike.
THERE = "the-member-account"
_WITHOUT_HUB = frozenset({"BatchGetConfigurationPolicyAssociations", "ListFindingAggregators"})
_LINKED_ROLE = "iam:CreateServiceLinkedRole"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An action on a resource, an ARN or ``*`` for none. ``context`` are condition keys."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


class Permissions:
    """``roles`` are by who has them (see ``Deployed``). ``used`` are the resources on which each
    has done an action; ``denied`` what each was denied, in order.
    """

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self._roles = roles
        self._decided: dict[tuple[str, Wanted], bool] = {}
        self.used: dict[tuple[str, str], set[str]] = {}
        self.denied: list[tuple[str, str]] = []

    def refusal(self, who: str, wanted: Iterable[Wanted]) -> str | None:
        """What AWS says to somebody who may not do all of this; None: it may."""
        for each in wanted:
            key = (who, each)
            if key not in self._decided:
                role = self._roles[who]
                may = role.may(each.action, each.resource, dict(each.context))
                self._decided[key] = may
            if not self._decided[key]:
                self.denied.append((who, each.action))
                name = self._roles[who].arn.rpartition("/")[2]
                return (
                    f"User: arn:aws:sts::{ADMINISTRATOR}:assumed-role/{name}/rollcall is not"
                    f" authorized to perform: {each.action} on resource: {each.resource} because"
                    f" no identity-based policy allows the {each.action} action"
                )
            self.used.setdefault((who, each.action), set()).add(each.resource)
        return None

    def trusts_step(self, step: str, external_id: str | None) -> bool:
        """Whether the member role lets a step's role in."""
        arn = self._roles[step].arn
        context = {"aws:PrincipalArn": arn}
        if external_id is not None:
            context["sts:ExternalId"] = external_id
        return self._roles[MEMBER_ROLE].trusts(("AWS", arn), context)


def caller_of(request: Request, step: str) -> str:
    """Whose role a step's request is made with: the step's, or the member role."""
    scope = credential_scope(request)
    assert scope is not None
    return step if scope.access_key_id == ADMINISTRATOR else MEMBER_ROLE


def wanted_of(service: str, operation: str, request: Request) -> Iterator[Wanted]:
    """What IAM decides about a request of a service that has accounts as members, of Organizations
    or of Account Management: the resource is that of the service authorization reference.
    """
    scope = credential_scope(request)
    assert scope is not None
    region = scope.region
    account = ADMINISTRATOR if scope.access_key_id == ADMINISTRATOR else THERE
    given: dict[str, Any] = json.loads(request.body) if request.body else {}
    resource = ANY
    match service:
        case "detective" if "GraphArn" in given:
            resource = given["GraphArn"]
        case "securityhub" if operation == "GetConfigurationPolicy":
            policy = unquote(request.path).rpartition("/")[2]
            resource = f"arn:aws:securityhub:{region}:{account}:configuration-policy/{policy}"
        case "securityhub" if operation not in _WITHOUT_HUB:
            resource = f"arn:aws:securityhub:{region}:{account}:hub/default"
        case "organizations" if operation in ("DescribeAccount", "ListTagsForResource"):
            asked = given.get("AccountId") or given["ResourceId"]
            resource = f"arn:aws:organizations::{MANAGEMENT}:account/o-local/{asked}"
    yield Wanted(f"{service}:{operation}", resource)
    for name in _linked(operation, given):
        role = f"arn:aws:iam::{account}:role/aws-service-role/{name}/AWSServiceRole"
        yield Wanted(_LINKED_ROLE, role, (("iam:AWSServiceName", name),))


def _linked(operation: str, given: Mapping[str, Any]) -> Iterator[str]:
    """The services for which the service makes a linked role with the caller's permissions, if the
    account has none yet (user guides, "Using service-linked roles").
    """
    if operation == "EnableSecurityHub":
        yield "securityhub.amazonaws.com"
    if operation == "CreateDetector":
        yield "guardduty.amazonaws.com"
        off = {"name": "EBS_MALWARE_PROTECTION", "status": "DISABLED"}
        if off not in given.get("features", ()):
            yield "malware-protection.guardduty.amazonaws.com"
