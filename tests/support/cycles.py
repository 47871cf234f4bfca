"""Python's search for cycles: objects that nothing but they themselves refer to."""

from __future__ import annotations

import gc

# So many objects are made before the youngest are searched; Python's own 700 suits programs that
# keep less than botocore's models, the CDK and moto.
_YOUNGEST = 50_000


def search_seldom() -> None:
    """Search less often in this process: with Python's own threshold that takes a fifth of the time
    of the tests.
    """
    gc.set_threshold(_YOUNGEST)
