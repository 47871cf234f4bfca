from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.gateway.calls import CallLog
from infra.local.gateway.control import RESOURCES, Control
from infra.local.gateway.faults import CallTarget, FaultKind, Faults
from infra.local.wire.http import Request, Response
from tests.support.local_world import (
    ADMINISTRATOR,
    MANAGEMENT,
    MEMBER,
    OPT_IN_REGION,
    OUTSIDER,
    STRANGER,
    Lab,
)
from tests.unit.local.echo import EchoWorld

EVENT: dict[str, Any] = {
    "source": "aws.organizations",
    "detail-type": "AWS Service Event via CloudTrail",
    "account": "111122223333",
    "region": "us-east-1",
    "time": "2026-11-21T10:00:00Z",
    "detail": {},
}
ODD_EVENT: dict[str, Any] = {
    "source": None,
    "time": "yesterday",
    "detail": [],
    "resources": [1],
    "id": {},
}
TARGET = CallTarget("securityhub", "eu-west-1", "ListMembers", "111122223333")


class FactWorld(EchoWorld):
    """Facts are kept as they come; only ``add_account`` is known."""

    def __init__(self) -> None:
        super().__init__("securityhub", {"ListMembers": {}})
        self.facts: list[dict[str, Any]] = []

    def apply(self, command: dict[str, Any]) -> dict[str, Any]:
        if command.get("do") != "add_account":
            raise ValueError("do: add_account")
        self.facts.append(command)
        return {"added": command["id"]}

    def snapshot(self) -> dict[str, Any]:
        return {"facts": self.facts}

    def reset(self) -> None:
        self.facts.clear()


class Bench:
    """A Control, what it delivered and whether it reset the rest."""

    def __init__(self) -> None:
        self.world = FactWorld()
        self.delivered: list[tuple[str, str, str, dict[str, Any]]] = []
        self.resets = 0
        self.described = 0

        self.control = Control(
            self.world,
            self.world.clock,
            self.world.faults,
            self.world.calls,
            deliver=self.deliver,
            reset=self.reset,
            describe=self.describe,
        )

    def deliver(self, account: str, region: str, bus: str, event: dict[str, Any]) -> str:
        self.delivered.append((account, region, bus, event))
        return "event-1"

    async def reset(self) -> None:
        self.resets += 1

    def describe(self) -> None:
        assert self.world.facts == []
        self.described += 1

    def ask(self, method: str, resource: str, document: object = None) -> tuple[int, Any]:
        return ask(self.control, method, resource, document)

    def response(
        self, method: str, path: str, body: bytes = b"", accept: str = "application/json"
    ) -> Response:
        request = Request(method, path, headers={"accept": accept, "host": "aws:1"}, body=body)
        return asyncio.run(self.control.handle(request))


def ask(control: Control, method: str, resource: str, document: object = None) -> tuple[int, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"accept": "application/json"}
    request = Request(method, f"/_rollcall/{resource}", headers=headers, body=body)
    response = asyncio.run(control.handle(request))
    return response.status, json.loads(response.body)


def test_health() -> None:
    assert Bench().ask("GET", "health") == (200, {"status": "ok"})


def test_facts_go_to_the_world_and_its_state_comes_back() -> None:
    bench = Bench()
    command = {"do": "add_account", "id": "444455556666"}

    assert bench.ask("POST", "world", command) == (200, {"added": "444455556666"})
    assert bench.ask("GET", "state") == (200, {"facts": [command]})


def test_faults_are_switched_on_and_off() -> None:
    bench = Bench()

    status, answer = bench.ask("POST", "faults", {"kind": "throttling", "times": 1})

    assert status == 200
    assert answer["faults"][0]["kind"] == FaultKind.THROTTLING
    assert bench.world.faults.judge(TARGET).error is not None
    assert bench.ask("DELETE", "faults") == (200, {"faults": []})


def test_time_is_moved() -> None:
    bench = Bench()
    before = bench.ask("GET", "clock")[1]["now"]

    assert bench.ask("POST", "clock", {"advance": 90}) == (200, {"now": before + 90})


def test_an_event_is_put_on_the_bus_that_is_named() -> None:
    bench = Bench()
    event = EVENT

    answer = bench.ask(
        "POST", "events", {"account": "111122223333", "region": "us-east-1", "event": event}
    )

    assert answer == (200, {"event_id": "event-1"})
    assert bench.delivered == [("111122223333", "us-east-1", "default", event)]


