"""The wire as boto3 sees it: every request here is one boto3 made and signed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from infra.local.api import ServiceError
from infra.local.services import registry
from infra.local.wire.http import Request
from infra.local.wire.models import service_model
from infra.local.wire.routing import route
from infra.local.wire.serialising import ShapeMismatch
from tests.support.in_process import local_client
from tests.unit.local.echo import EchoWorld

ACCOUNT = "111122223333"
MEMBER = "444455556666"
GRAPH = f"arn:aws:detective:eu-west-1:{ACCOUNT}:graph:0123456789abcdef0123456789abcdef"
MOMENT = datetime(2026, 11, 21, 10, 30, 0, 123_000, tzinfo=UTC)

SERVICES = [service.name for service in registry.SERVICES]


def client(world: EchoWorld, **config: Any) -> Any:
    return local_client(world.endpoint, world.service.name, ACCOUNT, **config)


def refusal(world: EchoWorld, method: str, **parameters: Any) -> dict[str, Any]:
    """The error response to a call that boto3's own validation is not asked about."""
    with pytest.raises(ClientError) as caught:
        getattr(client(world, parameter_validation=False), method)(**parameters)
    response: dict[str, Any] = caught.value.response  # type: ignore[assignment]  # a TypedDict
    return response


def signed(method: str, path: str, body: bytes = b"", **headers: str) -> Request:
    scope = f"{ACCOUNT}/20261121/eu-west-1/{headers.pop('service', 'securityhub')}/aws4_request"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        method,
        path,
        headers={"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"} | named,
        body=body,
    )


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_of_every_model_is_found_by_its_own_request(service: str) -> None:
    model = service_model(service)
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = http["requestUri"].replace("+}", "}").replace("{", "_").replace("}", "_")
        target = f"{model.metadata.get('targetPrefix')}.{name}"
        found = route(service, Request(http["method"], path, headers={"x-amz-target": target}))
        assert found is not None
        assert found.operation.name == name


def test_the_caller_is_the_account_and_region_of_the_signature() -> None:
    world = EchoWorld("securityhub", {"ListMembers": {}})

    local_client(world.endpoint, "securityhub", ACCOUNT, "ap-southeast-2").list_members()

    caller = world.service.asked[0][0]
    assert (caller.account_id, caller.region) == (ACCOUNT, "ap-southeast-2")


def test_a_presigned_query_is_a_signature_too() -> None:
    world = EchoWorld("securityhub", {"ListMembers": {}})
    credential = f"{ACCOUNT}%2F20261121%2Feu-west-1%2Fsecurityhub%2Faws4_request"

    response = world.endpoint.handle(
        Request("GET", "/members", query=f"X-Amz-Credential={credential}")
    )

    assert response.status == 200


def test_query_parameters_have_the_types_of_the_model() -> None:
    world = EchoWorld("securityhub", {"ListMembers": {}})

    client(world).list_members(OnlyAssociated=False, MaxResults=2, NextToken="a b/c=")

    assert world.parameters == {"OnlyAssociated": False, "MaxResults": 2, "NextToken": "a b/c="}


def test_query_lists_keep_every_value() -> None:
    world = EchoWorld("detective", {"UntagResource": {}})

    client(world).untag_resource(ResourceArn=GRAPH, TagKeys=["one", "two+two/three="])

    assert world.parameters == {"ResourceArn": GRAPH, "TagKeys": ["one", "two+two/three="]}


def test_greedy_labels_take_whole_arns() -> None:
    world = EchoWorld("securityhub", {"DeleteInsight": {"InsightArn": "gone"}})
    arn = f"arn:aws:securityhub:eu-west-1:{ACCOUNT}:insight/{ACCOUNT}/custom/1"

    client(world).delete_insight(InsightArn=arn)

    assert world.parameters == {"InsightArn": arn}


