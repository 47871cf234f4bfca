"""What is deployed to Lambda runs by itself and carries little that it never reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.asset import SERVICES, staged_asset
from tests.infra.support import steps

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_MB = 12


@pytest.fixture(scope="module")
def asset() -> Path:
    return staged_asset()


def test_every_handler_and_client_loads_from_the_asset_alone(
    asset: Path, template: Mapping[str, Any]
) -> None:
    handlers = [function["Handler"].rpartition(".") for function in steps(template).values()]
    program = f"""
import importlib, sys
sys.path.insert(0, {str(asset)!r})
for module, _, name in {handlers!r}:
    assert callable(getattr(importlib.import_module(module), name))
import boto3
session = boto3.Session("AKIDEXAMPLE", "example", region_name="eu-west-1")
for name in {SERVICES!r}:
    client = session.client(name)
    for operation in client.meta.service_model.operation_names:
        client.meta.service_model.operation_model(operation)
outside = [
    module.__file__
    for name, module in sys.modules.items()
    if getattr(module, "__file__", None) and "site-packages" in module.__file__
]
assert not outside, outside
"""

    # Isolated and without site-packages: the standard library and the asset, as in Lambda.
    done = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-I", "-S", "-B", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_it_has_no_model_of_a_service_that_is_not_called(asset: Path) -> None:
    models = {path.name for path in (asset / "botocore" / "data").iterdir() if path.is_dir()}

    assert models == set(SERVICES)
    assert len(SERVICES) == 11


def test_it_is_small_and_holds_no_leftovers(asset: Path) -> None:
    files = [path for path in asset.rglob("*") if path.is_file()]

    assert sum(path.stat().st_size for path in files) < MOST_MB * 1024 * 1024
    assert not [path for path in files if "__pycache__" in path.parts or path.suffix == ".pyc"]
    assert not [path for path in files if path.suffix == ".so"]
    assert not (asset / "tests").exists()
    assert not (asset / "infra").exists()


def test_its_code_is_this_code(asset: Path) -> None:
    root = Path(__file__).parents[2]
    staged = {path.relative_to(asset) for path in (asset / "functions").rglob("*.py")}

    assert staged == {path.relative_to(root) for path in (root / "functions").rglob("*.py")}
    for path in staged:
        assert (asset / path).read_bytes() == (root / path).read_bytes()


def test_staging_again_costs_nothing_and_needs_no_network(
    asset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "run", refuse)
    before = asset.stat().st_ino

    assert staged_asset() == asset
    assert asset.stat().st_ino == before


def test_the_template_names_the_asset_by_its_content(assembly: Path) -> None:
    assets = json.loads((assembly / "Rollcall.assets.json").read_text())["files"]
    zipped = [file for file in assets.values() if file["source"]["packaging"] == "zip"]

    assert len(zipped) == 1
