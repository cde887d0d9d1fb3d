"""Sticky badges, granted by criteria that are data."""
