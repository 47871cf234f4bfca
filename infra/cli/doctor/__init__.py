"""``rollcall doctor``: what was read of a deployment, and the findings that follow from it."""
