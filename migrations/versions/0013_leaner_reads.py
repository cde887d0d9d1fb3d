"""Board, search and standing at less cost.

A page of the board counted each person's public submissions by reading all of theirs, hundreds for those at its top;
a search let the planner choose, who read everybody.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# In the order of a profile, which shows the newest.
PUBLIC = """
    CREATE INDEX submissions_public_idx ON submissions (user_id, created_at, id)
    WHERE status = 'APPROVED' AND visibility = 'PUBLIC'
"""


def upgrade() -> None:
    op.execute(PUBLIC)
    create(op, "search_board", 1)


def downgrade() -> None:
    drop(op, "search_board", 1)
    op.execute("DROP INDEX submissions_public_idx")
