"""Measures everything, prints the tables and writes them to .build/bench.md.

``python -m tests.bench [NAME]…`` measures only what is named.
"""

from __future__ import annotations

import importlib
import io
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infra.asset import ROOT
from tests.bench.report import heading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.report import Table

MEASUREMENTS = ("runs", "bursts", "coverage", "cold_start", "asset", "backfill", "rest", "deployed")
RESULTS = ROOT / ".build" / "bench.md"


def main(names: list[str]) -> None:
    """Measure what is named, or everything."""
    if unknown := set(names) - set(MEASUREMENTS):
        sys.exit(f"{', '.join(sorted(unknown))}: takes any of {', '.join(MEASUREMENTS)}")
    # What a measurement has started is stopped as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    parts = [heading(datetime.now(UTC))]
    sys.stdout.write(parts[0] + "\n")
    for name in names or MEASUREMENTS:
        for table in _tables(name):
            parts.append(table.markdown())
            sys.stdout.write(parts[-1] + "\n")
            sys.stdout.flush()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(parts))
    sys.stdout.write(f"Written to {RESULTS.relative_to(ROOT)}\n")


def _tables(name: str) -> Sequence[Table]:
    # Steps log on the standard output, and the CDK's warnings are not about measurements.
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        tables: Sequence[Table] = importlib.import_module(f"tests.bench.{name}").measured()
    return tables


if __name__ == "__main__":
    main(sys.argv[1:])
