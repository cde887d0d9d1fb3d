"""Folding, rebuilding and refreshing at less cost.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop, replace

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

PARTS = ("rebuild_submissions", "rebuild_ledger", "rebuild_people")
BETTER = ("rebuild_stages", "rebuild_days", "rebuild_totals")


def upgrade() -> None:
    for name in PARTS:
        create(op, name, 1)
    for name in BETTER:
        replace(op, name, old=1, new=2)


def downgrade() -> None:
    for name in reversed(BETTER):
        replace(op, name, old=2, new=1)
    for name in reversed(PARTS):
        drop(op, name, 1)
