"""Names, tags and texts that others have chosen: shown as text, on one line, without addresses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.archive import reconcile_key
from functions.aws.rows import Rows
from functions.enrolment.scope import Scope
from functions.steps import wiring
from tests.support.builders import ACCOUNT, OTHER
from tests.support.operator import Operator
from tests.support.rollcall import TABLE
from tests.workflow.hands import HERE, email, reconcile, say

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.rollcall import Rollcall

ADDRESS = "jane.doe@hostile.example"
MARKUP = "</script><script>alert(1)</script>"
TEXT = f"\x1b]0;taken\x07\x1b[2J {MARKUP} [bold]{{0}} %s $.x\u202e {ADDRESS}\r\nInjected: line"
# CreateAccount takes printable ASCII only.
NAME = f"=1+1 {MARKUP} [red]{ADDRESS}"
ONE_REGION = pytest.mark.configured(regions=(HERE,), scope=Scope(exclude_tags={"stage": "none"}))
VERBS = (
    ("runs",),
    ("show", "one"),
    ("show", "nightly"),
    ("why", ACCOUNT),
    ("status", "--gaps"),
    ("status", "--csv"),
)


@pytest.fixture
def operator(
    rollcall: Rollcall, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Operator:
    """Of an organisation of which every text is hostile; one run and one reconcile have ended."""
    rollcall.found_organization()
    rollcall.add_account(
        ACCOUNT, email=email(ACCOUNT), name=NAME, tags={"owner": TEXT, ADDRESS: "x"}
    )
    rollcall.add_account(OTHER, email=email(OTHER), name=ADDRESS)
    (root,) = rollcall.organizations("ListRoots")["Roots"]
    unit = rollcall.organizations("CreateOrganizationalUnit", ParentId=root["Id"], Name=TEXT)
    rollcall.organizations(
        "MoveAccount",
        AccountId=ACCOUNT,
        SourceParentId=root["Id"],
        DestinationParentId=unit["OrganizationalUnit"]["Id"],
    )
    say(rollcall, "securityhub", "CreateMembers", f"cannot exceed {TEXT}")
    rollcall.run({"accounts": [{"id": ACCOUNT}, {"id": OTHER}]}, "one")
    reconcile(rollcall, {}, "nightly")
    capsys.readouterr()
    return Operator(rollcall, capsys, monkeypatch)


def hold_to_text(texts: Iterable[str]) -> None:
    for text in texts:
        assert text.isprintable(), text
        assert "hostile.example" not in text


def strings(value: Any) -> list[str]:
    """Every text of a JSON value, and every key."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


@ONE_REGION
def test_hostile_texts_are_published_stored_and_shown_as_plain_text(
    rollcall: Rollcall, operator: Operator, tmp_path: Path
) -> None:
    published = rollcall.published()
    for document in (*published["bus"], *published["topic"]):
        hold_to_text(strings(document))
        hold_to_text(strings(rollcall.document(document["complete_document"])))
    table: Any = rollcall.session.client("dynamodb")
    (name,) = table.list_tables()["TableNames"]
    hold_to_text(strings(table.scan(TableName=name)["Items"]))

    for arguments in VERBS:
        for width in (None, 100):
            _, lines = operator.sees(*arguments, width=width)
            assert lines
            hold_to_text(lines)
        if "--csv" not in arguments:
            _, shown = operator.reads(*arguments)
            hold_to_text(strings(shown))

    page = tmp_path / "status.html"
    operator.sees("status", "--html", str(page))
    text = page.read_text()
    assert "hostile.example" not in text
    assert MARKUP not in text
    assert text.count("</script>") == 2
    data = text.partition('id="data">')[2].partition("</script>")[0]
    assert any("</script>" in name for name in strings(json.loads(data)))


@ONE_REGION
def test_a_stored_result_that_somebody_else_wrote_is_plain_text_or_named_as_not_read(
    rollcall: Rollcall, operator: Operator, tmp_path: Path
) -> None:
    key = reconcile_key("nightly", "result")
    result = wiring.wiring().archive.read(key)
    assert result is not None
    gap = result["gaps"][0] | {"status": TEXT, "reason": TEXT}
    forged = result | {"notes": [TEXT], "failure": TEXT, "gaps": [gap]}
    s3: Any = rollcall.session.client("s3")

    def store(body: str) -> None:
        s3.put_object(Bucket=wiring.wiring().settings.results_bucket, Key=key, Body=body)

    store(json.dumps(forged))
    for arguments in (("show", "nightly"), ("show", "nightly", "--account", gap["account_id"])):
        for width in (None, 100):
            _, lines = operator.sees(*arguments, width=width)
            assert any("Injected: line" in line for line in lines)
            hold_to_text(lines)
        _, document = operator.reads(*arguments)
        hold_to_text(strings(document))

    for body in ("[1]", "{", "[" * 100_000):
        store(body)
        _, lines = operator.sees("show", "nightly")
        status, _ = operator.sees("status", "--html", str(tmp_path / "status.html"))
        assert "  Its result could not be read." in lines
        assert status == 1


