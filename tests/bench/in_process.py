"""Rollcall in this process and in virtual time, with a count of what a run costs."""

from __future__ import annotations

import json
import math
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from botocore.client import BaseClient
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField

from tests.conftest import definition_of, synthesised, template_in
from tests.support.made_once import interpret_cheaply, read_models_once
from tests.support.rollcall import rollcall
from tests.workflow.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from functions.enrolment.configuration import Configuration
    from infra.local.gateway.calls import Call
    from tests.support.rollcall import Rollcall

_DESERIALIZER = TypeDeserializer()
MEMBER_SERVICES = ("securityhub", "guardduty", "detective")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run, or several, took. ``calls`` are those of the member services, ``reads`` and
    ``writes`` estimated request units of the table."""

    calls: tuple[Call, ...]
    invocations: int
    transitions: int
    reads: float
    writes: float


class Meter:
    """Counts what runs cost."""

    def __init__(self, running: Rollcall) -> None:
        self._running = running
        self.entered = 0
        self.reads = 0.0
        self.writes = 0.0

    def take(self) -> Cost:
        """What was counted since the last time, or since the beginning."""
        calls = tuple(c for c in self._running.calls.read() if c.service in MEMBER_SERVICES)
        cost = Cost(calls, len(self._running.invoked), self.entered, self.reads, self.writes)
        self._running.calls.clear()
        self._running.invoked.clear()
        self.entered, self.reads, self.writes = 0, 0.0, 0.0
        return cost

    def request(self, operation: str, parameters: Mapping[str, Any]) -> None:
        """Count a request to the table: a unit for 1 KB written, and for an item or query read.

        An item in a transaction takes two. An update is counted as 1 KB.
        """
        match operation:
            case "TransactWriteItems":
                puts = [each["Put"] for each in parameters["TransactItems"]]
                self.writes += sum(2 * _kilobytes(put["Item"]) for put in puts)
            case "BatchWriteItem":
                for requests in parameters["RequestItems"].values():
                    self.writes += sum(_kilobytes(r["PutRequest"]["Item"]) for r in requests)
            case "PutItem":
                self.writes += _kilobytes(parameters["Item"])
            case "UpdateItem":
                self.writes += 1
            case "BatchGetItem":
                self.reads += sum(len(r["Keys"]) for r in parameters["RequestItems"].values())
            case "GetItem" | "Query":
                self.reads += 1
            case _:
                raise AssertionError(f"{operation} is not counted")


@contextmanager
def metered(
    configuration: Configuration, roles: Mapping[str, str] | None = None
) -> Iterator[tuple[Rollcall, Meter]]:
    """Rollcall, with the organisation founded, and its meter.

    ``roles`` are the member accounts with a member role, and its ARN.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Rollcall")
        read_models_once(patch)
        interpret_cheaply(patch)
        definition = _definition()
        with rollcall(definition, configuration, patch, dict(roles or {})) as running:
            in_virtual_time(running, patch)
            running.found_organization()
            meter = Meter(running)
            _count(meter, patch)
            running.calls.clear()
            yield running, meter


def _count(meter: Meter, patch: pytest.MonkeyPatch) -> None:
    call: Any = BaseClient._make_api_call  # type: ignore[attr-defined]  # the stubs leave it out
    enter: Any = CommonStateField._eval_body

    def called(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name == "dynamodb":
            meter.request(operation, parameters)
        return call(client, operation, parameters)

    def entered(state: CommonStateField, env: Any) -> None:
        meter.entered += 1
        enter(state, env)

    patch.setattr(BaseClient, "_make_api_call", called)
    patch.setattr(CommonStateField, "_eval_body", entered)


@cache
def _definition() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return definition_of(template_in(synthesised(Path(folder))))


def _kilobytes(item: Mapping[str, Any]) -> int:
    plain = {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
    return math.ceil(len(json.dumps(plain, default=str)) / 1024)
