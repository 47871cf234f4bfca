"""Which of the locked packages have known vulnerabilities: ``python -m infra.audit``.

pip-audit asks OSV about every version in ``requirements/*.txt``, npm its registry about those in
the ``package-lock.json`` files. Exit status: 0 if none is known, 1 if one is, 3 if none was found
but not every package could be audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.asset import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

VULNERABLE = 1
NOT_AUDITED = 3

_PIP_AUDIT = (
    str(Path(sys.executable).with_name("pip-audit")),
    "--vulnerability-service=osv",
    "--require-hashes",
    "--disable-pip",
    "--format=json",
    "--progress-spinner=off",
)
_NPM_AUDIT = ("npm", "audit", "--json", "--package-lock-only")
_LONGEST_CAUSE = 120


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A vulnerability of these versions of a package, and whether there is a version without."""

    package: str
    versions: str
    advisory: str
    fixed: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a database said about the packages of one list."""

    packages: int
    audited: int
    findings: tuple[Finding, ...]


class NotAudited(Exception):
    """No database answered; the message is what the program said last, in one line."""


def pip_answer(output: str) -> Answer:
    """The JSON of pip-audit, in which a package that the database cannot be asked about has a
    ``skip_reason`` instead of ``vulns``.

    Raises:
        NotAudited: it is not JSON: pip-audit ends with a traceback if it reaches no database.
    """
    dependencies = _document(output)["dependencies"]
    audited = [dependency for dependency in dependencies if "vulns" in dependency]
    findings = (
        Finding(
            dependency["name"],
            dependency["version"],
            ", ".join([found["id"], *sorted(found.get("aliases", ()))]),
            _fixed_in(found["fix_versions"]),
        )
        for dependency in audited
        for found in dependency["vulns"]
    )
    return Answer(len(dependencies), len(audited), tuple(sorted(findings)))


def npm_answer(output: str) -> Answer:
    """The JSON of ``npm audit``. Of a package that is affected through another one, ``via`` has
    only the other's name; the other is listed itself.

    Raises:
        NotAudited: it is not JSON, or an error.
    """
    document = _document(output)
    if "vulnerabilities" not in document:
        raise NotAudited(document.get("message") or document.get("error") or document)
    packages = document["metadata"]["dependencies"]["total"]
    findings = {
        Finding(
            via["name"],
            via["range"],
            f"{via['url'].rpartition('/')[2]}, {via['severity']}: {via['title']}",
            "fixed in a later version" if package["fixAvailable"] else _fixed_in([]),
        )
        for package in document["vulnerabilities"].values()
        for via in package["via"]
        if isinstance(via, dict)
    }
    return Answer(packages, packages, tuple(sorted(findings)))


def verdict(answer: Answer) -> tuple[int, str]:
    """The exit status, and what is printed about a list."""
    lines = [
        f"{answer.audited} of {answer.packages} packages audited, "
        f"{len(answer.findings)} known vulnerabilities",
        *(
            f"  {found.package} {found.versions}: {found.advisory}; {found.fixed}"
            for found in answer.findings
        ),
    ]
    if answer.findings:
        return VULNERABLE, "\n".join(lines)
    return NOT_AUDITED if answer.audited < answer.packages else 0, lines[0]


def overall(statuses: Sequence[int]) -> int:
    """The exit status for all lists: a vulnerability comes before what was not audited."""
    return VULNERABLE if VULNERABLE in statuses else max(statuses)


def main() -> int:
    """Audit every list; the exit status."""
    statuses = []
    unanswered: dict[str, str] = {}
    for path in lists():
        name = str(path.relative_to(ROOT))
        try:
            answer = _npm_audited(path) if path.suffix == ".json" else _pip_audited(path)
            status, said = verdict(answer)
            sys.stdout.write(f"{name}: {said}\n")
        except NotAudited as error:
            status = NOT_AUDITED
            unanswered[name] = str(error)
        statuses.append(status)
    if unanswered:
        names, causes = ", ".join(unanswered), list(unanswered.values())
        sys.stdout.write(f"No database answered for {names}: nothing is known ({causes[0]})\n")
    return overall(statuses)


def lists() -> list[Path]:
    """The lists of locked packages: those of Python, and then those of npm."""
    return [
        *sorted((ROOT / "requirements").glob("*.txt")),
        ROOT / "package-lock.json",
        ROOT / "tests" / "browser" / "package-lock.json",
    ]


def _pip_audited(path: Path) -> Answer:
    return pip_answer(_output([*_PIP_AUDIT, f"--requirement={path}"], ROOT))


def _npm_audited(path: Path) -> Answer:
    return npm_answer(_output(list(_NPM_AUDIT), path.parent))


def _output(command: list[str], folder: Path) -> str:
    """What a program writes to its output, or to its errors if that is nothing.

    Raises:
        NotAudited: it is not installed.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise NotAudited(f"{command[0]} is not installed") from error
    return done.stdout.strip() or done.stderr


def _document(output: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(output)
    except ValueError as error:
        last = (output.strip().splitlines() or ["it said nothing"])[-1]
        raise NotAudited(last[:_LONGEST_CAUSE]) from error
    return document


def _fixed_in(versions: Sequence[str]) -> str:
    return f"fixed in {', '.join(versions)}" if versions else "in no version fixed yet"


if __name__ == "__main__":
    sys.exit(main())
