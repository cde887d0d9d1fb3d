"""Data with an end: evidence files, Kajabi's raw contact data, the audit log (shared/domain.md)."""
