"""A world described in a file: read, checked, and built before the local AWS is ready."""
