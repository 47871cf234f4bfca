"""``rollcall local`` and what serves only it."""