def test_json_bodies_are_read_by_their_wire_names() -> None:
    world = EchoWorld("guardduty", {"CreateMembers": {"UnprocessedAccounts": []}})
    details = [{"AccountId": MEMBER, "Email": "member@example.com"}]

    answer = client(world).create_members(DetectorId="a" * 32, AccountDetails=details)

    assert world.parameters == {"DetectorId": "a" * 32, "AccountDetails": details}
    assert answer["UnprocessedAccounts"] == []


def test_json_targets_name_the_operation() -> None:
    account = {"Id": MEMBER, "Email": "member@example.com", "JoinedTimestamp": MOMENT}
    world = EchoWorld("organizations", {"DescribeAccount": {"Account": account}})

    answer = client(world).describe_account(AccountId=MEMBER)

    assert world.parameters == {"AccountId": MEMBER}
    assert answer["Account"] == account


def test_timestamps_take_the_form_the_shape_states() -> None:
    member = {"AccountId": MEMBER, "InvitedTime": MOMENT, "Status": "INVITED"}
    world = EchoWorld("detective", {"ListMembers": {"MemberDetails": [member]}})

    body = json.dumps({"GraphArn": GRAPH}).encode()

    raw = world.endpoint.handle(signed("POST", "/graph/members/list", body, service="detective"))

    assert json.loads(raw.body)["MemberDetails"][0]["InvitedTime"] == "2026-11-21T10:30:00.123Z"
    answer = client(world).list_members(GraphArn=GRAPH)
    assert answer["MemberDetails"][0]["InvitedTime"] == MOMENT


def test_unknown_members_are_ignored_and_null_is_absent() -> None:
    world = EchoWorld("securityhub", {"GetMembers": {}})
    body = json.dumps({"AccountIds": [MEMBER], "Unknown": 1, "Tags": None}).encode()

    response = world.endpoint.handle(signed("POST", "/members/get", body))

    assert response.status == 200
    assert world.parameters == {"AccountIds": [MEMBER]}


def test_results_leave_out_what_is_none() -> None:
    member = {"AccountId": MEMBER, "Email": None, "MemberStatus": "Created"}
    world = EchoWorld("securityhub", {"ListMembers": {"Members": [member], "NextToken": None}})

    answer = client(world).list_members()

    assert answer["Members"] == [{"AccountId": MEMBER, "MemberStatus": "Created"}]
    assert "NextToken" not in answer


@pytest.mark.parametrize(
    "result",
    [
        {"Member": []},
        {"Members": [{"Status": "Enabled"}]},
        {"Members": {}},
        {"Members": [{"AccountId": 444455556666}]},
        {"Members": [{"InvitedAt": "2026-11-21"}]},
    ],
)
def test_a_result_the_model_cannot_carry_is_a_programming_error(result: dict[str, Any]) -> None:
    world = EchoWorld("securityhub", {"ListMembers": result})

    with pytest.raises(ShapeMismatch):
        client(world).list_members()


def test_an_error_the_model_does_not_know_is_a_programming_error() -> None:
    world = EchoWorld("securityhub", {"ListMembers": ServiceError("NoSuchException", "what?")})

    with pytest.raises(ShapeMismatch, match="NoSuchException"):
        client(world).list_members()


