"""Synthesising, and reading what came of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]

# What intrinsic functions stand for, as far as tests care.
PLACE = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::URLSuffix": "amazonaws.com",
}


def resources(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The properties of every resource of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def the(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The properties of the one resource of a type."""
    (properties,) = resources(template, kind).values()
    assert isinstance(properties, dict)
    return properties


def machine_of(template: Mapping[str, Any], output: str = "StateMachineArn") -> str:
    """The logical id of the state machine whose ARN is this output."""
    return text(template["Outputs"][output]["Value"])


def arrival_rules(template: Mapping[str, Any]) -> dict[str, Any]:
    """The rules for events that bring an account, by logical id."""
    rules = resources(template, "AWS::Events::Rule")
    return {k: v for k, v in rules.items() if v["EventPattern"]["source"] != ["aws.states"]}


def name_of(rule: Mapping[str, Any]) -> str:
    """The name of the event a rule is for."""
    pattern = rule["EventPattern"]
    (name,) = pattern["detail"].get("eventName") or pattern["detail-type"]
    return str(name)


def text(value: Any) -> str:
    """An intrinsic function as text; a logical id stands for whatever it refers to."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return PLACE.get(str(name), str(name))
        case {"Fn::GetAtt": [name, _]}:
            return str(name)
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(text(part) for part in parts)
        case {"Fn::Select": [index, {"Fn::Split": [_, whole]}]}:
            return f"{text(whole)}[{index}]"
        case _:
            raise AssertionError(f"not a text: {value!r}")


def steps(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The functions' properties, by the step's module."""
    return {
        properties["Handler"].split(".")[2]: properties
        for properties in resources(template, "AWS::Lambda::Function").values()
    }


def invoked(template: Mapping[str, Any], alias: str) -> str:
    """The module of the step that an alias, by its logical id, invokes."""
    properties = template["Resources"][alias]["Properties"]
    handler: str = template["Resources"][text(properties["FunctionName"])]["Properties"]["Handler"]
    return handler.split(".")[2]


def statements(template: Mapping[str, Any], role: str) -> Iterator[dict[str, Any]]:
    """What a role, by its logical id, is allowed."""
    for policy in resources(template, "AWS::IAM::Policy").values():
        if {"Ref": role} in policy["Roles"]:
            yield from policy["PolicyDocument"]["Statement"]


def a_list(value: Any) -> list[Any]:
    """IAM writes a list of one as its one item."""
    return value if isinstance(value, list) else [value]


def granted(template: Mapping[str, Any], role: str) -> dict[str, set[str]]:
    """The actions a role is allowed, by resource."""
    found: dict[str, set[str]] = {}
    for statement in statements(template, role):
        assert statement["Effect"] == "Allow"
        for resource in a_list(statement["Resource"]):
            found.setdefault(text(resource), set()).update(a_list(statement["Action"]))
    return found


def role_of(template: Mapping[str, Any], module: str) -> str:
    """The logical id of a step's role."""
    return text(steps(template)[module]["Role"])


def run_app(context: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the app as the CDK's command line does, with nothing to find credentials or a network."""
    node = shutil.which("node")
    assert node is not None
    nowhere = "http://127.0.0.1:9"
    return subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=ROOT,
        env={
            "CDK_CONTEXT_JSON": json.dumps(context),
            "CDK_OUTDIR": str(folder),
            "HOME": str(Path.home()),  # where jsii keeps its packages
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PATH": str(Path(node).parent),
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
            "JSII_DEPRECATED": "fail",
        },
        capture_output=True,
        text=True,
        check=False,
    )
