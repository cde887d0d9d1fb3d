"""Hot writes: submit, decide and take in a webhook in one call each; badges and awards in SQL.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop

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
    "decide_submissions",
    "review_submission",
    "review_submissions",
    "kajabi_decide",
    "kajabi_process",
)


def upgrade() -> None:
    for name in FUNCTIONS:
        create(op, name, 1)


def downgrade() -> None:
    for name in reversed(FUNCTIONS):
        drop(op, name, 1)
