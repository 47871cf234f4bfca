"""The page of ``rollcall status --html``."""
