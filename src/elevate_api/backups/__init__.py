"""Backups: dumps, increments between them, restores into a fresh database, drills, recovery to a point in time.

docs/decisions/backups.md says why they are made this way.
"""
