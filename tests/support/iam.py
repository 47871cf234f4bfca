"""IAM, as far as Rollcall's templates use it: the roles of a template, and what they may do.

What is not read or evaluated here raises Unsupported, so that no statement is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.infra.support import a_list, resources, statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    # What stands for an intrinsic function: its kind (``Ref``, ``Arn``, ``Name``), and the logical
    # id or parameter it is about.
    Resolve = Callable[[str, str], str]
    Context = Mapping[str, str]

ANY = "*"
# Of the evaluation logic's conditions; all compare with one value of the request.
_OPERATORS = frozenset({"StringEquals", "ArnEquals", "ArnLike"})
_ELEMENTS = frozenset({"Action", "Condition", "Effect", "Principal", "Resource", "Sid"})


class Unsupported(Exception):
    """The policy has something that is not evaluated here."""


@dataclass(frozen=True, slots=True)
class Condition:
    """``key`` in lower case; it holds if the request's value matches one of ``values``."""

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """``principals`` are kinds and names, of a trust policy only."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...] = (ANY,)
    conditions: tuple[Condition, ...] = ()
    principals: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """A role with its inline and its attached policies, and who may assume it."""

    arn: str
    statements: tuple[Statement, ...]
    trust: tuple[Statement, ...]

    @property
    def actions(self) -> frozenset[str]:
        """Every action that it is allowed."""
        return frozenset(a for each in self.statements if each.allows for a in each.actions)

    @property
    def grants(self) -> frozenset[tuple[str, str]]:
        """Every action that it is allowed, with the resource as its statement has it."""
        return frozenset(
            (action, resource)
            for each in self.statements
            if each.allows
            for action in each.actions
            for resource in each.resources
        )

    def without(self, action: str) -> Role:
        """The same role, allowed everything but this action."""
        left = [
            replace(each, actions=tuple(a for a in each.actions if a != action))
            if each.allows
            else each
            for each in self.statements
        ]
        return replace(self, statements=tuple(left))

    def may(self, action: str, resource: str, context: Context | None = None) -> bool:
        """Whether its policies allow an action on a resource, an ARN or ``*`` for none."""
        return _decide(self.statements, action, resource, context or {})

    def trusts(self, principal: tuple[str, str], context: Context) -> bool:
        """Whether a principal may assume it: its kind (``AWS``, ``Service``), and its ARN or name.
        An account's ARN (``…:root``) in the policy names every principal of the account.
        """
        named = [
            each for each in self.trust if any(_is_named(principal, by) for by in each.principals)
        ]
        return _decide(named, "sts:AssumeRole", self.arn, context)


def read_statement(document: Mapping[str, Any], resolve: Resolve) -> Statement:
    """Raises Unsupported: it has an element or an operator that is not evaluated here."""
    unknown = document.keys() - _ELEMENTS
    if unknown or document["Effect"] not in ("Allow", "Deny"):
        raise Unsupported(f"{sorted(unknown)}, Effect {document['Effect']}")
    conditions = [
        Condition(operator, key.lower(), tuple(text(one, resolve) for one in a_list(value)))
        for operator, wanted in document.get("Condition", {}).items()
        for key, value in wanted.items()
    ]
    for condition in conditions:
        if condition.operator not in _OPERATORS:
            raise Unsupported(f"the condition {condition.operator}")
    named = document.get("Principal", {})
    if not isinstance(named, dict) or named.keys() - {"AWS", "Service"}:
        raise Unsupported(f"the principal {named}")
    return Statement(
        document["Effect"] == "Allow",
        tuple(a_list(document["Action"])),
        tuple(text(one, resolve) for one in a_list(document.get("Resource", ANY))),
        tuple(conditions),
        tuple((kind, text(one, resolve)) for kind, names in named.items() for one in a_list(names)),
    )


def roles_in(template: Mapping[str, Any], resolve: Resolve) -> dict[str, Role]:
    """Every role of a template by its logical id.

    Raises:
        Unsupported: one has a policy that is not in the template, or a permissions boundary.
    """
    return {
        name: _role(name, properties, template, resolve)
        for name, properties in resources(template, "AWS::IAM::Role").items()
    }


def _role(
    name: str, properties: Mapping[str, Any], template: Mapping[str, Any], resolve: Resolve
) -> Role:
    known = {"AssumeRolePolicyDocument", "Description", "Policies", "RoleName", "Tags"}
    if properties.keys() - known:
        raise Unsupported(f"{name} with {sorted(properties.keys() - known)}")
    inline = [
        statement
        for policy in properties.get("Policies", ())
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    attached = [
        statement
        for policy in resources(template, "AWS::IAM::ManagedPolicy").values()
        if {"Ref": name} in policy.get("Roles", ())
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    trust = properties["AssumeRolePolicyDocument"]["Statement"]
    return Role(
        resolve("Arn", name),
        tuple(
            read_statement(each, resolve)
            for each in (*inline, *attached, *statements(template, name))
        ),
        tuple(read_statement(each, resolve) for each in trust),
    )


def text(value: Any, resolve: Resolve) -> str:
    """An intrinsic function as the text it gives. Raises Unsupported."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return resolve("Ref", name)
        case {"Fn::GetAtt": [name, attribute]}:
            return resolve(attribute, name)
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(text(part, resolve) for part in parts)
        case {"Fn::Select": [index, {"Fn::Split": [separator, whole]}]}:
            return text(whole, resolve).split(separator)[int(index)]
        case {"Fn::Sub": str(pattern)}:
            return re.sub(r"\$\{([\w:]+)\}", lambda found: resolve("Ref", found[1]), pattern)
        case _:
            raise Unsupported(f"{value!r} is not a text")


def _decide(policy: Iterable[Statement], action: str, resource: str, context: Context) -> bool:
    """Nothing is allowed that no statement allows, or that one denies."""
    applying = [
        each
        for each in policy
        if any(_matches(pattern, action, ignoring_case=True) for pattern in each.actions)
        and any(_matches(pattern, resource) for pattern in each.resources)
        and all(_holds(condition, context) for condition in each.conditions)
    ]
    return bool(applying) and all(each.allows for each in applying)


def _holds(condition: Condition, context: Context) -> bool:
    """A key that the request does not have matches nothing."""
    value = {key.lower(): one for key, one in context.items()}.get(condition.key)
    if value is None:
        return False
    if condition.operator == "StringEquals":
        return value in condition.values
    return any(_matches_arn(pattern, value) for pattern in condition.values)


def _matches_arn(pattern: str, arn: str) -> bool:
    """Each of the six parts by itself (IAM user guide, "ARN condition operators")."""
    wanted, found = pattern.split(":", 5), arn.split(":", 5)
    return len(wanted) == len(found) and all(map(_matches, wanted, found))


def _is_named(principal: tuple[str, str], by: tuple[str, str]) -> bool:
    (kind, name), (kind_named, named) = principal, by
    account = re.fullmatch(r"arn:\w+:iam::(\d{12}):root", named)
    same = name == named or (account is not None and name.split(":")[4:5] == [account[1]])
    return kind == kind_named and same


def is_of(pattern: str, resource: str) -> bool:
    """Whether a statement with this resource is about that one."""
    return _matches(pattern, resource)


def _matches(pattern: str, value: str, *, ignoring_case: bool = False) -> bool:
    return _pattern(pattern, ignoring_case).fullmatch(value) is not None


@cache
def _pattern(pattern: str, ignoring_case: bool) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    written = "".join(parts.get(each, re.escape(each)) for each in pattern)
    return re.compile(written, re.IGNORECASE | re.DOTALL if ignoring_case else re.DOTALL)
