"""Measurements of Rollcall: ``make bench`` runs all of them, on this machine and without AWS."""
