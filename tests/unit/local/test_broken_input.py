"""Whatever a client sends, the answer is one that the service's model knows, and never a 500."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from botocore.model import ListShape, MapShape, StructureShape
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.gateway.calls import CallLog
from infra.local.gateway.endpoint import Endpoint
from infra.local.gateway.faults import Faults
from infra.local.wire.errors import COMMON_ERRORS
from infra.local.wire.http import Request
from infra.local.wire.models import is_rest, service_model
from tests.support.local_world import (
    ADMINISTRATOR,
    MANAGEMENT,
    MEMBER,
    OPT_IN_REGION,
    OTHER_MEMBER,
    OUTSIDER,
    REGION,
    STRANGER,
    Lab,
    email,
)

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

    from infra.local.wire.http import Response

# GuardDuty's documentation: "success without content" for an account without administrator.
WITHOUT_CONTENT = {"GetAdministratorAccount", "GetMasterAccount"}
HUB = f"arn:aws:securityhub:{REGION}:{ADMINISTRATOR}:hub/default"
CALLERS = (MANAGEMENT, ADMINISTRATOR, MEMBER, OUTSIDER, STRANGER)
EACH = [
    (name, operation)
    for name, service in Lab().world.services.items()
    for operation in service.operations
]
EXAMPLES = settings(max_examples=8, deadline=None, derandomize=True)

JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, "", " ", "x", "x" * 3000, "\x00", "\ud800", "ünïcode", "a/b?c=%zz"),
        *(0, -1, 10**30, 1.5, True, False),
        *([], [None], [""], [[]], ["x"] * 300, {}, {"x": None}, {"": ""}, {"Name": {}}),
    ]
)
BODIES = (b"", b"{", b"[]", b"null", b'"x"', b"1", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000)


@dataclass(frozen=True, slots=True)
class Served:
    """A world in which every service is in use, and whoever speaks for it."""

    lab: Lab
    endpoint: Endpoint
    calls: CallLog

    def send(self, account_id: str, region: str, service: str, request: Request) -> Response:
        scope = f"{account_id}/20261121/{region}/{service}/aws4_request"
        signed = {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"}
        return self.endpoint.handle(replace(request, headers={**request.headers, **signed}))


def served() -> Served:
    """Ids are made from a seed, so that every such world has the same."""
    lab = Lab()
    for service in ("securityhub", "guardduty", "detective"):
        lab.do("designate", service=service, account_id=ADMINISTRATOR, regions=[REGION])
    people = [{"AccountId": one, "Email": email(one)} for one in (MEMBER, OUTSIDER)]
    lab.actor("securityhub", OUTSIDER)("EnableSecurityHub")
    lab.actor("guardduty", OUTSIDER)("CreateDetector", Enable=True)
    lab.actor("securityhub", ADMINISTRATOR)("CreateMembers", AccountDetails=people)
    lab.actor("securityhub", ADMINISTRATOR)("InviteMembers", AccountIds=[OUTSIDER])
    administrator = lab.actor("guardduty", ADMINISTRATOR)
    [detector] = administrator("ListDetectors")["DetectorIds"]
    administrator("CreateMembers", DetectorId=detector, AccountDetails=people)
    administrator("InviteMembers", DetectorId=detector, AccountIds=[OUTSIDER])
    administrator = lab.actor("detective", ADMINISTRATOR)
    [graph] = administrator("ListGraphs")["GraphList"]
    people = [{"AccountId": one, "EmailAddress": email(one)} for one in (MEMBER, OUTSIDER)]
    administrator("CreateMembers", GraphArn=graph["Arn"], Accounts=people)
    administrator = lab.actor("securityhub", ADMINISTRATOR)
    administrator("CreateFindingAggregator", RegionLinkingMode="NO_REGIONS")
    administrator(
        "UpdateOrganizationConfiguration",
        AutoEnable=False,
        OrganizationConfiguration={"ConfigurationType": "CENTRAL"},
    )
    lab.pass_seconds(5)
    policy = administrator(
        "CreateConfigurationPolicy",
        Name="on",
        ConfigurationPolicy={"SecurityHub": {"ServiceEnabled": True}},
    )
    administrator(
        "StartConfigurationPolicyAssociation",
        ConfigurationPolicyIdentifier=policy["Id"],
        Target={"AccountId": OTHER_MEMBER},
    )
    lab.pass_seconds(5)
    calls = CallLog()
    return Served(lab, Endpoint(lab.world, lab.clock, Faults(), calls), calls)


@cache
def real_values() -> tuple[str, ...]:
    """Ids of what the world has, so that requests get past the lookup of what they name."""
    lab = served().lab
    guardduty = [lab.actor("guardduty", one) for one in (ADMINISTRATOR, MEMBER, OUTSIDER)]
    [graph] = lab.actor("detective", ADMINISTRATOR)("ListGraphs")["GraphList"]
    [root] = lab.actor("organizations", MANAGEMENT)("ListRoots")["Roots"]
    hubs = lab.actor("securityhub", ADMINISTRATOR)
    [aggregator] = hubs("ListFindingAggregators")["FindingAggregators"]
    [policy] = hubs("ListConfigurationPolicies")["ConfigurationPolicySummaries"]
    return (
        *(ADMINISTRATOR, MEMBER, OTHER_MEMBER, OUTSIDER, STRANGER),
        *(one("ListDetectors")["DetectorIds"][0] for one in guardduty),
        *(
            lab.actor(service, OUTSIDER)("ListInvitations")["Invitations"][0]["InvitationId"]
            for service in ("securityhub", "guardduty")
        ),
        graph["Arn"],
        root["Id"],
        aggregator["FindingAggregatorArn"],
        policy["Id"],
        HUB,
        "guardduty.amazonaws.com",
        OPT_IN_REGION,
    )


@cache
def values(shape: Shape, *, broken: bool) -> st.SearchStrategy[Any]:
    """JSON for ``shape``; where ``broken``, anything may stand in place of any part of it."""
    modelled = _modelled(shape, broken=broken)
    return st.one_of(modelled, modelled, JUNK) if broken else modelled


def _modelled(shape: Shape, *, broken: bool) -> st.SearchStrategy[Any]:
    if isinstance(shape, StructureShape):
        return st.deferred(lambda: _structures(shape, broken=broken))
    if isinstance(shape, ListShape):
        least = 0 if broken else shape.metadata.get("min", 0)
        item = values(shape.member, broken=broken)
        return st.lists(item, min_size=least, max_size=max(least, 2))
    if isinstance(shape, MapShape):
        keys = shape.key.metadata.get("enum") or ["Key", "a"]
        value = values(shape.value, broken=broken)
        least = 0 if broken else shape.metadata.get("min", 0)
        return st.dictionaries(st.sampled_from(keys), value, min_size=least, max_size=2)
    match shape.type_name:
        case "boolean":
            return st.booleans()
        case "integer" | "long":
            low = shape.metadata.get("min", 0)
            return st.integers(low, shape.metadata.get("max", low + 100))
        case "float" | "double":
            return st.sampled_from([0, 0.5, -3])
        case _:
            enum = shape.metadata.get("enum")
            return st.sampled_from(enum or (*real_values(), "a", "someone@example.com"))


def _structures(shape: StructureShape, *, broken: bool) -> st.SearchStrategy[Any]:
    """Required members, where ``broken`` without one of them at times, and a few of the others."""
    required = sorted(shape.required_members)
    others = sorted(shape.members.keys() - set(required))

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        more = draw(st.lists(st.sampled_from(others), max_size=3)) if others else []
        missing = draw(st.sampled_from([None, None, *required])) if broken else None
        return {
            name: draw(values(shape.members[name], broken=broken))
            for name in dict.fromkeys([*required, *more])
            if name != missing
        }

    return build()


def request_for(operation: OperationModel, parameters: Any) -> Request:
    """What a client without any checks of its own would send."""
    path, query, body = operation.http["requestUri"], list[tuple[str, str]](), parameters
    shape = operation.input_shape
    if shape is not None and isinstance(parameters, dict):
        body = {}
        for name, member in shape.members.items():
            key = member.serialization.get("name", name)
            value = parameters.get(name)
            match member.serialization.get("location"):
                case "uri":
                    text = quote(_text(value), safe="")
                    path = path.replace(f"{{{key}}}", text).replace(f"{{{key}+}}", text)
                case "querystring" if name in parameters:
                    each = value if isinstance(value, list) else [value]
                    query += [(key, _text(one)) for one in each]
                case None if name in parameters:
                    body[key] = _wire(member, value)
    target = f"{operation.service_model.metadata.get('targetPrefix')}.{operation.name}"
    return Request(
        operation.http["method"],
        path,
        urlencode(query),
        {"x-amz-target": target},
        json.dumps(body).encode(),
    )


def _wire(shape: Shape, value: Any) -> Any:
    """``value`` with its members under the names they have in a request."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = [(shape.members.get(name), name, one) for name, one in value.items()]
        return {
            name if member is None else member.serialization.get("name", name): (
                one if member is None else _wire(member, one)
            )
            for member, name, one in members
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_wire(shape.member, one) for one in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _wire(shape.value, one) for key, one in value.items()}
    return value


