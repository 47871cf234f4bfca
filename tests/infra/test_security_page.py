"""docs/SECURITY.md: every promise is held by tests that there are."""

from __future__ import annotations

import ast
import re

import pytest

from infra.asset import ROOT

PAGE = (ROOT / "docs" / "SECURITY.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
PROMISES = [
    row
    for row in PAGE.partition("## What is promised")[2].partition("\n## ")[0].splitlines()
    if row.startswith("| ") and not row.startswith(("| promise ", "| --- "))
]


def test_the_page_has_promises() -> None:
    assert PROMISES


@pytest.mark.parametrize("promise", PROMISES, ids=lambda row: row.split("|")[1].strip()[:60])
def test_a_promise_is_held_by_tests(promise: str) -> None:
    assert TEST.search(promise)


@pytest.mark.parametrize("path", sorted({path for path, _ in TEST.findall(PAGE)}))
def test_the_tests_are_there(path: str) -> None:
    named = {name for file, name in TEST.findall(PAGE) if file == path}
    module = ast.parse((ROOT / path).read_text())

    assert named <= {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
