"""What is looked for is looked for once nobody can change it: a completion's person, an erased person's claims.

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
    replace(op, "erase_user", old=2, new=3)


def downgrade() -> None:
    replace(op, "erase_user", old=3, new=2)
    replace(op, "kajabi_standing", old=2, new=1)
