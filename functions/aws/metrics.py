"""Metrics of the steps, as lines of CloudWatch's embedded metric format in the log.

Every name with every value of its dimensions is a metric that AWS bills: no account ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

if TYPE_CHECKING:
    from collections.abc import Sequence

# Powertools writes a line of its own accord when it has 100 values, the most that a line may have.
_MOST_VALUES = 99

# Of a service: its memberships that are Enabled, and those that are to be.
ENABLED, TO_BE_ENABLED = "Enabled", "ToBeEnabled"
# Of a reason code: its gaps.
GAPS = "Gaps"
OLD_GAPS = "OldGaps"
COVERAGE_FELL = "CoverageFell"
# Of an outcome: memberships, and runs.
MEMBERSHIPS, RUNS = "Memberships", "Runs"
# Of a service: how long each membership took that a run enabled.
TIME_TO_ENABLED = "TimeToEnabled"
THROTTLED_STEPS = "ThrottledSteps"


def measure(
    name: str, *values: float, unit: MetricUnit = MetricUnit.Count, **dimensions: str
) -> None:
    """Write the values of one metric; nothing if there are none.

    The namespace is that of the environment (``POWERTOOLS_METRICS_NAMESPACE``).
    """
    for some in _lines(values):
        metrics = EphemeralMetrics()
        for dimension, value in dimensions.items():
            metrics.add_dimension(dimension, value)
        for each in some:
            metrics.add_metric(name, unit, each)
        metrics.flush_metrics()


def _lines(values: Sequence[float]) -> list[Sequence[float]]:
    return [values[start : start + _MOST_VALUES] for start in range(0, len(values), _MOST_VALUES)]
