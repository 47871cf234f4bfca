"""The synthesised state machines and the real handlers in virtual time, in one thread."""
