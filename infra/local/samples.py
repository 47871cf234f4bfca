"""Where the sample events are, and the management account in them."""

from __future__ import annotations

from pathlib import Path

SAMPLES = Path(__file__).parent / "events"
SAMPLES_MANAGEMENT = "111122223333"
