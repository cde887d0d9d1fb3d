"""Old rows of the audit log may go.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create(op, "remove_old_audit", 1)


def downgrade() -> None:
    drop(op, "remove_old_audit", 1)
