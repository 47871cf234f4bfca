"""What the daily reconcile costs in a month in which it finds nothing to do."""

from __future__ import annotations

import importlib
import io
import json
import math
import re
import time
from collections import Counter
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.awsrequest import AWSResponse, HeadersDict

from functions.aws.archive import RECONCILES, SURVEY_DAYS, SURVEYS
from functions.aws.pacing import Pacing
from functions.aws.rows import Rows, to_dynamodb
from functions.enrolment.account import MOST_ACCOUNTS
from functions.steps import wiring
from infra.constructs.reconcile_schedule import INPUT
from infra.constructs.results_bucket import RETENTION_DAYS
from infra.local.gateway.endpoint import Endpoint
from tests.bench import prices
from tests.bench.backfill import CONFIGURATION, TARGETS, TEMPLATE, organisation, template_made
from tests.bench.report import Table, number
from tests.simulation.rollcall import ONBOARDING, RECONCILE
from tests.support.builders import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from botocore.awsrequest import AWSPreparedRequest

    from functions.aws.rows import Item
    from functions.enrolment.account import AccountId
    from infra.local.wire.http import Request, Response
    from tests.bench.backfill import CountedRows
    from tests.simulation.rollcall import SimulatedRollcall

SIZES = (50, 500, 10_000)
DAYS = 30
_ABOUT = f"{len(CONFIGURATION.services)} services x {len(CONFIGURATION.regions)} Regions"
_DAY, _ENABLING_SECONDS = 24 * 3600, 60
_RUN = "run-of-fifty"
# Assumed: the time in which a service answers, and the beginning and end of an invocation.
_ANSWER_SECONDS, _INVOCATION_SECONDS = 0.1, prices.SECONDS
# EventBridge and SNS bill each 64 KB.
_PART = 64 * 1024
_GIGABYTE = 1024**3
# DynamoDB bills these bytes of each stored item, too (developer guide, "Item sizes and formats").
_ITEM_OVERHEAD = 100
_SAMPLE = 2_000


@dataclass(frozen=True, slots=True)
class Rest:
    """One reconcile that finds nothing to do.

    Seconds of its functions: ``waited`` for rates and answers, ``processor`` at work on this
    machine, ``parsing`` the table's rows, which the simulation leaves out. Bytes: ``table`` as
    stored, ``results`` and ``surveys`` the documents that it adds to the bucket. ``messages`` are
    billed parts of its event and of its message. ``metrics`` are the billed ones that it writes.
    """

    calls: int
    transitions: int
    invocations: int
    waited: float
    processor: float
    parsing: float
    gigabyte_seconds: float
    reads: float
    writes: float
    puts: int
    gets: int
    messages: int
    metrics: int
    table: int
    results: int
    surveys: int

    @property
    def a_day(self) -> float:
        """Dollars for the reconcile."""
        return (
            self.transitions * prices.TRANSITION
            + self.invocations * prices.INVOCATION
            + self.gigabyte_seconds * prices.GIGABYTE_SECOND
            + self.reads * prices.READ_UNIT
            + self.writes * prices.WRITE_UNIT
            + self.puts * prices.PUT
            + self.gets * prices.GET
            + self.messages * (prices.EVENT + prices.MESSAGE)
            + prices.SCHEDULED
        )

    @property
    def storage(self) -> float:
        """Dollars a month for what is stored, once the oldest documents expire."""
        documents = self.results * RETENTION_DAYS + self.surveys * SURVEY_DAYS
        bill = self.table * prices.TABLE_STORAGE + documents * prices.BUCKET_STORAGE
        return bill / _GIGABYTE

    @property
    def measuring(self) -> float:
        """Dollars a month for the metrics: each has a value in one hour of a day."""
        return self.metrics * prices.METRIC / 24


def measured() -> Sequence[Table]:
    """Each size in an organisation of its own."""
    TEMPLATE.write_text(json.dumps(template_made()))
    found = {}
    for size in SIZES:
        with organisation(size) as (running, rows):
            _enrol(running, rows)
            found[size] = _reconciled(running, rows)
    return _counts(found), _dollars(found)


def _enrol(running: SimulatedRollcall, rows: CountedRows) -> None:
    """Make every account a member everywhere, as if runs of 50 accounts had done it.

    One run does it for 50 accounts. For each further 50, members are created at the services, and
    the table gets the rows of that run, with these accounts.
    """
    wired = wiring.wiring()
    emails = {each.id: each.email for each in wired.directory.accounts()}
    accounts = sorted(emails.keys() - {ADMINISTRATOR})
    first, *others = [
        accounts[start : start + MOST_ACCOUNTS] for start in range(0, len(accounts), MOST_ACCOUNTS)
    ]
    execution = running.run({"accounts": [{"id": each} for each in first]}, _RUN, ONBOARDING)
    if execution.status != "SUCCEEDED":
        raise AssertionError(f"{execution.status}: {execution.error}: {execution.cause}")
    for target in filter(CONFIGURATION.is_offered, CONFIGURATION.targets):
        service = wired.service(target)
        resource = service.administrator_resource()
        for some in others:
            service.create(resource, {each: emails[each] for each in some})
        # They are enabled before the next is begun, which takes the local services less work.
        running.clock.advance(_ENABLING_SECONDS)
    of_one_run = dict(rows.items)
    for index, some in enumerate(others):
        rows.items |= _of_others(of_one_run, first, some, f"{_RUN}-{index}")
    recorded = sum(pk.startswith("account#") for pk, _ in rows.items)
    if recorded != len(accounts) * TARGETS:
        raise AssertionError(f"{recorded} rows instead of {len(accounts) * TARGETS}")


