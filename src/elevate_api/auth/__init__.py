"""Tokens and roles; knows no database."""
