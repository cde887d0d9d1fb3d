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
BETTER = (
    "rebuild_stages", "rebuild_days", "rebuild_totals", "fold_people", "fold_submissions", "fold_ledger", "fold_totals",
    "totals_need_rebuild",
)  # fmt: skip
VIEWS = ("leaderboard_totals", "leaderboard_30d", "school_metrics")

# Every fold looks for what leaves the window and reads whole ranges for it: by far the most of what an idle one costs.
# Smaller ranges than these make reading the index itself the greater part at forty million rows.
WINDOW = "CREATE INDEX points_ledger_created_at_idx ON points_ledger USING brin (created_at) WITH (%s)"

# Rows of a transaction that folded itself were told apart by command, which a crash forgets.
FORGET_COMMANDS = (
    """INSERT INTO rebuild_requests (reason)
       SELECT 'a transaction has folded its own rows' FROM totals_state WHERE own_command >= 0""",
    "ALTER TABLE totals_state DROP COLUMN own_command, DROP COLUMN database_oid",
)
KNOW_COMMANDS = (
    """ALTER TABLE totals_state ADD COLUMN own_command bigint NOT NULL DEFAULT -1,
         ADD COLUMN database_oid oid NOT NULL DEFAULT 0""",
    "ALTER TABLE totals_state ALTER COLUMN database_oid DROP DEFAULT",
)


def upgrade() -> None:
    for statement in FORGET_COMMANDS:
        op.execute(statement)
    for name in PARTS:
        create(op, name, 1)
    for name in BETTER:
        replace(op, name, old=1, new=2)
    op.execute("DROP INDEX points_ledger_created_at_idx")
    op.execute(WINDOW % "pages_per_range = 32, autosummarize = on")
    for name in VIEWS:
        replace(op, name, old=2, new=3)


def downgrade() -> None:
    for name in reversed(VIEWS):
        replace(op, name, old=3, new=2)
    op.execute("DROP INDEX points_ledger_created_at_idx")
    op.execute(WINDOW % "autosummarize = on")
    for name in reversed(BETTER):
        replace(op, name, old=2, new=1)
    for name in reversed(PARTS):
        drop(op, name, 1)
    for statement in KNOW_COMMANDS:
        op.execute(statement)
