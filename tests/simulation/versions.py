"""What other versions of Rollcall have in the table and in the documents of running executions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.machine import RUNNING
from tests.simulation.services.dynamodb import typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.machine import Execution
    from tests.simulation.site import Site

    Rewrite = Callable[[dict[str, Any]], dict[str, Any]]

# What versions have added to the rows of memberships and to the records of runs.
_ADDED_TO_ROWS = frozenset(
    {
        *("taken_at", "revision", "transition_count", "due", "automation", "surveyed_at"),
        *("reason_code", "reason_digest"),
    }
)
_ADDED_TO_RECORDS = frozenset({"execution_arn", "ended_at", "expires_at"})
_ADDED_TO_LOOPS = frozenset(
    {"others_wait", "reports", "reported_at", "refused_since", "resource", "wait_seconds"}
)


@dataclass(frozen=True, slots=True)
class Version:
    """How a version writes an item of the table, and the document of a target's loop."""

    item: Rewrite
    loop: Rewrite


def _item_before(item: dict[str, Any]) -> dict[str, Any]:
    if item["sk"].startswith("membership#"):
        former = {name: value for name, value in item.items() if name not in _ADDED_TO_ROWS}
        counts = {
            action: one["count"] if isinstance(one, dict) else one
            for action, one in item.get("attempts", {}).items()
        }
        return former | {"attempts": counts}
    if item["sk"] == "onboarding":
        return {name: value for name, value in item.items() if name not in _ADDED_TO_RECORDS}
    return item


def _loop_before(event: dict[str, Any]) -> dict[str, Any]:
    former = {name: value for name, value in event.items() if name not in _ADDED_TO_LOOPS}
    accounts = [
        {"id": each["id"], "email": each["email"], "mode": each["mode"]}
        for each in event["accounts"]
    ]
    return former | {"accounts": accounts}


def _item_afterwards(item: dict[str, Any]) -> dict[str, Any]:
    later: dict[str, Any] = item | {"later": {"of": ["any", 1]}}
    if item["sk"].startswith("membership#"):
        automation = item.get("automation")
        hibernating = {"count": 1, "at": item["updated_at"], "verdict": "adjourned"}
        later["attempts"] = item.get("attempts", {}) | {"hibernate": hibernating}
        later["status"] = "Hibernating"
        if "outcome" in item:
            later |= {"reason_code": "of-a-later-version", "reason": "its text"}
        else:
            later["due"] = "hibernate"
        if automation is not None:
            later["automation"] = automation | {"kind": "later"}
    if item["sk"] == "plan":
        plan = json.loads(item["plan"])
        accounts = range(len(plan["accounts"]))
        settled = {
            "outcome": "adjourned",
            "reason": "its text",
            "code": "of-a-later-version",
            "memberships": [[account, len(plan["targets"])] for account in accounts],
        }
        plan |= {
            "targets": [*plan["targets"], "later#eu-west-1"],
            "settled": [*plan["settled"], settled],
            "later": True,
        }
        later["plan"] = json.dumps(plan)
    return later


def _loop_afterwards(event: dict[str, Any]) -> dict[str, Any]:
    accounts = [each | {"later": 1} for each in event["accounts"]]
    return event | {"accounts": accounts, "later": {"of": ["any", 1]}}


# The first version; and a later one, which knows more words, fields and a service.
FIRST = Version(_item_before, _loop_before)
LATER = Version(_item_afterwards, _loop_afterwards)


def rewrite_table(site: Site, rewrite: Rewrite) -> None:
    """Let the items be as another version would have written them."""
    table = site.table
    table.replace([typed(rewrite(item)) for item in table.plain()])


def deploy_over(site: Site, version: Version) -> list[str]:
    """Let everything that is in flight be as another version has left it: the table at once, and
    the document of each target's loop when it is next passed on. Returns the steps that are given
    such a document, as they come.
    """
    rewrite_table(site, version.item)
    machines, given = site.machines, list[str]()
    former = {child for execution in _running(site) for child in _loops_of(execution)}
    invoke = machines._invoke

    def invoke_with(machine: str, step: str, event: Any, done: Any) -> object:
        target = event.get("target")
        if isinstance(target, dict):
            loop = f"{event['onboarding_id']} {target['service']} {target['region']}"
            if loop in former:
                former.remove(loop)
                given.append(step)
                return invoke(machine, step, version.loop(event), done)
        return invoke(machine, step, event, done)

    machines._invoke = invoke_with
    return given


def _running(site: Site) -> list[Execution]:
    return [each for each in site.machines.executions.values() if each.status == RUNNING]


def _loops_of(execution: Execution) -> list[str]:
    """The loops of an execution's targets that run, by the run's id, the service and the Region."""
    children = execution.children
    targets = [child.input["target"] for child in (children.running if children else ())]
    return [f"{execution.name} {each['service']} {each['region']}" for each in targets]