def _text(value: Any) -> str:
    plain = value if isinstance(value, str) else json.dumps(value)
    return plain.encode(errors="replace").decode()


def assert_modelled(served: Served, service: str, response: Response) -> None:
    """A common error, or what the answering operation's model lists."""
    call = served.calls.read()[-1]
    assert call.status == response.status < 500, response.body
    model = service_model(service)
    body = json.loads(response.body or b"{}")
    if call.error is None:
        assert call.operation is not None
        operation = model.operation_model(call.operation)
        assert response.status == operation.http.get("responseCode", 200)
        output = operation.output_shape
        if output is not None and call.operation not in WITHOUT_CONTENT:
            for name in output.required_members:
                assert output.members[name].serialization.get("name", name) in body
        return
    named = response.headers["x-amzn-ErrorType"] if is_rest(model) else body["__type"]
    assert named == call.error
    # What refuses input before the operation looks at it, its model need not list.
    errors = {*COMMON_ERRORS, served.lab.world.services[service].wording.malformed("").code}
    if call.operation is not None:
        errors |= {one.name for one in model.operation_model(call.operation).error_shapes}
    assert call.error in errors, (call.operation, call.error)


@pytest.mark.parametrize("broken", [False, True], ids=["modelled", "broken"])
@pytest.mark.parametrize(("service", "name"), EACH)
def test_any_input_has_a_modelled_answer(service: str, name: str, *, broken: bool) -> None:
    operation = service_model(service).operation_model(name)
    shape = operation.input_shape
    inputs = st.just({}) if shape is None else values(shape, broken=broken)

    @EXAMPLES
    @given(parameters=inputs, caller=st.sampled_from(CALLERS))
    def answered(parameters: Any, caller: str) -> None:
        world = served()

        response = world.send(caller, REGION, service, request_for(operation, parameters))

        assert_modelled(world, service, response)

    answered()


