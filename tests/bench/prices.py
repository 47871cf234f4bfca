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

# Durations are not measured here. README.md ("Costs") assumes the same.
SECONDS = 0.4
GIGABYTES = 0.5


def dollars(cost: Cost) -> float:
    """The price of runs: state machine, functions and table; without logs and traces."""
    function = INVOCATION + SECONDS * GIGABYTES * GIGABYTE_SECOND
    table = cost.reads * READ_UNIT + cost.writes * WRITE_UNIT
    return cost.transitions * TRANSITION + cost.invocations * function + table
