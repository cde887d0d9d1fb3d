"""Deterministic names of the causes of ledger rows: any retry, replay or recovery meets its own row again."""

from uuid import UUID


def submission_approved(submission_id: UUID) -> str:
    return f"submission:{submission_id}:approved:v1"


def submission_revoked(submission_id: UUID) -> str:
    return f"submission:{submission_id}:revoked:v1"


def kajabi_grant(contact_id: str, tag: str) -> str:
    return f"kajabi:{contact_id}|tag:{tag}"


def adjustment(adjustment_id: UUID) -> str:
    return f"{ADJUSTMENT_PREFIX}{adjustment_id}"


ADJUSTMENT_PREFIX = "adjustment:"