@pytest.mark.parametrize(
    ("service", "method", "parameters", "error", "status", "extra"),
    [
        (
            "securityhub",
            "list_members",
            {},
            ServiceError("InvalidAccessException", "Account is not subscribed"),
            401,
            {"Code": "InvalidAccessException", "Message": "Account is not subscribed"},
        ),
        (
            "guardduty",
            "list_members",
            {"DetectorId": "a" * 32},
            ServiceError("BadRequestException", "rejected", Type="InvalidInputException"),
            400,
            {"Type": "InvalidInputException", "Message": "rejected"},
        ),
        (
            "guardduty",
            "list_members",
            {"DetectorId": "a" * 32},
            ServiceError("TooManyRequestsException", "slower"),
            429,
            {},
        ),
        (
            "detective",
            "list_members",
            {"GraphArn": GRAPH},
            ServiceError("ServiceQuotaExceededException", "1,200", Resources=["graph"]),
            402,
            {"Resources": ["graph"]},
        ),
        (
            "organizations",
            "list_accounts",
            {},
            ServiceError("AccessDeniedException", "no"),
            400,
            {"Message": "no"},
        ),
        ("organizations", "list_accounts", {}, ServiceError("ServiceException", "we"), 500, {}),
        ("account", "list_regions", {}, ServiceError("AccessDeniedException", "no"), 403, {}),
    ],
)
def test_errors_have_their_modelled_status_and_members(
    service: str,
    method: str,
    parameters: dict[str, Any],
    error: ServiceError,
    status: int,
    extra: dict[str, Any],
) -> None:
    operation = "".join(part.title() for part in method.split("_"))
    world = EchoWorld(service, {operation: error})

    response = refusal(world, method, **parameters)

    assert response["Error"]["Code"] == error.code
    assert response["Error"]["Message"] == error.message
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert extra.items() <= response.items()
    assert world.calls.read()[0].error == error.code


@pytest.mark.parametrize(
    ("service", "method", "parameters", "code", "message", "extra"),
    [
        (
            "securityhub",
            "accept_administrator_invitation",
            {"AdministratorId": ACCOUNT},
            "InvalidInputException",
            "1 validation error detected: Value null at 'invitationId' failed to satisfy "
            "constraint: Member must not be null",
            {},
        ),
        (
            "securityhub",
            "list_members",
            {"MaxResults": 51},
            "InvalidInputException",
            "1 validation error detected: Value '51' at 'maxResults' failed to satisfy "
            "constraint: Member must have value less than or equal to 50",
            {},
        ),
        (
            "securityhub",
            "get_members",
            {"AccountIds": ["  "]},
            "InvalidInputException",
            r"1 validation error detected: Value '  ' at 'accountIds.1.member' failed to satisfy "
            r"constraint: Member must satisfy regular expression pattern: .*\S.*",
            {},
        ),
        (
            "guardduty",
            "get_members",
            {"DetectorId": "a" * 32, "AccountIds": [MEMBER] * 51},
            "BadRequestException",
            "The request is rejected because the parameter accountIds has an invalid value.",
            {"Type": "InvalidInputException"},
        ),
        (
            "detective",
            "create_members",
            {"GraphArn": GRAPH, "Accounts": [{"AccountId": MEMBER, "EmailAddress": "nobody"}]},
            "ValidationException",
            None,
            {"ErrorCode": "INVALID_REQUEST_BODY"},
        ),
        (
            "detective",
            "list_members",
            {"GraphArn": "arn:aws:detective:nowhere"},
            "ValidationException",
            None,
            {"ErrorCode": "INVALID_GRAPH_ARN"},
        ),
        (
            "organizations",
            "describe_account",
            {"AccountId": "12"},
            "InvalidInputException",
            None,
            {"Reason": "INVALID_PATTERN"},
        ),
        (
            "account",
            "list_regions",
            {"RegionOptStatusContains": ["SOMETIMES"]},
            "ValidationException",
            None,
            {"reason": "fieldValidationFailed"},
        ),
    ],
)
def test_invalid_input_is_refused_as_the_service_refuses_it(
    service: str,
    method: str,
    parameters: dict[str, Any],
    code: str,
    message: str | None,
    extra: dict[str, Any],
) -> None:
    operation = "".join(part.title() for part in method.split("_"))
    world = EchoWorld(service, {operation: {}})

    response = refusal(world, method, **parameters)

    assert response["Error"]["Code"] == code
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert message in (None, response["Error"]["Message"])
    assert extra.items() <= response.items()
    assert world.service.asked == []


def test_sensitive_values_are_not_repeated() -> None:
    world = EchoWorld("detective", {"CreateMembers": {}})
    accounts = [{"AccountId": MEMBER, "EmailAddress": "nobody"}]

    response = refusal(world, "create_members", GraphArn=GRAPH, Accounts=accounts)

    assert "nobody" not in response["Error"]["Message"]