def _of_others(
    items: Mapping[tuple[str, str], str],
    accounts: Sequence[AccountId],
    others: Sequence[AccountId],
    run: str,
) -> dict[tuple[str, str], str]:
    """The rows of a run, with other accounts in the place of its own, which may be more."""
    names: dict[str, str] = {_RUN: run, **dict(zip(accounts, others, strict=False))}
    left_out = {f"account#{each}" for each in accounts[len(others) :]}
    pattern = re.compile("|".join(names))

    def renamed(text: str) -> str:
        return pattern.sub(lambda found: names[found[0]], text)

    return {
        (renamed(pk), renamed(sk)): renamed(text)
        for (pk, sk), text in items.items()
        if pk not in left_out
    }


def _reconciled(running: SimulatedRollcall, rows: CountedRows) -> Rest:
    """Run the reconcile of the next day, and count."""
    running.clock.advance(_DAY)
    # The first call finds what has happened at the services meanwhile.
    wiring.wiring().directory.organization()
    running.calls.clear()
    bucket, channels, before = running.archive, running.channels, dict(running.archive.texts)
    puts, gets, transitions = bucket.puts, bucket.gets, running.machines.transitions
    reads, writes, events = rows.reads, rows.writes, len(channels.events)
    functions = _Functions(running)
    with redirect_stdout(io.StringIO()) as printed, _answering(running, functions):
        execution = running.run(INPUT, "daily", RECONCILE)
    if execution.status != "SUCCEEDED":
        raise AssertionError(f"{execution.status}: {execution.error}: {execution.cause}")
    ((_, result),) = channels.events[events:]
    if result["runs"] or result["gaps_left"]:
        raise AssertionError(f"{result['outcome']}: {result['gaps_left']} gaps")
    parsing = _seconds_to_parse(rows)
    memory = _memory("survey_organization")
    stored = {key: len(text) for key, text in bucket.texts.items() if key not in before}
    return Rest(
        calls=len(tuple(running.calls.read())),
        transitions=running.machines.transitions - transitions,
        invocations=functions.invocations,
        waited=functions.waited,
        processor=functions.processor,
        parsing=parsing,
        gigabyte_seconds=functions.gigabyte_seconds + parsing * memory,
        reads=rows.reads - reads,
        writes=rows.writes - writes,
        puts=bucket.puts - puts,
        gets=bucket.gets - gets,
        messages=math.ceil(len(json.dumps(result)) / _PART),
        metrics=_metrics(printed.getvalue()),
        table=rows.bytes() + len(rows.items) * _ITEM_OVERHEAD,
        results=sum(size for key, size in stored.items() if key.startswith(RECONCILES)),
        surveys=sum(size for key, size in stored.items() if key.startswith(SURVEYS)),
    )


class _Functions:
    """Counts the seconds of the functions that are invoked from now on."""

    def __init__(self, running: SimulatedRollcall) -> None:
        self.invocations = 0
        self.waited = self.processor = self.gigabyte_seconds = 0.0
        self._began = 0.0
        running.functions.on_invoke, running.functions.on_return = self._invoked, self._returned

    def _invoked(self, _: str, __: object) -> None:
        self.invocations += 1
        self._began = time.process_time()

    def leave_out(self, seconds: float) -> None:
        """What runs now has been at work for so many seconds less."""
        self._began += seconds

    def _returned(self, step: str, waited: float) -> None:
        worked = time.process_time() - self._began
        self.waited += waited
        self.processor += worked
        self.gigabyte_seconds += (_INVOCATION_SECONDS + waited + worked) * _memory(step)


def _memory(step: str) -> float:
    """The gigabytes of a step's function."""
    megabytes: int = importlib.import_module(f"functions.steps.{step}").NEEDS.memory
    return megabytes / 1024


@contextmanager
def _answering(running: SimulatedRollcall, functions: _Functions) -> Iterator[None]:
    """Answers take time, and what the local services do for them is no work of a function."""
    wait, handle = Pacing.wait, Endpoint.handle

    def waited(pacing: Pacing, service: str, operation: str, region: str) -> None:
        wait(pacing, service, operation, region)
        running.clock.advance(_ANSWER_SECONDS)

    def handled(endpoint: Endpoint, request: Request) -> Response:
        began = time.process_time()
        response = handle(endpoint, request)
        functions.leave_out(time.process_time() - began)
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pacing, "wait", waited)
        patch.setattr(Endpoint, "handle", handled)
        yield


