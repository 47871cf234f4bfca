"""List prices of us-east-1 in US dollars, from AWS's price pages; entered on 2026-11-22."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.in_process import Cost

# https://aws.amazon.com/step-functions/pricing/ (Standard)
TRANSITION = 25 / 1e6
# https://aws.amazon.com/lambda/pricing/ (Arm)
INVOCATION = 0.20 / 1e6
GIGABYTE_SECOND = 0.0000133334
# https://aws.amazon.com/dynamodb/pricing/on-demand/ (since November 2024)
WRITE_UNIT = 0.625 / 1e6
READ_UNIT = 0.125 / 1e6
# A GB and month: the table, and its point-in-time recovery.
TABLE_STORAGE = 0.25 + 0.20
# https://aws.amazon.com/s3/pricing/ (Standard)
PUT, GET = 5 / 1e6, 0.40 / 1e6
BUCKET_STORAGE = 0.023
# https://aws.amazon.com/eventbridge/pricing/: a custom event, for each 64 KB, and an invocation of
# EventBridge Scheduler
EVENT = SCHEDULED = 1.00 / 1e6
# https://aws.amazon.com/sns/pricing/: a request, for each 64 KB; without deliveries
MESSAGE = 0.50 / 1e6
# https://aws.amazon.com/cloudwatch/pricing/, each month. A metric is billed for the hours in which
# it has a value. Three dashboards of an account are free.
METRIC, ALARM, DASHBOARD = 0.30, 0.10, 3.00
# https://aws.amazon.com/kms/pricing/, each month
KEY = 1.00

# Durations are not measured here. README.md ("Costs") assumes the same.
SECONDS = 0.4
GIGABYTES = 0.5


def dollars(cost: Cost) -> float:
    """The price of runs: state machine, functions and table; without logs and traces."""
    function = INVOCATION + SECONDS * GIGABYTES * GIGABYTE_SECOND
    table = cost.reads * READ_UNIT + cost.writes * WRITE_UNIT
    return cost.transitions * TRANSITION + cost.invocations * function + table
