"""A completion goes to whom its contact or address belongs once that person is locked, not to whom it did before.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

from elevate_api.kit.sqlfiles import replace

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    replace(op, "kajabi_standing", old=1, new=2)


def downgrade() -> None:
    replace(op, "kajabi_standing", old=2, new=1)
