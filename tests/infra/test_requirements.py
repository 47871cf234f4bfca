"""The lists of packages that are installed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from infra.asset import ROOT
from infra.audit import lists

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = [path for path in lists() if path.suffix == ".txt"]
NPM = [path for path in lists() if path.suffix == ".json"]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_every_package_is_locked_to_a_version_and_its_hashes(path: Path) -> None:
    text = re.sub(r"^ *#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", "")

    assert text
    for line in text.splitlines():
        assert re.fullmatch(r"[\w.-]+==\S+( ; \S.*?)?( +--hash=sha256:[0-9a-f]{64})+ *", line)


@pytest.mark.parametrize("path", NPM, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_npm_package_is_locked_to_its_hash(path: Path) -> None:
    packages = json.loads(path.read_text())["packages"]

    assert len(packages) > 1
    # The one without a name is the project itself.
    assert [name for name, locked in packages.items() if name and "integrity" not in locked] == []
