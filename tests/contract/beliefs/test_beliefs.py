"""What Rollcall relies on in the answers of AWS: docs/contract-with-aws.md."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from pytest_socket import SocketConnectBlockedError

from tests.contract.beliefs.changes import CHANGES
from tests.contract.beliefs.conftest import ON_AWS, Run
from tests.contract.beliefs.organization_readings import ORGANIZATION_READINGS
from tests.contract.beliefs.service_readings import SERVICE_READINGS
from tests.contract.beliefs.table import line
from tests.contract.beliefs.trial import Result, try_belief

if TYPE_CHECKING:
    from tests.contract.beliefs.belief import Belief

BELIEFS = [*SERVICE_READINGS, *ORGANIZATION_READINGS, *CHANGES]
# Why the local AWS does not show it.
NOT_SHOWN_LOCALLY = {
    "detective.region.not-offered": "every Region of the local AWS has the same endpoint"
}


@pytest.mark.parametrize("belief", BELIEFS, ids=lambda belief: belief.id)
def test_belief(belief: Belief, run: Run) -> None:
    rows = [
        try_belief(belief, site)
        for sites in run.callers
        for site in (sites if belief.regional else sites[:1])
    ]
    run.rows += rows
    lines = "\n".join(line(row, run.names) for row in rows)
    results = {row.result for row in rows}

    if Result.DIFFERS in results:
        pytest.fail(lines, pytrace=False)
    if not ON_AWS:
        tried = Result.AGREE in results
        assert tried is (belief.id not in NOT_SHOWN_LOCALLY), lines
    elif results == {Result.NOT_TRIED}:
        pytest.skip(rows[0].note)


@pytest.mark.skipif(ON_AWS, reason="a profile is named")
def test_without_a_profile_no_other_machine_is_reached() -> None:
    with (
        pytest.warns(UserWarning, match="tried to use socket"),
        pytest.raises(SocketConnectBlockedError),
    ):
        socket.create_connection(("192.0.2.1", 443), timeout=1)
