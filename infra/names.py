"""The fixed names of one deployment, all derived from its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from functions.enrolment.errors import InvalidInput

DEFAULT = "Rollcall"
# EventBridge takes 64 characters for a rule's name (botocore, events ``RuleName``), and IAM for a
# role's; the longest name here is that of a forwarding stack's rule.
MOST_OF_A_NAME = 64 - len("OrganizationEvents-AccountJoinedOrganization")
# CloudFormation's pattern for a stack's name (botocore, cloudformation CreateStack).
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Names:
    """``deployment`` is the configured name, with which every other begins.

    Deployments in one account need names that differ in more than case: IAM and the name of the bus
    do not distinguish case.
    """

    deployment: str = DEFAULT

    @property
    def stack(self) -> str:
        """The stack in the administrator's account."""
        return self.deployment

    @property
    def member_role_stack(self) -> str:
        """The stack for member accounts."""
        return f"{self.deployment}MemberRole"

    @property
    def organization_events(self) -> str:
        """The stack that forwards the organisation's events, its role and its statement."""
        return f"{self.deployment}OrganizationEvents"

    @property
    def control_tower_events(self) -> str:
        """The stack that forwards Control Tower's events, and its role."""
        return f"{self.deployment}ControlTowerEvents"

    @property
    def region_events(self) -> str:
        """The stack that forwards the administrator's own opt-ins to Regions, and its role."""
        return f"{self.deployment}RegionEvents"

    @property
    def own_events(self) -> str:
        """The statement of the bus policy that admits the administrator's own account.

        The other one is named ``organization_events``. Every account has one default bus, whose
        policy all deployments on it share.
        """
        return f"{self.deployment}OwnEvents"

    @property
    def accepting_role(self) -> str:
        """The role of Accept Invitations, which member roles trust."""
        return f"{self.deployment}AcceptInvitations"

    @property
    def metrics(self) -> str:
        """The CloudWatch namespace of the steps' metrics."""
        return self.deployment

    @property
    def redrive(self) -> str:
        """The command that redrives this deployment's events."""
        return self.command("redrive")

    def command(self, arguments: str) -> str:
        """A command of the command line for this deployment, such as ``status --gaps``."""
        option = "" if self.deployment == DEFAULT else f" --name {self.deployment}"
        return f".venv/bin/rollcall {arguments}{option}"

    def bus(self, kind: str) -> str:
        """The bus; ``kind`` is ``own`` or ``default``."""
        return "default" if kind == "default" else self.deployment.lower()


def a_deployment_name(value: object, path: str) -> str:
    """Reads a deployment's name. ``default`` is refused, because every account has that bus.

    Raises:
        InvalidInput: it is not one from which all names can be derived.
    """
    if (
        not isinstance(value, str)
        or len(value) > MOST_OF_A_NAME
        or not _NAME.fullmatch(value)
        or value.lower() == "default"
    ):
        raise InvalidInput(
            path,
            f"takes 1 to {MOST_OF_A_NAME} letters, digits and hyphens, a letter first, and not"
            " default",
        )
    return value
