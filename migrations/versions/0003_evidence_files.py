"""Evidence files, what reviewers compare, erasures that wait, searches of administrators.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop, replace

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

REMOVALS = """
    CREATE TABLE attachment_removals (
      storage_key text CONSTRAINT attachment_removals_pkey PRIMARY KEY,
      upload_until timestamptz NOT NULL,
      due_at timestamptz NOT NULL DEFAULT now(),
      created_at timestamptz NOT NULL DEFAULT now()
    )"""

INDEXES = {
    "attachment_removals_due_at_idx": "attachment_removals (due_at)",
    "submission_attachments_sha256_idx": "submission_attachments (sha256) WHERE completed_at IS NOT NULL",
    "submission_attachments_unfinished_idx": "submission_attachments (created_at) WHERE completed_at IS NULL",
    "submissions_evidence_link_idx": "submissions (evidence_link(payload)) WHERE activity_code = 'PRESENT'",
    "submissions_evidence_text_idx": "submissions (evidence_text(payload)) WHERE activity_code = 'EXPLORE'",
    "submissions_reviewer_id_idx": "submissions (reviewer_id) WHERE reviewer_id IS NOT NULL",
    "submissions_co_facilitators_idx": "submissions USING gin ((payload -> 'coFacilitators')) "
    "WHERE activity_code = 'AMPLIFY'",
    "users_erase_at_idx": "users (erase_at) WHERE erase_at IS NOT NULL AND erased_at IS NULL",
    "users_role_created_at_idx": "users (role, created_at, id)",
    "users_cohort_created_at_idx": "users (cohort, created_at, id)",
    "users_school_created_at_idx": "users (school, created_at, id)",
    "audit_log_target_id_idx": "audit_log (target_id, created_at, id)",
}

TRIGGERS = (
    """CREATE TRIGGER submission_attachments_before_write BEFORE INSERT OR UPDATE ON submission_attachments
       FOR EACH ROW EXECUTE FUNCTION attachments_before_write()""",
    """CREATE TRIGGER submission_attachments_after_write AFTER UPDATE OR DELETE ON submission_attachments
       FOR EACH ROW EXECUTE FUNCTION attachments_after_write()""",
)

LIMIT = """
    INSERT INTO app_settings (key, value, description)
    VALUES ('attachments_per_submission', '5', 'Evidence files that a submission may have')
"""

# Finding people by any part of name, handle or e-mail needs trigrams; without the extension the search still answers,
# by reading. A schema of its own keeps the extension's functions out of what a hosted Data API exposes; where
# somebody installed it already, it stays where it is. Not everybody may create it, so this must not fail.
SEARCH = """
    DO $search$
    DECLARE
      home text;
    BEGIN
      BEGIN
        IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
          IF to_regnamespace('extensions') IS NULL THEN
            CREATE SCHEMA extensions;
            COMMENT ON SCHEMA extensions IS 'made by elevate_api';
          END IF;
          CREATE EXTENSION pg_trgm SCHEMA extensions;
          COMMENT ON EXTENSION pg_trgm IS 'made by elevate_api';
        END IF;
      EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE 'pg_trgm is not available (%), people are searched without an index', SQLERRM;
      END;
      SELECT quote_ident(nspname) INTO home
      FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'pg_trgm';
      IF home IS NOT NULL THEN
        EXECUTE format('CREATE INDEX users_search_idx ON users USING gin (user_search_text(name, handle, email) '
          '%s.gin_trgm_ops)', home);
      END IF;
    END
    $search$
"""

# Takes back what the upgrade itself made, unless others depend on it by now.
NO_SEARCH = """
    DO $search$
    BEGIN
      DROP INDEX IF EXISTS users_search_idx;
      IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm'
                 AND obj_description(oid, 'pg_extension') = 'made by elevate_api') THEN
        DROP EXTENSION pg_trgm;
      END IF;
      IF obj_description(to_regnamespace('extensions'), 'pg_namespace') = 'made by elevate_api' THEN
        DROP SCHEMA extensions;
      END IF;
    EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
      RAISE NOTICE 'pg_trgm stays: %', SQLERRM;
      DROP INDEX IF EXISTS users_search_idx;
    END
    $search$
"""

FUNCTIONS = (
    "evidence_link",
    "evidence_text",
    "user_search_text",
    "attachments_before_write",
    "attachments_after_write",
)


def upgrade() -> None:
    op.execute("ALTER TABLE submissions ADD COLUMN files_added integer NOT NULL DEFAULT 0")
    op.execute(REMOVALS)
    for name in FUNCTIONS:
        create(op, name, 1)
    replace(op, "submissions_before_update", old=1, new=2)
    replace(op, "erase_user", old=1, new=2)
    for name, definition in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {definition}")
    for statement in (*TRIGGERS, LIMIT, SEARCH):
        op.execute(statement)


def downgrade() -> None:
    op.execute(NO_SEARCH)
    op.execute("DELETE FROM app_settings WHERE key = 'attachments_per_submission'")
    for name in ("submission_attachments_before_write", "submission_attachments_after_write"):
        op.execute(f"DROP TRIGGER {name} ON submission_attachments")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
    replace(op, "erase_user", old=2, new=1)
    replace(op, "submissions_before_update", old=2, new=1)
    for name in reversed(FUNCTIONS):
        drop(op, name, 1)
    op.execute("DROP TABLE attachment_removals")
    op.execute("ALTER TABLE submissions DROP COLUMN files_added")