def test_reset_forgets_everything() -> None:
    bench = Bench()
    bench.ask("POST", "world", {"do": "add_account", "id": "444455556666"})
    bench.ask("POST", "faults", {"kind": "throttling"})

    assert bench.ask("POST", "reset") == (200, {})

    assert (bench.resets, bench.described) == (1, 1)
    assert bench.ask("GET", "state") == (200, {"facts": []})
    assert bench.ask("GET", "faults") == (200, {"faults": []})
    assert bench.ask("GET", "calls") == (200, {"calls": []})


@pytest.mark.parametrize(
    ("resource", "document", "message"),
    [
        ("world", {"do": "anything"}, "do: add_account"),
        ("faults", {"kind": "mood"}, "kind: "),
        ("clock", {"advance": -1}, "advance: "),
        ("clock", {}, "advance: "),
        ("events", {"account": 1, "region": "eu-west-1", "event": {}}, "account, region, bus: "),
        ("events", {"account": "1", "region": "eu-west-1"}, "event: "),
        *(
            (
                "events",
                {"account": "1", "region": "r", "event": EVENT | {key: odd}},
                f"event: {key}",
            )
            for key, odd in ODD_EVENT.items()
        ),
        ("clock", b'{"advance": 1e999}', "advance: "),
        ("clock", b'{"advance": NaN}', "advance: "),
        ("clock", {"advance": 10**400}, "advance: "),
        ("clock", {"advance": 10**12}, "advance: "),
        ("faults", {"kind": "latency", "seconds": 10**400}, "seconds: "),
        ("faults", {"kind": ["throttling"]}, "kind: "),
        ("world", b'{"do":' + b"[" * 100_000, "body: "),
        ("world", b"\xff", "body: "),
        ("world", [], "body: "),
        ("world", b"{", "body: "),
    ],
)
def test_bad_input_is_refused_in_one_line(resource: str, document: object, message: str) -> None:
    status, answer = Bench().ask("POST", resource, document)

    assert status == 400
    assert answer["error"].startswith(message)


HUBS: dict[str, Any] = {"service": "securityhub", "account_id": MEMBER, "regions": ["eu-west-1"]}
FAULT: dict[str, Any] = {"service": "guardduty", "region": "*", "operation": "*", "account_id": "*"}
COMMANDS: dict[str, dict[str, Any]] = {
    "create_organization": {"management": OUTSIDER},
    "add_account": {
        "account_id": STRANGER,
        "organization": MANAGEMENT,
        "parent": "r-1",
        "joined": "CREATED",
        "email": "someone@example.com",
        "name": "Name",
        "state": "ACTIVE",
        "volume": "known",
        "accepts_after": 1,
        "regions": [OPT_IN_REGION],
        "tags": {"Key": "Value"},
    },
    "set_account": {"account_id": MEMBER, "accepts_after": {"*": 1}, "regions": []},
    "remove_account": {"account_id": MEMBER},
    "create_account": {"management": MANAGEMENT, "email": "a@example.com", "name": "a"},
    "add_unit": {"management": MANAGEMENT, "name": "unit", "parent": "r-1"},
    "trust": {"management": MANAGEMENT, "principal": "guardduty.amazonaws.com"},
    "enable": HUBS,
    "disable": HUBS,
    "designate": {**HUBS, "auto_enable": "NEW"},
    "invite": {**HUBS, "administrator": ADMINISTRATOR},
    "fail_association": {"management": MANAGEMENT, "account_id": MEMBER, "text": "why"},
    "set_timings": {"securityhub_enable": 1, "detective_recheck": None},
    "set_limits": {"guardduty": 1},
    "set_switches": {"securityhub_over_fifty": "cut"},
    "stale_reads": {"seconds": 1},
    "unprocess": {
        "service": "guardduty",
        "operation": "CreateMembers",
        "account_id": MEMBER,
        "text": "why",
        "times": 1,
        "region": "eu-west-1",
    },
    "process": {},
}
# One document of each kind, whose values are then replaced.
DOCUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("clock", {"advance": 1}),
    ("faults", {**FAULT, "kind": "latency", "probability": 1, "times": 1, "seconds": 1}),
    ("events", {"account": MANAGEMENT, "region": "us-east-1", "bus": "default", "event": EVENT}),
    *(("world", {"do": command, **arguments}) for command, arguments in COMMANDS.items()),
]
PLAUSIBLE: list[Any] = [
    *(MANAGEMENT, ADMINISTRATOR, MEMBER, OUTSIDER, "eu-west-1", ["eu-west-1"], [OPT_IN_REGION]),
    *("securityhub", "guardduty", "detective", "CreateMembers", "throttling", "latency", "NEW"),
    *("SUSPENDED", "known", 0, 1, 0.5, {"*": 1}, {"guardduty": None}, EVENT, "2026-11-21"),
]
ODD: list[Any] = [
    *(None, True, -1, 10**30, 10**400, 1e300, float("nan"), float("inf"), "", "\ud800", "\x00"),
    *([], [None], [[]], {}, {"": []}, {"*": {}}, {"x": {"y": []}}),
]
VALUES = st.one_of(st.sampled_from(ODD), st.sampled_from(PLAUSIBLE))


