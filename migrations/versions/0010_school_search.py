"""Finding people on the board by a part of their school's name: the second index of its search.

Names and handles are found by users_search_idx; without an index for schools a search for either would read everybody.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INDEX = """
    DO $search$
    DECLARE
      home CONSTANT text := (
        SELECT quote_ident(nspname)
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'pg_trgm');
    BEGIN
      IF home IS NOT NULL THEN
        EXECUTE format('CREATE INDEX users_school_search_idx ON users USING gin (lower(school) %s.gin_trgm_ops)', home);
      END IF;
    END
    $search$
"""


def upgrade() -> None:
    op.execute(INDEX)


def downgrade() -> None:
    op.execute("DROP INDEX IF EXISTS users_school_search_idx")
