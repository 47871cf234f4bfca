"""The local AWS as outsiders start it: by its document, with a world, on an address."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from infra.local.gateway.control import PREFIX, RESOURCES
from infra.local.process import PYTHON, ROOT, LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EXAMPLE = ROOT / "docs" / "local-world.example.json"
DOCUMENT = (ROOT / "docs" / "local-aws.md").read_text()
MANAGEMENT, SECURITY, SHOP, NETWORK = "111111111111", "222222222222", "555555555555", "4" * 12


class Started:
    """A local AWS started by its command line, and what it printed until it was ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.lines = [process.stdout.readline()]
        while self.lines[-1] and "Ctrl-C" not in self.lines[-1]:
            self.lines.append(process.stdout.readline())
        self.process = process
        self.aws = LocalAws(process, self.lines[0].split()[-1])

    @property
    def exports(self) -> str:
        return "".join(line for line in self.lines if line.startswith("export "))


@contextmanager
def started(*options: str) -> Iterator[Started]:
    with subprocess.Popen(  # noqa: S603  # our own program
        [PYTHON, "-m", "infra.local", "--port", "0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Started(process)
        finally:
            process.send_signal(signal.SIGTERM)


def refused(*options: str) -> tuple[int, str]:
    """The exit status, and what was written to stderr instead of starting."""
    done = subprocess.run(  # noqa: S603  # our own program
        [PYTHON, "-m", "infra.local", "--port", "0", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def described() -> Iterator[Started]:
    with started("--world", str(EXAMPLE)) as running:
        yield running


@pytest.fixture
def aws(described: Started) -> LocalAws:
    return described.aws


@pytest.fixture
def tools(tmp_path: Path) -> str:
    """A PATH with the programs that the document uses."""
    for name, program in (("aws", "-m tests.support.aws_cli"), ("python", "")):
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {program} "$@"\n')
        file.chmod(0o755)
    return f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"


def section(title: str) -> str:
    return DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def fences(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[tuple[str, str]]:
    """Each command of the console fences with the output that is shown below it."""
    found = []
    for fence in fences(text, "console"):
        for part in f"\n{fence}".split("\n$ ")[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output.strip("\n")))
    return found


@pytest.mark.skipif(not shutil.which("curl"), reason="the document uses curl")
def test_the_example_session_prints_what_the_document_shows(
    described: Started, tools: str, tmp_path: Path
) -> None:
    (program,) = fences(section("Example session"), "python")
    (tmp_path / "session.py").write_text(program)
    session = commands(section("Example session"))

    printed = [
        subprocess.run(  # noqa: S603  # what the document shows
            ["bash", "-c", f"{described.exports}{command}"],  # noqa: S607 (wherever bash is)
            cwd=tmp_path,
            env={"PATH": tools},
            capture_output=True,
            text=True,
            check=False,
        )
        for command, _ in session
    ]

    assert len(session) > 5
    assert "".join(done.stderr for done in printed) == ""
    assert [
        (command, done.stdout.strip("\n"))
        for (command, _), done in zip(session, printed, strict=True)
    ] == session


def test_it_prints_what_the_document_shows(described: Started) -> None:
    shown = fences(section("Start"), "text")[0].replace("http://127.0.0.1:4566", described.aws.url)

    assert "".join(described.lines).startswith(shown)


@pytest.mark.parametrize(
    "resource",
    [one for one in RESOURCES if one.path != "reset"],
    ids=lambda one: f"{one.method} {one.path}",
)
def test_every_control_request_takes_its_example(described: Started, resource: Any) -> None:
    try:
        assert described.aws.control(resource.method, resource.path, resource.example) is not None
    finally:
        described.aws.control("POST", "reset")


def test_the_start_page_is_text_for_people(described: Started) -> None:
    done = subprocess.run(  # noqa: S603  # our own command line
        [sys.executable, "-c", READ_PAGE, f"{described.aws.url}{PREFIX.rstrip('/')}"],
        capture_output=True,
        text=True,
        check=True,
    )

    kind, _, page = done.stdout.partition("\n")
    assert kind == "text/plain; charset=utf-8"
    assert all(f"{one.method:7} {PREFIX}{one.path}" in page for one in RESOURCES)
    assert described.aws.url in page


READ_PAGE = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1]) as answer:
    print(answer.headers["Content-Type"])
    print(answer.read().decode())
"""


def test_a_described_world_comes_back_after_a_reset(aws: LocalAws) -> None:
    before = aws.control("GET", "state")
    aws.world(do="add_account", account_id="565656565656")

    aws.control("POST", "reset")

    after = aws.control("GET", "state")
    ids = [[account["id"] for account in state["accounts"]] for state in (before, after)]
    assert ids[0] == ids[1]
    assert after["organizations"] == before["organizations"]
    assert role_ids(aws, SHOP)


def role_ids(aws: LocalAws, account_id: str) -> dict[str, str]:
    roles = aws.client("iam", account_id, "us-east-1").list_roles()["Roles"]
    return {role["RoleName"]: role["RoleId"] for role in roles}


def assumes(aws: LocalAws, caller: str, role: str, **parameters: str) -> str:
    """The account whose credentials the caller gets, or the code it is refused with."""
    sts = aws.client("sts", caller, "us-east-1")
    try:
        given = sts.assume_role(
            RoleArn=f"arn:aws:iam::{role}", RoleSessionName="test", **parameters
        )
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return str(given["AssumedRoleUser"]["Arn"].split(":")[4])


@pytest.mark.parametrize(
    ("caller", "role", "parameters", "expected"),
    [
        (MANAGEMENT, f"{SHOP}:role/OrganizationAccountAccessRole", {}, SHOP),
        (SECURITY, f"{SHOP}:role/OrganizationAccountAccessRole", {}, "AccessDenied"),
        (SECURITY, f"{SHOP}:role/Scanner", {"ExternalId": "scan-2026"}, SHOP),
        (SECURITY, f"{SHOP}:role/Scanner", {}, "AccessDenied"),
        (MANAGEMENT, f"{NETWORK}:role/OrganizationAccountAccessRole", {}, "AccessDenied"),
        (SHOP, f"{NETWORK}:role/NetworkReader", {}, NETWORK),
        (SHOP, f"{SHOP}:role/Functions", {}, "AccessDenied"),
        (MANAGEMENT, "999999999999:role/OrganizationAccountAccessRole", {}, "AccessDenied"),
    ],
    ids=[
        "the management account",
        "another account",
        "with the external id",
        "without it",
        "into an invited account",
        "a role of the file",
        "a service's role",
        "into a suspended account",
    ],
)
def test_roles_of_a_described_world_are_given_to_those_they_trust(
    aws: LocalAws, caller: str, role: str, parameters: dict[str, str], expected: str
) -> None:
    assert assumes(aws, caller, role, **parameters) == expected


def test_ids_repeat_from_run_to_run(aws: LocalAws) -> None:
    aws.control("POST", "reset")
    with started("--world", str(EXAMPLE)) as other:
        assert role_ids(other.aws, SHOP) == role_ids(aws, SHOP)
        first, second = (one.control("GET", "state") for one in (aws, other.aws))
    assert first["organizations"] == second["organizations"]
    assert first["enabled"] == second["enabled"]


def invalid(change: Callable[[dict[str, Any]], object], tmp_path: Path) -> Path:
    document = json.loads(EXAMPLE.read_text())
    change(document)
    file = tmp_path / "world.json"
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d["accounts"][3].update(state="OPEN"),
            "accounts[3].state: takes one of PENDING_ACTIVATION, ACTIVE, SUSPENDED,"
            " PENDING_CLOSURE, CLOSED",
        ),
        (lambda d: d.update(timings={"mood": 1}), "timings: mood: one of "),
    ],
    ids=["the file's form", "what a service refuses"],
)
def test_an_invalid_world_is_refused_in_one_line(
    change: Callable[[dict[str, Any]], object], message: str, tmp_path: Path
) -> None:
    file = invalid(change, tmp_path)

    status, errors = refused("--world", str(file), "--log", str(tmp_path / "aws.log"))

    assert status == 2
    assert errors.startswith(f"infra.local: {file}: {message}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--world", "/nowhere.json"], 2, "infra.local: /nowhere.json: No such file or directory"),
        (["--world", "/"], 2, "infra.local: /: Is a directory"),
        (["--log", "/nowhere/aws.log"], 2, "infra.local: --log /nowhere/aws.log: No such file"),
        (["--host", ""], 2, "infra.local: --host : "),
        (["--host", "256.0.0.1"], 2, "infra.local: --host 256.0.0.1: "),
        (["--host", "192.0.2.1"], 2, "infra.local: --host 192.0.2.1: "),
        (["--host", "a" * 70], 2, f"infra.local: --host {'a' * 70}: "),
    ],
    ids=["no file", "a folder", "no log", "no host", "no address", "another's", "no name"],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    options: list[str], status: int, message: str
) -> None:
    ended, errors = refused(*options)

    assert (ended, errors.count("\n")) == (status, 1)
    assert errors.startswith(message)


@pytest.mark.parametrize(
    "options",
    [["--port", "65536"], ["--port", "-1"], ["--speed", "nan"], ["--wait-scale", "-1"]],
    ids=" ".join,
)
def test_numbers_that_cannot_be_used_are_refused(options: list[str]) -> None:
    status, errors = refused(*options)

    assert status == 2
    assert f"argument {options[0]}: takes a" in errors.splitlines()[-1]


@pytest.mark.parametrize(
    ("host", "url", "warned"),
    [
        ("0.0.0.0", "http://127.0.0.1:", True),  # noqa: S104  # what is to be tested
        ("::", "http://[::1]:", True),
        ("::1", "http://[::1]:", False),
    ],
)
def test_it_listens_where_it_is_told_and_warns_if_others_can_reach_it(
    host: str, url: str, warned: bool
) -> None:
    with started("--host", host) as running:
        caller = running.aws.client("sts", SHOP, "eu-west-1").get_caller_identity()
        hub = running.aws.client("securityhub", SHOP, "eu-west-1")
        hub.enable_security_hub(EnableDefaultStandards=False)
        running.process.send_signal(signal.SIGTERM)
        _, errors = running.process.communicate(timeout=10)

    assert running.aws.url.startswith(url)
    assert caller["Account"] == SHOP
    assert ("Signatures are not verified" in errors) == warned