def changed(kind: tuple[str, dict[str, Any]]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    resource, document = kind
    keys = [key for key in document if key != "do"] or ["other"]
    replaced = st.dictionaries(st.sampled_from(keys), VALUES, max_size=2)
    return replaced.map(lambda values: (resource, document | values))


def test_every_command_is_among_the_documents() -> None:
    named = {document["do"] for resource, document in DOCUMENTS if resource == "world"}

    with pytest.raises(ValueError, match="do: one of ") as refused:
        Lab().world.apply({})

    assert named == set(str(refused.value).removeprefix("do: one of ").split(", "))


def a_control() -> Control:
    lab, bench = Lab(), Bench()
    return Control(
        lab.world,
        lab.clock,
        Faults(),
        CallLog(),
        deliver=bench.deliver,
        reset=bench.reset,
        describe=bench.describe,
    )


def assert_answered(control: Control, resource: str, document: dict[str, Any]) -> None:
    status, answer = ask(control, "POST", resource, document)
    assert status in (200, 400), answer
    assert status == 200 or answer["error"]
    for reading in ("state", "faults", "clock"):
        assert ask(control, "GET", reading)[0] == 200


@pytest.mark.parametrize(
    ("resource", "document"),
    DOCUMENTS,
    ids=[document.get("do", resource) for resource, document in DOCUMENTS],
)
def test_any_value_of_a_document_is_taken_or_refused(
    resource: str, document: dict[str, Any]
) -> None:
    for key in document.keys() - {"do"}:
        for value in (*ODD, *PLAUSIBLE):
            assert_answered(a_control(), resource, document | {key: value})


@settings(max_examples=50, deadline=None, derandomize=True)
@given(documents=st.lists(st.sampled_from(DOCUMENTS).flatmap(changed), min_size=5, max_size=12))
def test_documents_are_taken_or_refused_in_any_order(
    documents: list[tuple[str, dict[str, Any]]],
) -> None:
    control = a_control()
    for resource, document in documents:
        assert_answered(control, resource, document)


@pytest.mark.parametrize("resource", ["world", "nothing", "health/more"])
def test_no_such_resource(resource: str) -> None:
    status, answer = Bench().ask("GET", resource)

    assert status == 404
    assert answer["error"] == (
        f"GET /_rollcall/{resource}: no such resource; GET /_rollcall/ lists them"
    )


def test_the_requests_are_listed() -> None:
    listed = Bench().ask("GET", "")[1]["resources"]

    assert {"method": "GET", "path": "/_rollcall/health", "about": listed[1]["about"]} in listed
    assert [(one["method"], one["path"]) for one in listed] == [
        (one.method, f"/_rollcall/{one.path}") for one in RESOURCES
    ]
    assert all(one["about"] for one in listed)


@pytest.mark.parametrize("path", ["/_rollcall", "/_rollcall/"])
@pytest.mark.parametrize("accept", ["*/*", "text/html,*/*;q=0.8", ""])
def test_people_read_them_as_text(path: str, accept: str) -> None:
    response = Bench().response("GET", path, accept=accept)

    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    text = response.body.decode()
    assert "GET     /_rollcall/health" in text
    assert """curl -s http://aws:1/_rollcall/clock -d '{"advance": 3600}'""" in text