@ONE_REGION
def test_the_name_of_an_execution_is_shown_without_addresses_and_control_characters(
    rollcall: Rollcall, operator: Operator, tmp_path: Path
) -> None:
    rows = Rows(rollcall.session.client("dynamodb"), TABLE)
    name = f"{ADDRESS}\x1b[2J"
    for kind, known in (("onboarding", "one"), ("reconcile", "nightly")):
        row = rows.get({"pk": f"{kind}#{known}", "sk": kind})
        assert row is not None
        rows.put(row | {"pk": f"{kind}#{name}", f"{kind}_id": name, "source": TEXT})
    key = {"pk": f"account#{ACCOUNT}", "sk": f"membership#securityhub#{HERE}"}
    row = rows.get(key)
    assert row is not None
    rows.put(row | {"onboarding_id": name, "raw": TEXT})

    for arguments in (("runs",), ("show", "one"), ("status", "--gaps"), ("why", ACCOUNT)):
        for width in (None, 100):
            _, lines = operator.sees(*arguments, width=width)
            hold_to_text(lines)
        _, document = operator.reads(*arguments)
        hold_to_text(strings(document))
    page = tmp_path / "status.html"
    operator.sees("status", "--html", str(page))
    assert "hostile.example" not in page.read_text()
    assert "\\u001b" not in page.read_text()


@ONE_REGION
@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"version": "2"}, "version: takes 1, this version's", id="later"),
        pytest.param({"targets": [{}]}, "targets[0].service: is required", id="missing"),
        pytest.param({"gaps_left": {}}, "gaps_left: takes array", id="type"),
        pytest.param({"surveyed_at": "soon"}, "surveyed_at: takes a time as ISO 8601", id="time"),
    ],
)
def test_a_stored_result_of_another_form_is_named_with_its_field(
    operator: Operator, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    wired, key = wiring.wiring(), reconcile_key("nightly", "result")
    result = wired.archive.read(key)
    assert result is not None
    wired.archive.persist(key, result | change)

    status, lines = operator.sees("show", "nightly")

    assert status != 2
    assert "  Its result could not be read." in lines
    assert operator.errors == f"rollcall show: not read: {key}: {said}\n"
    status, _ = operator.sees("status", "--html", str(tmp_path / "status.html"))
    assert status == 1


@ONE_REGION
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(
            {"mode": "adoption"}, "mode: takes one of organization, invitation", id="later"
        ),
        pytest.param({"transitions": "none"}, "transitions: takes a list", id="type"),
        pytest.param({"service": None}, "service: takes a text", id="null"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_others_are_shown(
    rollcall: Rollcall, operator: Operator, damage: dict[str, Any], said: str
) -> None:
    rows = Rows(rollcall.session.client("dynamodb"), TABLE)
    key = {"pk": f"account#{ACCOUNT}", "sk": f"membership#securityhub#{HERE}"}
    row = rows.get(key)
    assert row is not None
    rows.put(row | damage)

    for arguments in (("show", "one"), ("why", ACCOUNT), ("status", "--gaps"), ("watch", "one")):
        status, lines = operator.sees(*arguments)

        assert status != 2
        assert any("GuardDuty" in line for line in lines), arguments
        assert operator.errors == (
            f"rollcall: not read: row account#{ACCOUNT} membership#securityhub#{HERE}: {said}\n"
        )


@ONE_REGION
@pytest.mark.parametrize("prefix", ["onboarding", "reconcile"])
def test_a_record_that_cannot_be_read_is_named_and_the_others_are_listed(
    rollcall: Rollcall, operator: Operator, prefix: str
) -> None:
    name, other = ("one", "nightly") if prefix == "onboarding" else ("nightly", "one")
    rows = Rows(rollcall.session.client("dynamodb"), TABLE)
    row = rows.get({"pk": f"{prefix}#{name}", "sk": prefix})
    assert row is not None
    rows.put(row | {"execution_arn": ["x"]})
    said = f"row {prefix}#{name} {prefix}: execution_arn: takes a text\n"

    status, lines = operator.sees("runs")
    assert status == 0
    assert any(other in line for line in lines)
    assert operator.errors == f"rollcall: not read: {said}"

    status, _ = operator.sees("show", name)
    assert (status, operator.errors) == (2, f"rollcall show: {said}")


def test_an_input_with_hostile_texts_is_refused_and_shown_as_text(
    rollcall: Rollcall, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rollcall.found_organization()
    given = {"accounts": [{"id": ACCOUNT}], TEXT: TEXT}

    execution = rollcall.run(given, "one")

    assert execution.error == "InvalidInput"
    hold_to_text([str(execution.cause)])
    operator = Operator(rollcall, capsys, monkeypatch)
    for verb in (("runs",), ("show", "one")):
        _, lines = operator.sees(*verb)
        hold_to_text(lines)
    (result,) = rollcall.published_finally()
    hold_to_text(strings(result))
