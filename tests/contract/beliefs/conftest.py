"""The callers and Regions in which the beliefs are tried, and the report of a run on AWS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from functions.enrolment.errors import InvalidInput
from tests.contract.beliefs.identity import sites_of
from tests.contract.beliefs.local import organize, write_profiles
from tests.contract.beliefs.needs import UNKNOWN_ACCOUNTS
from tests.contract.beliefs.settings import PROFILE, read_settings
from tests.contract.beliefs.table import Names, report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.process import LocalAws
    from tests.contract.beliefs.answers import Site
    from tests.contract.beliefs.settings import Settings
    from tests.contract.beliefs.trial import Row

REPORT = Path("contract-with-aws-report.md")
ON_AWS = bool(os.environ.get(PROFILE))
FIRST_ACCOUNT = 710000000001
_USAGE = 4


class Run:
    """What is tried where; ``rows`` grow with each belief."""

    def __init__(self, callers: list[list[Site]]) -> None:
        self.callers = callers
        self.rows: list[Row] = []
        self.names = Names(_known(callers[0][0]))


RUN = pytest.StashKey[Run]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Opens the network for this folder only, and only if a profile is named."""
    if ON_AWS:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.enable_socket)


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        try:
            settings = read_settings(os.environ)
            if settings is None:
                aws = request.getfixturevalue("aws")
                callers = _local_settings(aws, tmp_path_factory.mktemp("profiles"), patch)
            else:
                callers = (settings,)
            run = Run([sites_of(one) for one in callers])
        except InvalidInput as error:
            pytest.exit(str(error), _USAGE)
        request.config.stash[RUN] = run
        yield run


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    run = config.stash.get(RUN, None)
    if run is None or not ON_AWS:
        return
    text = report(run.rows, run.names)
    REPORT.write_text(text)
    terminalreporter.section("Contract with AWS")
    terminalreporter.write(text)
    terminalreporter.write_line(f"\nWritten to {REPORT.resolve()}")


def _local_settings(aws: LocalAws, folder: Path, patch: pytest.MonkeyPatch) -> tuple[Settings, ...]:
    made = organize(aws, FIRST_ACCOUNT)
    callers = made.settings()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    patch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    write_profiles(folder / "config", aws, *(one.profile for one in callers))
    return callers


def _known(site: Site) -> dict[str, str]:
    """Names of accounts that the table uses; the others are numbered."""
    organization = site.read("organizations", "DescribeOrganization")
    management = organization.values("Organization.MasterAccountId")
    return {
        **dict.fromkeys(UNKNOWN_ACCOUNTS, "<unknown account>"),
        **dict.fromkeys(map(str, management), "<management account>"),
        **{one.id: f"<named account {at}>" for at, one in enumerate(site.accounts, 1)},
        site.caller: "<caller>",
    }
