"""What CloudWatch makes of a metric: an alarm of a template, evaluated on data points."""

from __future__ import annotations

import json
import operator
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Point = tuple[float, float]
_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SampleCount": len,
    "Sum": sum,
    "Maximum": max,
}
_BREACHES: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
}
_MISSING = {"breaching": True, "notBreaching": False}


class PrintedMetrics(StringIO):
    """Stands in for standard output: keeps what is measured, in the embedded metric format.

    ``points`` are the data points of metrics without dimensions, by namespace and name: the time
    by ``now``, which the format's own time is not, and the value.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self.points: dict[tuple[str, str], list[Point]] = {}

    def write(self, text: str) -> int:
        if text.startswith('{"_aws"'):
            self._keep(json.loads(text))
        return len(text)

    def _keep(self, line: Mapping[str, Any]) -> None:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                if directive["Dimensions"] == [[]]:
                    name, values = metric["Name"], line[metric["Name"]]
                    points = self.points.setdefault((directive["Namespace"], name), [])
                    points += [(self._now(), value) for value in values]


def is_in_alarm(alarm: Mapping[str, Any], points: Iterable[Point], at: float) -> bool:
    """Whether a metric alarm is in ALARM at a time, in epoch seconds.

    ``alarm`` are its properties in a template, ``points`` those of its metric, also later ones.
    Periods are aligned; the one that ``at`` is in counts as far as it has data. (CloudWatch user
    guide, "Alarm evaluation". CloudWatch may retrieve more periods than are evaluated, and find
    data in them: then it is raised that much later.)
    """
    assert alarm["Period"] % 60 == 0
    values: dict[float, list[float]] = {}
    periods, newest = alarm["EvaluationPeriods"], at // alarm["Period"]
    for time, value in points:
        if time <= at:
            values.setdefault(time // alarm["Period"], []).append(value)
    statistic, breaches = _STATISTICS[alarm["Statistic"]], _BREACHES[alarm["ComparisonOperator"]]
    breaching = [
        breaches(statistic(values[period]), alarm["Threshold"])
        if period in values
        else _MISSING[alarm["TreatMissingData"]]
        for period in (newest - back for back in range(periods))
    ]
    least: int = alarm.get("DatapointsToAlarm", periods)
    return sum(breaching) >= least
