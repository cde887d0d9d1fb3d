"""Shared rate limits: what callers used, summed over all processes.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Of use for minutes: not in the WAL, not in backups, empty after a crash. `account` is a digest of bucket, rule and
# caller; `number` counts the rule's windows since 1970. Half empty pages, as the same rows change all the time.
WINDOWS = """
    CREATE UNLOGGED TABLE rate_limit_windows (
      account bytea NOT NULL,
      number bigint NOT NULL,
      used integer NOT NULL,
      expires_at timestamptz NOT NULL,
      CONSTRAINT rate_limit_windows_pkey PRIMARY KEY (account, number)
    ) WITH (fillfactor = 50)"""


def upgrade() -> None:
    op.execute(WINDOWS)
    op.execute("CREATE INDEX rate_limit_windows_expires_at_idx ON rate_limit_windows (expires_at)")


def downgrade() -> None:
    op.execute("DROP TABLE rate_limit_windows")