def test_only_what_the_model_states_is_demanded() -> None:
    world = EchoWorld("securityhub", {"GetMembers": {}})

    client(world).get_members(AccountIds=[MEMBER] * 51)

    assert len(world.parameters["AccountIds"]) == 51


@pytest.mark.parametrize(
    ("service", "method", "parameters", "code"),
    [
        ("securityhub", "get_members", {"AccountIds": [444455556666]}, "InvalidInputException"),
        ("securityhub", "get_members", {"AccountIds": MEMBER}, "InvalidInputException"),
        ("detective", "create_graph", {"Tags": ["a"]}, "ValidationException"),
        ("organizations", "describe_account", {"AccountId": 12}, "SerializationException"),
        ("account", "list_regions", {"MaxResults": "many"}, "ValidationException"),
    ],
)
def test_values_of_another_type_are_refused(
    service: str, method: str, parameters: dict[str, Any], code: str
) -> None:
    operation = "".join(part.title() for part in method.split("_"))
    world = EchoWorld(service, {operation: {}})
    model = service_model(service).operation_model(operation)
    target = f"{service_model(service).metadata.get('targetPrefix')}.{operation}"
    body = json.dumps(parameters).encode()

    response = world.endpoint.handle(
        signed(
            model.http["method"],
            model.http["requestUri"],
            body,
            service=service,
            x_amz_target=target,
        )
    )

    named = response.headers.get("x-amzn-ErrorType") or json.loads(response.body)["__type"]
    assert (response.status, named) == (400, code)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_bodies_that_are_no_json_object_are_refused(body: bytes) -> None:
    world = EchoWorld("securityhub", {"GetMembers": {}})

    response = world.endpoint.handle(signed("POST", "/members/get", body))

    assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, "InvalidInputException")


def test_an_operation_no_model_knows_is_unknown() -> None:
    world = EchoWorld("securityhub", {})

    response = world.endpoint.handle(signed("GET", "/no/such/path"))

    assert response.status == 404
    assert response.headers["x-amzn-ErrorType"] == "UnknownOperationException"


def test_an_operation_nobody_wrote_says_so() -> None:
    response = refusal(EchoWorld("securityhub", {}), "get_findings")

    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert response["Error"] == {
        "Code": "UnknownOperationException",
        "Message": "securityhub:GetFindings is not available on the local AWS",
    }


@pytest.mark.parametrize(
    ("service", "method", "status"),
    [("securityhub", "list_members", 403), ("organizations", "list_accounts", 400)],
)
def test_unsigned_requests_are_refused(service: str, method: str, status: int) -> None:
    world = EchoWorld(service, {})

    with pytest.raises(ClientError) as caught:
        getattr(client(world, signature_version=UNSIGNED), method)()

    assert caught.value.response["Error"]["Code"] == "MissingAuthenticationTokenException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_keys_of_no_account_are_refused() -> None:
    world = EchoWorld("securityhub", {"ListMembers": {}})

    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        local_client(world.endpoint, "securityhub", "ASIAUNKNOWN").list_members()


def test_requests_for_other_services_are_not_ours() -> None:
    world = EchoWorld("securityhub", {})

    assert not world.endpoint.owns(signed("GET", "/", service="s3"))
    assert not world.endpoint.owns(Request("GET", "/bucket/key", headers={"host": "127.0.0.1"}))


def test_calls_are_remembered_without_their_parameters() -> None:
    world = EchoWorld("securityhub", {"CreateMembers": {}})
    details = [{"AccountId": MEMBER, "Email": "member@example.com"}]

    client(world).create_members(AccountDetails=details)

    (call,) = world.calls.read()
    assert call.as_json() == {
        "at": world.clock.now(),
        "account_id": ACCOUNT,
        "region": "eu-west-1",
        "service": "securityhub",
        "operation": "CreateMembers",
        "status": 200,
        "error": None,
    }
    world.calls.clear()
    assert world.calls.read() == ()
