"""Hot writes: submit, decide and take in a webhook in one call each; badges and awards in SQL.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop, replace

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "caller_verdict",
    "badge_met",
    "grant_badges",
    "award_of",
    "submit_evidence",
    "judge_decision",
    "decide_submission",
    "decide_submissions",
    "review_submission",
    "review_submissions",
    "kajabi_decide",
    "kajabi_process",
)


QUICKER = ("restoring", "app_limit")


def upgrade() -> None:
    for name in QUICKER:
        replace(op, name, old=1, new=2)
    for name in FUNCTIONS:
        create(op, name, 1)


def downgrade() -> None:
    for name in reversed(FUNCTIONS):
        drop(op, name, 1)
    for name in QUICKER:
        replace(op, name, old=2, new=1)
