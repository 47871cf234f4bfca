"""What a simulated site takes from the synthesised templates: the machines, and every role."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.conftest import definition_of, reconcile_definition_of
from tests.infra.support import PLACE, arrival_rules, machine_of, steps, text, the
from tests.simulation.permissions import THERE
from tests.simulation.site import (
    BUCKET,
    BUS,
    ONBOARDING,
    RECONCILE,
    RULES,
    SCHEDULE,
    TABLE,
    TOPIC,
)
from tests.support.builders import ADMINISTRATOR
from tests.support.iam import roles_in
from tests.support.permissions import MEMBER_ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.iam import Resolve, Role

_HERE = f"eu-west-1:{ADMINISTRATOR}"
_PLACES = {
    ("Table", "Arn"): TABLE,
    ("EventBus", "Arn"): BUS,
    ("Topic", "Ref"): TOPIC,
    ("Bucket", "Arn"): f"arn:aws:s3:::{BUCKET}",
}


@dataclass(frozen=True, slots=True)
class Deployed:
    """``definitions`` are the machines by ARN. ``roles`` are by who has them: a step by its
    module, a machine by its ARN, the rules, the schedule and the member role by these names.
    """

    definitions: Mapping[str, Mapping[str, Any]]
    roles: Mapping[str, Role]

    def without(self, who: str, action: str) -> Deployed:
        """The same, with one action taken out of a role."""
        return replace(self, roles={**self.roles, who: self.roles[who].without(action)})


def deployed(template: dict[str, Any], member_role: Mapping[str, Any]) -> Deployed:
    """What the templates of the stacks Rollcall and RollcallMemberRole deploy."""
    roles = roles_in(template, _place_of(template))
    (member,) = roles_in(member_role, _place_of(member_role, account=THERE)).values()
    machines = {ONBOARDING: "StateMachineArn", RECONCILE: "ReconcileMachineArn"}
    (rules,) = {
        text(target["RoleArn"])
        for rule in arrival_rules(template).values()
        for target in rule["Targets"]
    }
    holders = {
        **{module: text(properties["Role"]) for module, properties in steps(template).items()},
        **{
            arn: text(template["Resources"][machine_of(template, output)]["Properties"]["RoleArn"])
            for arn, output in machines.items()
        },
        RULES: rules,
        SCHEDULE: text(the(template, "AWS::Scheduler::Schedule")["Target"]["RoleArn"]),
    }
    missing = roles.keys() - set(holders.values())
    assert not missing, f"nobody has the roles {sorted(missing)}"
    return Deployed(
        {ONBOARDING: definition_of(template), RECONCILE: reconcile_definition_of(template)},
        {**{who: roles[name] for who, name in holders.items()}, MEMBER_ROLE: member},
    )


def _place_of(template: Mapping[str, Any], account: str = ADMINISTRATOR) -> Resolve:
    """What a template's references stand for in a simulation, in this account."""

    named = {**PLACE, "AWS::AccountId": account, "AdministratorId": ADMINISTRATOR}

    def resolve(kind: str, name: str) -> str:
        if name in named:
            return named[name]
        resource = template["Resources"][name]
        properties = resource.get("Properties", {})
        place = (resource["Type"].rpartition("::")[2], kind)
        if place in _PLACES:
            return _PLACES[place]
        match place:
            case "StateMachine", ("Ref" | "Name"):
                arn = ONBOARDING if name == machine_of(template) else RECONCILE
                return arn if kind == "Ref" else arn.rpartition(":")[2]
            case "Function", "Arn":
                module = properties["Handler"].split(".")[2]
                return f"arn:aws:lambda:{_HERE}:function:{module}"
            case "Alias", "Ref":
                function = resolve("Arn", text(properties["FunctionName"]))
                return f"{function}:{properties['Name']}"
            case "Role", "Arn":
                return f"arn:aws:iam::{account}:role/{properties.get('RoleName', name)}"
            case (("LogGroup" | "Queue"), "Arn"):
                return f"arn:aws:any:{_HERE}:{name}"
        raise AssertionError(f"{kind} of {name}, {resource['Type']}")

    return resolve
