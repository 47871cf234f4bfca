from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from infra.local.gateway.faults import CallTarget, Fault, FaultKind, Faults
from tests.support.in_process import local_client
from tests.unit.local.echo import EchoWorld

ACCOUNT = "111122223333"
REQUESTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "securityhub": ("list_members", {}, {}),
    "guardduty": ("list_detectors", {}, {"DetectorIds": []}),
    "detective": ("list_graphs", {}, {}),
    "organizations": ("list_accounts", {}, {}),
    "account": ("list_regions", {}, {}),
}


def target(region: str = "eu-west-1", operation: str = "GetMembers") -> CallTarget:
    return CallTarget("securityhub", region, operation, ACCOUNT)


def world_of(service: str) -> EchoWorld:
    method, _, answer = REQUESTS[service]
    return EchoWorld(service, {"".join(part.title() for part in method.split("_")): answer})


def call(world: EchoWorld, region: str = "eu-west-1") -> tuple[int, str | None]:
    """The status and error code the service's request is answered with."""
    name = world.service.name
    method, parameters, _ = REQUESTS[name]
    try:
        getattr(local_client(world.endpoint, name, ACCOUNT, region), method)(**parameters)
    except ClientError as error:
        status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status, error.response["Error"]["Code"]
    return 200, None


@pytest.mark.parametrize(
    ("service", "kind", "status", "code"),
    [
        ("securityhub", FaultKind.THROTTLING, 429, "LimitExceededException"),
        ("guardduty", FaultKind.THROTTLING, 429, "TooManyRequestsException"),
        ("detective", FaultKind.THROTTLING, 429, "TooManyRequestsException"),
        ("organizations", FaultKind.THROTTLING, 400, "TooManyRequestsException"),
        ("account", FaultKind.THROTTLING, 429, "TooManyRequestsException"),
        ("securityhub", FaultKind.SERVER_ERROR, 500, "InternalException"),
        ("guardduty", FaultKind.SERVER_ERROR, 500, "InternalServerErrorException"),
        ("detective", FaultKind.SERVER_ERROR, 500, "InternalServerException"),
        ("organizations", FaultKind.SERVER_ERROR, 500, "ServiceException"),
        ("account", FaultKind.SERVER_ERROR, 500, "InternalServerException"),
        ("securityhub", FaultKind.ACCESS_DENIED, 403, "AccessDeniedException"),
        ("guardduty", FaultKind.ACCESS_DENIED, 403, "AccessDeniedException"),
        ("detective", FaultKind.ACCESS_DENIED, 403, "AccessDeniedException"),
        ("organizations", FaultKind.ACCESS_DENIED, 400, "AccessDeniedException"),
        ("account", FaultKind.ACCESS_DENIED, 403, "AccessDeniedException"),
    ],
)
def test_each_service_fails_with_its_own_error_and_without_effect(
    service: str, kind: FaultKind, status: int, code: str
) -> None:
    world = world_of(service)
    world.faults.add(Fault(kind, times=1))

    assert call(world) == (status, code)
    assert world.service.asked == []
    assert call(world) == (200, None)


def test_a_call_can_take_effect_and_then_fail() -> None:
    world = world_of("securityhub")
    world.faults.add(Fault(FaultKind.EFFECT_THEN_ERROR, times=1))

    assert call(world) == (500, "InternalException")
    assert len(world.service.asked) == 1


def test_latency_holds_back_the_answer_and_not_the_effect() -> None:
    world = world_of("securityhub")
    world.faults.add(Fault(FaultKind.LATENCY, seconds=61))

    with pytest.raises(ReadTimeoutError):
        call(world)

    assert len(world.service.asked) == 1


def test_a_fault_strikes_only_what_it_names() -> None:
    world = world_of("securityhub")
    world.faults.add(
        Fault(FaultKind.SERVER_ERROR, "securityhub", "eu-west-1", "ListMembers", ACCOUNT)
    )

    assert call(world, "eu-west-1") == (500, "InternalException")
    assert call(world, "us-east-1") == (200, None)


@pytest.mark.parametrize(
    "other",
    [
        Fault(FaultKind.THROTTLING, service="guardduty"),
        Fault(FaultKind.THROTTLING, region="us-east-1"),
        Fault(FaultKind.THROTTLING, operation="CreateMembers"),
        Fault(FaultKind.THROTTLING, account_id="444455556666"),
    ],
)
def test_every_part_of_a_fault_has_to_match(other: Fault) -> None:
    assert not other.matches(target())


def test_times_are_counted_for_each_target_by_itself() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.THROTTLING, times=2))

    here = [faults.judge(target("eu-west-1")).error is not None for _ in range(3)]
    there = [faults.judge(target("us-east-1")).error is not None for _ in range(3)]

    assert here == there == [True, True, False]


def test_a_probability_strikes_alike_for_the_same_seed_in_any_order() -> None:
    def strikes(seed: int, regions: list[str]) -> dict[str, list[bool]]:
        faults = Faults(seed)
        faults.add(Fault(FaultKind.THROTTLING, probability=0.5))
        seen: dict[str, list[bool]] = {}
        for region in regions:
            struck = faults.judge(target(region)).error is not None
            seen.setdefault(region, []).append(struck)
        return seen

    one_by_one = strikes(1, ["eu-west-1"] * 50 + ["us-east-1"] * 50)

    assert one_by_one == strikes(1, ["us-east-1", "eu-west-1"] * 50)
    assert one_by_one != strikes(2, ["us-east-1", "eu-west-1"] * 50)
    assert {True, False} == set(one_by_one["eu-west-1"])


def test_faults_can_be_cleared() -> None:
    world = world_of("securityhub")
    world.faults.add(Fault(FaultKind.SERVER_ERROR))

    world.faults.clear()

    assert call(world) == (200, None)


def test_a_fault_is_read_from_json() -> None:
    document = {
        "kind": "latency",
        "service": "detective",
        "operation": "GetMembers",
        "probability": 0.25,
        "times": 3,
        "seconds": 1.5,
    }

    fault = Fault.from_json(document, REQUESTS)

    assert fault == Fault(
        FaultKind.LATENCY,
        "detective",
        operation="GetMembers",
        probability=0.25,
        times=3,
        seconds=1.5,
    )


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({}, "kind"),
        ({"kind": "mood"}, "kind"),
        ({"kind": "latency", "often": 1}, "often"),
        ({"kind": "latency", "service": "s3"}, "service"),
        ({"kind": "latency", "region": 1}, "region"),
        ({"kind": "latency", "probability": 2}, "probability"),
        ({"kind": "latency", "times": 1.5}, "times"),
        ({"kind": "latency", "times": True}, "times"),
        ({"kind": "latency", "seconds": -1}, "seconds"),
    ],
)
def test_a_bad_fault_is_refused_by_the_key_that_is_wrong(
    document: dict[str, Any], key: str
) -> None:
    with pytest.raises(ValueError, match=f"^{key}: "):
        Fault.from_json(document, REQUESTS)
