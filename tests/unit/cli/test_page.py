"""The page's data and its document, without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from infra.cli.page.data import CONDITIONS, REGION, page_data
from infra.cli.page.page import document_of
from tests.conftest import ROOT
from tests.support.reports import NAMES, a_report, keyed, some_totals

if TYPE_CHECKING:
    from infra.cli.report import Report

HOSTILE = "</script><img src=x onerror=alert(1)><!--"
MOST_BYTES = 5_000_000
STYLE = (ROOT / "infra/cli/page/page.css").read_text()
# Text and what it stands on.
PAIRS = (
    *((f"{slug}-ink", slug) for slug in (str(each).replace(" ", "-") for each in CONDITIONS)),
    *(("ink", ground) for ground in ("page", "card", "hover")),
    *(("muted", ground) for ground in ("page", "card")),
    *(("accent", ground) for ground in ("page", "card")),
)


@pytest.fixture(scope="module")
def report() -> Report:
    return a_report(60, regions=2, name=HOSTILE)


def data_of(report: Report) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        json.dumps(page_data(report, some_totals(report), NAMES, "Rollcall"))
    )
    return data


def embedded(document: str) -> dict[str, Any]:
    """The data as a browser finds it: until the first end of a script."""
    _, _, rest = document.partition('<script type="application/json" id="data">')
    data: dict[str, Any] = json.loads(rest.partition("</script>")[0])
    return data


def test_every_cell_has_the_condition_of_its_line(report: Report) -> None:
    data = data_of(report)

    accounts, targets = [a[0] for a in data["accounts"]], [tuple(t) for t in data["targets"]]
    for (account, target), condition in keyed(report).items():
        row = data["cells"][accounts.index(account)]
        detail = data["details"][row[targets.index((target.service.name, target.region))]]
        assert data["conditions"][detail[0]] == condition


def test_accounts_are_grouped_by_unit_and_targets_by_service(report: Report) -> None:
    data = data_of(report)

    units = [account[2] for account in data["accounts"]]
    assert units == sorted(units)
    assert [names for _, names in data["units"]] == [["Root", "Production"], ["Root", "Test"]]
    services = [service for service, _ in data["targets"]]
    assert services == sorted(services, key=[name for name, _ in data["services"]].index)


def test_what_differs_in_the_region_only_is_told_once() -> None:
    one, two = (data_of(a_report(60, regions=regions)) for regions in (1, 3))

    reasons = [text for text in two["strings"] if "belongs to another administrator" in text]
    assert len(reasons) == len(set(reasons)) <= 3 * len(one["accounts"]) // 20
    assert not any("us-east-1" in text for text in two["strings"])
    assert any(REGION in text for text in two["strings"])


def test_a_large_organisation_fits() -> None:
    """A tenth of 2,000 x 51, which is in proportion; the browser's test has all of it."""
    small = document_of(data_of(a_report(200)))

    assert len(small.encode()) * 10 < MOST_BYTES


def test_a_hostile_name_stays_in_the_data(report: Report) -> None:
    document = document_of(data_of(report))

    assert HOSTILE not in document
    assert HOSTILE in [account[1] for account in embedded(document)["accounts"]]
    assert document.count("</script>") == 2


def test_the_page_has_no_addresses_and_names_no_other_file(report: Report) -> None:
    document = document_of(data_of(report))

    assert "root@example.com" not in document
    assert re.findall(r"""(?:src|href)=["'](?!#)""", document.partition("<script")[0]) == []
    assert "@import" not in document
    assert "url(" not in document


def test_the_policy_allows_this_style_and_script_and_nothing_else(report: Report) -> None:
    document = document_of(data_of(report))

    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', document)
    assert found is not None
    policy = dict(part.split(" ", 1) for part in found[1].split("; "))
    assert policy["default-src"] == "'none'"
    for directive, tag in (("style-src", "style"), ("script-src", "script")):
        text = document.rpartition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS, ids=map("-on-".join, PAIRS))
def test_text_stands_out_from_its_ground(scheme: str, text: str, ground: str) -> None:
    light, dark = STYLE.split("prefers-color-scheme: dark")[:2]
    colours = dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6});", light))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6});", dark))

    lights = sorted((_luminance(colours[text]), _luminance(colours[ground])))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of ``rrggbb``."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
