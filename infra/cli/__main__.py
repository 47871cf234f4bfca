"""``python -m infra.cli``: one module per verb."""

from __future__ import annotations

import argparse
import sys

from infra.cli import local


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; returns its exit status."""
    parser = argparse.ArgumentParser(prog="rollcall", description="Enrol accounts, call the roll.")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for verb in (local,):
        verb.add_to(verbs)
    chosen = parser.parse_args(arguments)
    status: int = chosen.run(chosen)
    return status


if __name__ == "__main__":
    sys.exit(main())
