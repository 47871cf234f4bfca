"""iam:CreateServiceLinkedRole with the role names and the errors of AWS.

MiniStack makes up the name from the principal, ignores CustomSuffix and answers a second call
with EntityAlreadyExists.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ministack.services import iam

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = tuple[int, dict[str, str], bytes]
    Form = dict[str, list[str]]

_PREFIX = "AWSServiceRoleFor"
# What follows the prefix. Sources were found for GuardDuty, Auto Scaling and ECS; the others are
# inferred, and so is the text that refuses a suffix.
_NAMES = {
    "access-analyzer.amazonaws.com": "AccessAnalyzer",
    "agentless.inspector2.amazonaws.com": "AmazonInspector2Agentless",
    "autoscaling.amazonaws.com": "AutoScaling",
    "cloudtrail.amazonaws.com": "CloudTrail",
    "config-conforms.amazonaws.com": "ConfigConforms",
    "config.amazonaws.com": "Config",
    "controltower.amazonaws.com": "AWSControlTower",
    "detective.amazonaws.com": "Detective",
    "ecs.amazonaws.com": "ECS",
    "elasticloadbalancing.amazonaws.com": "ElasticLoadBalancing",
    "fms.amazonaws.com": "FMS",
    "guardduty.amazonaws.com": "AmazonGuardDuty",
    "inspector2.amazonaws.com": "AmazonInspector2",
    "macie.amazonaws.com": "AmazonMacie",
    "malware-protection.guardduty.amazonaws.com": "AmazonGuardDutyMalwareProtection",
    "organizations.amazonaws.com": "Organizations",
    "rds.amazonaws.com": "RDS",
    "securityhub.amazonaws.com": "SecurityHub",
    "securitylake.amazonaws.com": "SecurityLake",
    "ssm.amazonaws.com": "AmazonSSM",
    "sso.amazonaws.com": "SSO",
    "support.amazonaws.com": "Support",
    "trustedadvisor.amazonaws.com": "TrustedAdvisor",
}
_TAKES_SUFFIX = "autoscaling.amazonaws.com"


def name_service_linked_roles(_: Callable[[Form], Answer]) -> Callable[[Form], Answer]:
    """CreateServiceLinkedRole, in place of MiniStack's."""

    def create_service_linked_role(form: Form) -> Answer:
        principal, suffix = iam._p(form, "AWSServiceName"), iam._p(form, "CustomSuffix")
        if suffix and principal in _NAMES and principal != _TAKES_SUFFIX:
            return _invalid(f"Custom suffix is not allowed for {principal}")
        name = role_name(principal, suffix)
        if name in iam._roles:
            return _invalid(
                f"Service role name {name} has been taken in this account, "
                "please try a different suffix."
            )
        made: Answer = iam._create_role(
            {
                "RoleName": [name],
                "Path": [f"/aws-service-role/{principal}/"],
                "Description": [iam._p(form, "Description")],
                "AssumeRolePolicyDocument": [_trust(principal)],
            }
        )
        if made[0] != 200:
            return made
        role = f"<Role>{iam._role_xml(name)}</Role>"
        body = f"<CreateServiceLinkedRoleResult>{role}</CreateServiceLinkedRoleResult>"
        answer: Answer = iam._xml(200, "CreateServiceLinkedRoleResponse", body, ns="iam")
        return answer

    return create_service_linked_role


def role_name(principal: str, suffix: str) -> str:
    """AWS's where it is known, and for other services one like it."""
    known = _NAMES.get(principal) or principal.split(".")[0].capitalize()
    return _PREFIX + known + (f"_{suffix}" if suffix else "")


def _trust(principal: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _invalid(message: str) -> Answer:
    answer: Answer = iam._error(400, "InvalidInput", message)
    return answer
