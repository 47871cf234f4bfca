"""The command itself: help, version, completion, and messages for invalid arguments."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from infra.cli.__main__ import app, main
from tests.conftest import ROOT
from tests.support.builders import EMAIL

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERBS = [verb.name for verb in app.registered_commands]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_listed_and_its_help_shows_an_example(
    capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert main([verb, "--help"]) == 0
    help_text = capsys.readouterr().out

    assert f"\n  {verb} " in listed
    assert f"\n  Examples:\n    rollcall {verb} " in help_text
    assert "Exit status 0: " in help_text


def test_every_document_has_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    printing = set()
    for verb in VERBS:
        assert main([str(verb), "--help"]) == 0
        if "--json" in capsys.readouterr().out:
            printing.add(verb)

    folder = ROOT / "docs" / "cli"
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == printing


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rollcall {PROJECT['version']}\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "rollcall: Missing command."),
        (["nonsense"], "rollcall: No such command 'nonsense'."),
        (["redriv"], "Did you mean 'redrive'?"),
        (["--nonsense"], "rollcall: No such option: --nonsense"),
        (["local", "nonsense"], "rollcall local: Got unexpected extra argument(s) (nonsense)"),
        (["local", "--scenario"], "Option '--scenario' requires an argument."),
        (["local", "--scenario", "x"], "'--scenario': 'x' is not one of 'creation', 'invitation'"),
        (["why", EMAIL], "takes an account id of 12 digits, not '(e-mail)' (try --help)"),
        (["nonsense\x1b[2J\u202e"], "rollcall: No such command"),
        (["redrive", "--queue-url", "x"], "'--queue-url': takes the URL of a queue, not 'x'"),
    ],
)
def test_invalid_arguments_are_reported_in_one_line(
    capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    status = main(given)

    printed = capsys.readouterr()
    assert status == 2
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert message in line
    assert line.isprintable()


def test_a_verb_that_is_stopped_ends_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("infra.cli.plan.read_selection", stopped)

    assert main(["plan", "444455556666"]) == 130
    assert capsys.readouterr().err == "rollcall plan: stopped\n"


def test_the_completion_script_is_for_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))

    with pytest.raises(SystemExit) as ended:
        main(["--show-completion"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.endswith(
        "complete -o default -F _rollcall_completion rollcall\n"
    )


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("rollcall re", ["redrive"]),
        ("rollcall redrive --dr", ["--dry-run"]),
        ("rollcall local --scenario tr", ["trouble"]),
    ],
)
def test_verbs_options_and_values_are_completed(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    completed: list[str],
) -> None:
    monkeypatch.setenv("_ROLLCALL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))

    with pytest.raises(SystemExit) as ended:
        main([])

    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == completed


def test_the_project_installs_the_command(tmp_path: Path) -> None:
    assert pkgutil.resolve_name(PROJECT["scripts"]["rollcall"]) is main

    installed = Path(sys.executable).with_name("rollcall")
    done = subprocess.run(  # noqa: S603  # our own program
        [installed, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout == f"rollcall {PROJECT['version']}\n"
