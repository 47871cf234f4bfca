"""``rollcall local`` and the modules that only it uses."""
