"""Deciding about evidence. Owns no table: a decision touches submission, points, badges and audit."""