@settings(EXAMPLES, max_examples=25)
@given(data=st.data())
def test_any_order_of_calls_has_modelled_answers(data: st.DataObject) -> None:
    world = served()
    operations = data.draw(st.lists(st.sampled_from(EACH), min_size=10, max_size=25))
    for service, name in operations:
        operation = service_model(service).operation_model(name)
        shape = operation.input_shape
        parameters = {} if shape is None else data.draw(values(shape, broken=False))
        caller = data.draw(st.sampled_from(CALLERS))

        response = world.send(caller, REGION, service, request_for(operation, parameters))

        assert_modelled(world, service, response)
        world.lab.pass_seconds(1)


@pytest.mark.parametrize(
    ("service", "name", "parameters"),
    [
        ("securityhub", "GetMembers", {"AccountIds": [None]}),
        ("securityhub", "CreateMembers", {"AccountDetails": [None]}),
        ("securityhub", "TagResource", {"ResourceArn": HUB, "Tags": {"Key": None}}),
        ("securityhub", "GetFindings", {"Filters": {"SeverityNormalized": [{"Gte": "70"}]}}),
        ("securityhub", "GetFindings", {"Filters": {"SeverityNormalized": [{"Gte": True}]}}),
        ("guardduty", "CreateDetector", {"Enable": True, "Features": [{"Status": "ENABLED"}]}),
        ("guardduty", "DeclineInvitations", {"AccountIds": [None]}),
        ("detective", "CreateGraph", {"Tags": {"Key": None}}),
        ("organizations", "UntagResource", {"ResourceId": MEMBER, "TagKeys": [None]}),
        ("organizations", "ListAccounts", {"NextToken": "no token"}),
        ("account", "ListRegions", {"RegionOptStatusContains": [None]}),
    ],
)
def test_what_the_model_cannot_hold_is_refused(
    service: str, name: str, parameters: dict[str, Any]
) -> None:
    world = served()
    asked = request_for(service_model(service).operation_model(name), parameters)

    response = world.send(MANAGEMENT, REGION, service, asked)

    assert response.status == 400
    assert_modelled(world, service, response)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize(("service", "name"), dict(EACH).items())
def test_any_body_has_a_modelled_answer(service: str, name: str, body: bytes) -> None:
    asked = request_for(service_model(service).operation_model(name), {})
    world = served()

    response = world.send(ADMINISTRATOR, REGION, service, replace(asked, body=body))

    assert_modelled(world, service, response)


@pytest.mark.parametrize(
    ("service", "operation", "administrator"),
    [
        ("securityhub", "AcceptAdministratorInvitation", "AdministratorId"),
        ("securityhub", "AcceptInvitation", "MasterId"),
        ("guardduty", "AcceptAdministratorInvitation", "AdministratorId"),
        ("guardduty", "AcceptInvitation", "MasterId"),
    ],
)
def test_an_empty_administrator_has_invited_nobody(
    service: str, operation: str, administrator: str
) -> None:
    world = served()
    member = world.lab.actor(service, OUTSIDER)
    [invitation] = member("ListInvitations")["Invitations"]
    parameters = {administrator: "", "InvitationId": invitation["InvitationId"]}
    if service == "guardduty":
        [parameters["DetectorId"]] = member("ListDetectors")["DetectorIds"]
    asked = request_for(service_model(service).operation_model(operation), parameters)

    response = world.send(OUTSIDER, REGION, service, asked)

    assert response.status == 400
    assert_modelled(world, service, response)
    assert world.lab.status(service, OUTSIDER) == "Invited"