def _metrics(printed: str) -> int:
    """How many metrics the lines of the embedded metric format have: names with dimensions."""
    found = set()
    for line in printed.splitlines():
        values = json.loads(line)
        for directive in values["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = tuple((name, values[name]) for name in sorted(names))
                found |= {(each["Name"], dimensions) for each in directive["Metrics"]}
    return len(found)


def _seconds_to_parse(rows: CountedRows) -> float:
    """Processor time for boto3 to parse a scan of the table, from a sample of its items."""
    items = [json.loads(text) for text in islice(rows.items.values(), _SAMPLE)]
    client = boto3.client(
        "dynamodb",
        region_name="eu-west-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",  # noqa: S106  # nothing is sent
    )
    page = _Page(items)
    client.meta.events.register("before-send", page.answer)
    table = Rows(client, "table")
    began = time.process_time()
    read = sum(1 for _ in table.scan(0, 1, ""))
    return (time.process_time() - began) / read * len(rows.items)


class _Page:
    """The answer of a scan that has one page."""

    def __init__(self, items: Sequence[Item]) -> None:
        serialise = TypeSerializer().serialize
        typed = [{name: serialise(to_dynamodb(v)) for name, v in item.items()} for item in items]
        self._body = json.dumps({"Items": typed, "Count": len(typed)}).encode()

    def answer(self, request: AWSPreparedRequest, **_: object) -> Any:
        return AWSResponse(request.url, 200, HeadersDict(), self)  # type: ignore[arg-type]  # as much of a response as is read

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._body


def _counts(found: Mapping[int, Rest]) -> Table:
    return Table(
        f"A daily reconcile with nothing to do, {_ABOUT}",
        (
            "accounts",
            "accounts and targets",
            "service calls",
            "transitions",
            "invocations",
            "seconds waited",
            "seconds at work",
            "of them parsing rows",
            "GB-seconds",
            "read units",
            "write units",
            "puts and gets of the bucket",
            "metrics",
            "table, MB",
            "documents, KB",
        ),
        [
            (
                f"{size:,}",
                f"{size * TARGETS:,}",
                f"{each.calls:,}",
                f"{each.transitions:,}",
                f"{each.invocations:,}",
                number(each.waited),
                number(each.processor + each.parsing),
                number(each.parsing),
                number(each.gigabyte_seconds),
                f"{each.reads:,.0f}",
                f"{each.writes:,.0f}",
                f"{each.puts} and {each.gets}",
                str(each.metrics),
                number(each.table / 1e6),
                number((each.results + each.surveys) / 1e3),
            )
            for size, each in found.items()
        ],
        (
            "Every account is Enabled everywhere, and the table has the rows that a run of 50 "
            "accounts left, with other accounts for every further 50. In one Region Detective is "
            "not offered. Detective allows 1,200 members of a behavior graph; the local one here "
            "allows as many as there are accounts.",
            "Service calls are those of the member services and Organizations, for which AWS takes "
            f"no money. Waited: virtual time, for rates and {_ANSWER_SECONDS} s for an answer "
            "(assumed). At work: processor time of this machine, with what boto3 takes for the "
            "table's rows, measured with a sample. A function is billed for both, one after the "
            f"other, with its own memory, and {_INVOCATION_SECONDS} s (assumed).",
            "Units of the table are estimated from the items as JSON; the scan is eventually "
            f"consistent. The table's size has {_ITEM_OVERHEAD} bytes for each item.",
        ),
    )


def _dollars(found: Mapping[int, Rest]) -> Table:
    kinds = Counter(each["Type"] for each in template_made()["Resources"].values())
    alarms, keys = kinds["AWS::CloudWatch::Alarm"], kinds["AWS::KMS::Key"]
    fixed = alarms * prices.ALARM + keys * prices.KEY
    return Table(
        f"Dollars a month at rest, {_ABOUT}",
        (
            "accounts",
            "accounts and targets",
            "reconciles",
            "of them functions",
            "of them reading the table",
            "storage",
            "metrics",
            "alarms and key",
            "together",
        ),
        [
            (
                f"{size:,}",
                f"{size * TARGETS:,}",
                f"{DAYS * each.a_day:.3f}",
                f"{DAYS * each.gigabyte_seconds * prices.GIGABYTE_SECOND:.3f}",
                f"{DAYS * each.reads * prices.READ_UNIT:.3f}",
                f"{each.storage:.3f}",
                f"{each.measuring:.2f}",
                f"{fixed:.2f}",
                f"{DAYS * each.a_day + each.storage + each.measuring + fixed:.2f}",
            )
            for size, each in found.items()
        ],
        (
            f"{DAYS} reconciles, prices of us-east-1 (tests/bench/prices.py), without free tiers, "
            "logs, traces and deliveries of messages.",
            f"Storage: the table with its point-in-time recovery, {RETENTION_DAYS} days of results "
            f"and {SURVEY_DAYS} days of surveys. A metric is billed for the hours in which it has "
            "a value, one of a day.",
            f"The stack Rollcall has {alarms} alarms and {keys} key. Not counted: the stacks that "
            f"forward events, and ${prices.DASHBOARD:.2f} for the dashboard if the account has "
            "three others.",
        ),
    )
