"""Counting everything anew in less time, and refreshing views on one processor.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

from elevate_api.kit.sqlfiles import replace

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

REPLACED = {"rebuild_submissions": 1, "rebuild_people": 1, "rebuild_totals": 2, "refresh_analytics_view": 2}
"""Each by the version after this one."""


def upgrade() -> None:
    for name, old in REPLACED.items():
        replace(op, name, old=old, new=old + 1)


def downgrade() -> None:
    for name, old in reversed(REPLACED.items()):
        replace(op, name, old=old + 1, new=old)
