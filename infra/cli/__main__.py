"""``python -m infra.cli``: one module per verb."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from infra.cli import local, redrive


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; ``--help`` has the rest."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; returns its exit status."""
    parser = _Parser(prog="rollcall", description="Enrol accounts, call the roll.")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for verb in (local, redrive):
        verb.add_to(verbs)
    chosen = parser.parse_args(arguments)
    status: int = chosen.run(chosen)
    return status


if __name__ == "__main__":
    sys.exit(main())
