"""How long a step takes to start: the time of the processor until its first client is made."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from infra.asset import ROOT, staged_asset
from tests.bench.report import Table
from tests.support.builders import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIMES = 7
GOAL = 1.15
_BOTO3 = "import boto3; boto3.client('dynamodb')"
_STEP = "from functions.start import {}; from functions.steps.wiring import wiring; wiring().ledger"
_PROGRAM = "import time; start = time.process_time(); {}; print(time.process_time() - start)"
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "POWERTOOLS_METRICS_NAMESPACE": "Rollcall",
    "ROLLCALL_ADMINISTRATOR": ADMINISTRATOR,
    "ROLLCALL_CONFIGURATION": json.dumps({"regions": ["eu-west-1", "us-east-1"]}),
    "ROLLCALL_PARTITION": "aws",
    "ROLLCALL_TABLE": "rollcall",
}


def measured() -> Sequence[Table]:
    """Every step beside boto3, one after the other in each round, so that both had the same
    machine."""
    asset = staged_asset()
    steps = sorted(
        path.stem
        for path in (ROOT / "functions" / "steps").glob("*.py")
        if "\nNEEDS = " in path.read_text()
    )
    programs = {"boto3": _BOTO3} | {step: _STEP.format(step) for step in steps}
    return [
        _table("Cold start, as in Lambda: modules are compiled", asset, programs, compiled=False),
        _table("Cold start with compiled modules", asset, programs, compiled=True),
    ]


def _table(title: str, asset: Path, programs: Mapping[str, str], *, compiled: bool) -> Table:
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "code"
        shutil.copytree(asset, code, ignore=shutil.ignore_patterns("__pycache__"))
        environment = dict(_ENVIRONMENT)
        if compiled:
            for program in programs.values():
                _seconds(program, code, environment)
        else:
            # As in Lambda, where the code's folder is read-only: every start compiles it.
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        seconds: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(_TIMES):
            for name, program in programs.items():
                seconds[name].append(_seconds(program, code, environment))
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    return Table(
        title,
        ("step", "ms", "fastest, ms", "ratio to boto3", "ratio of the fastest"),
        [
            (
                name,
                f"{medians[name] * 1000:.0f}",
                f"{min(seconds[name]) * 1000:.0f}",
                f"{medians[name] / medians['boto3']:.2f}",
                f"{min(seconds[name]) / min(seconds['boto3']):.2f}",
            )
            for name in programs
        ],
        (
            f"Processor time of a new interpreter, median of {_TIMES}: importing the step's "
            "handler from the asset and making its client of the table.",
            f"boto3 is `{_BOTO3}` from the same asset. The goal of the ratio is {GOAL}.",
        ),
    )


def _seconds(program: str, code: Path, environment: Mapping[str, str]) -> float:
    # -P and -S: neither the modules of this folder nor this environment's packages are importable.
    command = [sys.executable, "-P", "-S", "-s", "-c", _PROGRAM.format(program)]
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": str(code)}
    done = subprocess.run(  # noqa: S603  # this interpreter, programs of this module
        command, env={**path, **environment}, capture_output=True, text=True, check=True
    )
    return float(done.stdout)
