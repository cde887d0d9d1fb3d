"""Whole tables as CSV, streamed."""
