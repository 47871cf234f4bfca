"""The page of ``rollcall status --html`` in a browser."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from infra.cli.page.page import page_of
from tests.support.reports import NAMES, a_report, some_totals

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.chromium import Page

HOSTILE = "</script><img src=x onerror=document.title='taken'>"
# On a machine of two cores that others use as well.
MOST_SECONDS_TO_OPEN = 2.0
SECONDS_OF_A_FRAME = 1 / 30
ROWS = "document.querySelectorAll('#body [role=row]').length"
RESULT = "document.getElementById('result').textContent"
FOCUSED = "document.activeElement.getAttribute('aria-label') || document.activeElement.id"


def write(folder: Path, accounts: int, regions: int) -> Path:
    report = a_report(accounts, regions, name=HOSTILE)
    path = folder / f"{accounts}.html"
    path.write_text(page_of(report, some_totals(report), NAMES, "Rollcall"), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 accounts at 6 targets: in each Region 57 enabled, and 3 gaps of a kind each."""
    return write(tmp_path_factory.mktemp("small"), 60, 2)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 accounts at 51 targets."""
    return write(tmp_path_factory.mktemp("large"), 2000, 17)


def choose(page: Page, name: str, value: str) -> None:
    page.run(
        f"(() => {{ const one = document.getElementById({name!r}); one.value = {value!r};"
        " one.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )


def press_chip(page: Page, word: str) -> None:
    page.run(
        f"[...document.querySelectorAll('.chip')].find((c) => c.textContent.includes({word!r}))"
        ".click()"
    )


def accessible(page: Page) -> list[tuple[str, str]]:
    """Role and name of everything that a screen reader is told."""
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    return [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    ]


def main_thread(page: Page) -> float:
    """Seconds of processor time for script, style and layout so far; a GPU would draw."""
    metrics = {
        each["name"]: each["value"] for each in page.send("Performance.getMetrics")["metrics"]
    }
    parts = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
    return float(sum(metrics[part] for part in parts))


def test_a_large_organisation_opens_and_scrolls_without_delay(page: Page, large: Path) -> None:
    page.send("Performance.enable", timeDomain="threadTicks")
    began = time.monotonic()
    page.open(large)
    took = time.monotonic() - began
    before = main_thread(page)
    page.run(
        """new Promise((done) => {
          const scroller = document.getElementById("scroller");
          let frames = 0;
          const step = () => {
            scroller.scrollTop += 300;
            frames += 1;
            frames < 60 ? requestAnimationFrame(step) : done();
          };
          requestAnimationFrame(step);
        })"""
    )

    assert took < MOST_SECONDS_TO_OPEN
    # Only what is in sight is in the document.
    assert page.run(ROWS) < 60
    assert page.run("document.getElementById('grid').getAttribute('aria-rowcount')") == "2004"
    assert page.run("document.getElementById('scroller').scrollTop") == 60 * 300
    assert (main_thread(page) - before) / 60 < SECONDS_OF_A_FRAME


def test_no_request_leaves_the_page(page: Page, small: Path) -> None:
    page.open(small)
    tried = page.run("fetch('https://example.com/').then(() => 'sent', (error) => error.name)")
    page.run("document.body.append(Object.assign(new Image(), { src: 'https://example.com/i' }))")
    page.run("new Promise((done) => setTimeout(done, 100))")

    sent = {
        event["requestId"]
        for event in page.events("Network.requestWillBeSent")
        if not event["request"]["url"].startswith("file:")
    }
    blocked = {
        event["requestId"]
        for event in page.events("Network.loadingFailed")
        if event.get("blockedReason") == "csp"
    }
    assert tried == "TypeError"
    assert sent <= blocked
    assert page.events("Runtime.exceptionThrown") == []


def test_a_hostile_name_is_text(page: Page, small: Path) -> None:
    page.open(small)

    assert page.run("document.title") == "Rollcall: where every account stands"
    assert page.run("document.querySelectorAll('img').length") == 0
    names = page.run("[...document.querySelectorAll('.name span')].map((n) => n.textContent)")
    assert HOSTILE in names


@pytest.mark.parametrize(
    ("filters", "chip", "result"),
    [
        ({}, None, "60 of 60 accounts, 6 targets: 360 memberships"),
        ({"service": "guardduty"}, None, "60 of 60 accounts, 2 targets: 120 memberships"),
        ({"region": "us-east-1"}, "Drift", "1 of 60 accounts, 3 targets: 3 memberships"),
        ({"search": "workload 21"}, None, "1 of 60 accounts, 6 targets: 6 memberships"),
        ({"search": "production 30000000000"}, None, "5 of 60 accounts, 6 targets: 30 memberships"),
        ({"unit": "o-aa111bb222/r-ab12/ou-ab12-cdefgh35/"}, None, "30 of 60 accounts"),
        ({"reason": "other-administrator"}, None, "2 of 60 accounts, 6 targets: 6 memberships"),
        ({"search": "nobody"}, None, "0 of 60 accounts, 6 targets: 0 memberships"),
    ],
    ids=["all", "service", "condition", "name", "unit and id", "unit", "reason", "nothing"],
)
def test_filters_select_and_say_what_is_left(
    page: Page, small: Path, filters: dict[str, str], chip: str | None, result: str
) -> None:
    page.open(small)
    for name, value in filters.items():
        choose(page, name, value)
    if chip:
        press_chip(page, chip)

    assert page.run(RESULT).startswith(result)


def test_keys_move_open_and_close(page: Page, small: Path) -> None:
    page.open(small)
    page.run("document.querySelector('[role=gridcell][tabindex=\"0\"]').focus()")
    page.press("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft")
    moved = page.run(FOCUSED)
    page.press("Enter")
    opened = page.run("document.getElementById('panel').innerText"), page.run(FOCUSED)
    page.press("Escape")
    closed = page.run("document.getElementById('panel').hidden"), page.run(FOCUSED)
    page.press("/")

    assert moved == "Workload 2 300000000002, Security Hub CSPM us-east-2: enabled"
    assert opened[0].split()[:6] == ["Close", "Workload", "2", "300000000002", "·", "Production"]
    assert opened[1] == "panel"
    assert closed == (True, moved)
    assert page.run(FOCUSED) == "search"
    assert page.run("document.getElementById('search').value") == ""


def test_the_focus_reaches_every_row(page: Page, large: Path) -> None:
    page.open(large)
    page.run("document.querySelector('[role=gridcell][tabindex=\"0\"]').focus()")
    page.press(*["PageDown"] * 5, "End")
    far = page.run(FOCUSED)
    page.run("document.getElementById('scroller').scrollTop = 50000")
    page.run("new Promise((done) => setTimeout(done, 60))")

    assert far.startswith("Workload ")
    assert "Detective ap-southeast-2" in far
    assert page.run(FOCUSED) == far


def test_the_panel_tells_the_history_of_a_gap(page: Page, small: Path) -> None:
    page.open(small)
    choose(page, "reason", "other-administrator")
    page.run("document.querySelector('#body .cell:not(.dim)').click()")

    told = page.run("document.getElementById('panel').innerText")
    for part in (
        "Not enabled, and no run is started for it",
        "other-administrator",
        "onboarding-1",
        "What to do",
        "Status over time",
        "Absent 2026-12-26 ",
    ):
        assert part in told


def test_a_screen_reader_is_told_of_the_grid(page: Page, small: Path) -> None:
    page.open(small)

    told = accessible(page)
    assert ("grid", "Memberships") in told
    assert ("columnheader", "GuardDuty us-east-2") in told
    assert ("gridcell", "Workload 2 300000000002, GuardDuty us-east-1: enabled") in told
    assert "status" in {role for role, _ in told}
    charts = [name for role, name in told if role in ("image", "img")]
    assert any(name.startswith("GuardDuty over time: 2026-12-16 ") for name in charts)
    needing = {
        "button",
        "combobox",
        "searchbox",
        "gridcell",
        "columnheader",
        "image",
        "img",
        "link",
    }
    assert [(role, name) for role, name in told if role in needing and not name] == []


@pytest.mark.parametrize(
    ("scheme", "background"), [("light", "rgb(245, 247, 249)"), ("dark", "rgb(17, 22, 28)")]
)
def test_the_page_is_light_or_dark_as_the_reader_prefers(
    page: Page, small: Path, scheme: str, background: str
) -> None:
    page.emulate(1280, 900, **{"prefers-color-scheme": scheme})
    page.open(small)

    assert page.run("getComputedStyle(document.documentElement).backgroundColor") == background


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_only_the_grid_scrolls_sideways(page: Page, small: Path, width: int) -> None:
    page.emulate(width, 844)
    page.open(small)

    assert page.run("document.documentElement.scrollWidth") == width


def test_the_gaps_are_printed(page: Page, small: Path) -> None:
    page.open(small)
    page.run("window.dispatchEvent(new Event('beforeprint'))")

    listed: Any = page.run("document.querySelectorAll('#listed tbody tr').length")
    assert listed == 18
