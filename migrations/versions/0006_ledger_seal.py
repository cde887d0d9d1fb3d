"""Ledger seal: batches of ledger rows, chained by their digests.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A batch names its rows (16 bytes each) and keeps 8 bytes of each row's digest, so that a check can say which one was
# changed. Neither compresses: tried in vain for each batch otherwise.
SEALS = """
    CREATE TABLE ledger_seals (
      number bigint CONSTRAINT ledger_seals_pkey PRIMARY KEY,
      previous bytea NOT NULL,
      digest bytea NOT NULL,
      row_count integer NOT NULL,
      first_id uuid,
      last_id uuid,
      ids uuid[] NOT NULL,
      marks bigint[] NOT NULL,
      sealed_at timestamptz NOT NULL,
      reason text,
      accepted jsonb,
      CONSTRAINT ledger_seals_digests CHECK (octet_length(previous) = 32 AND octet_length(digest) = 32),
      CONSTRAINT ledger_seals_row_count CHECK (row_count = cardinality(ids) AND row_count = cardinality(marks)
        AND (row_count > 0 OR reason IS NOT NULL)),
      CONSTRAINT ledger_seals_bounds CHECK (first_id IS NOT DISTINCT FROM ids[1]
        AND last_id IS NOT DISTINCT FROM ids[row_count]),
      CONSTRAINT ledger_seals_reason CHECK (btrim(reason) <> '')
    )"""

STATEMENTS = (
    "ALTER TABLE ledger_seals ALTER COLUMN ids SET STORAGE EXTERNAL, ALTER COLUMN marks SET STORAGE EXTERNAL",
    "CREATE INDEX ledger_seals_last_id_idx ON ledger_seals (last_id, first_id)",
    """CREATE TRIGGER ledger_seals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_seals
       FOR EACH STATEMENT EXECUTE FUNCTION append_only()""",
)

FUNCTIONS = ("ledger_row_digest", "ledger_seal_digest", "ledger_unsealed", "seal_ledger", "check_ledger_seal")


def upgrade() -> None:
    for statement in (SEALS, *STATEMENTS):
        op.execute(statement)
    for name in FUNCTIONS:
        create(op, name, 1)


def downgrade() -> None:
    for name in reversed(FUNCTIONS):
        drop(op, name, 1)
    op.execute("DROP TABLE ledger_seals")
