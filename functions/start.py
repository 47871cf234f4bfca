"""What Lambda calls: ``functions.start.<module>`` is the handler of a step in ``functions.steps``.

Importing a step makes some 70,000 objects, nearly all of which stay. Python's garbage collector
would look through them again and again, which is a tenth of a cold start.
"""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def __getattr__(module: str) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    if module.startswith("_"):
        raise AttributeError(module)  # Python looks up names of its own, such as __path__
    gc.disable()
    try:
        handler: Callable[[dict[str, Any], Any], dict[str, Any]] = import_module(
            f"functions.steps.{module}"
        ).handler
    finally:
        # What was imported is never looked through again.
        gc.freeze()
        gc.enable()
    return handler
