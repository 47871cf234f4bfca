"""What is around the steps in a simulation: their table, bucket, bus and topic in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from functions.aws.archive import Archive
from functions.aws.executions import Ended, Execution, Executions
from functions.aws.publisher import Publisher
from functions.steps.wiring import Wiring
from tests.support.memory_rows import ledger_on, reconciles_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from functions.aws.ledger import Ledger
    from functions.aws.reconciles import Reconciles
    from functions.aws.rows import Rows
    from tests.simulation.machine import StateMachines


class MemoryArchive(Archive):
    """A bucket that is a dictionary of JSON texts, by key; ``puts`` and ``gets`` are counted."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.puts = self.gets = 0

    def persist(self, key: str, document: Mapping[str, Any]) -> str:
        self.puts += 1
        self.texts[key] = json.dumps(document)
        return f"s3://results/{key}"

    def read(self, key: str) -> dict[str, Any] | None:
        self.gets += 1
        found: dict[str, Any] | None = json.loads(self.texts.get(key, "null"))
        return found


class Channels:
    """Clients of a bus and a topic; ``events`` are the documents on the bus, with their types."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.messages = 0

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.events += [(each["DetailType"], json.loads(each["Detail"])) for each in Entries]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": f"event-{len(self.events)}"}]}

    def publish(self, **_: object) -> dict[str, str]:
        self.messages += 1
        return {"MessageId": f"message-{self.messages}"}


class SimulatedExecutions(Executions):
    """The executions of simulated state machines."""

    def __init__(self, machines: StateMachines) -> None:
        self._machines = machines

    def ended(self, execution_arn: str) -> Ended | None:
        found = self._machines.executions.get(execution_arn)
        if found is None or found.ended_at is None:
            return None
        return Ended(found.status, found.ended_at)

    def is_over(self, execution_arn: str) -> bool:
        found = self._machines.executions.get(execution_arn)
        return found is None or found.ended_at is not None

    def unsuccessful(self, machine_arn: str, since: float) -> Iterator[Execution]:
        """None: it is about executions that could not be recorded."""
        return iter(())

    def start(self, machine_arn: str, name: str, document: Mapping[str, Any]) -> bool:
        return self._machines.start(machine_arn, name, document) is not None


@dataclass(frozen=True)
class SimulatedWiring(Wiring):
    """A wiring whose clients are paced already, and whose other parts are in memory."""

    rows: Rows
    bucket: MemoryArchive
    channels: Channels
    machines: StateMachines

    @property
    def paced(self) -> SimulatedWiring:
        return self

    @property
    def ledger(self) -> Ledger:
        return ledger_on(self.rows)

    @property
    def reconciles(self) -> Reconciles:
        return reconciles_on(self.rows)

    @property
    def archive(self) -> Archive:
        return self.bucket

    @property
    def publisher(self) -> Publisher:
        clients = cast("Any", self.channels)
        return Publisher(clients, clients, self.settings.bus, self.settings.topic)

    @property
    def executions(self) -> Executions:
        return SimulatedExecutions(self.machines)
