"""Totals: per person, score, stage and day, folded from what changed; the six views stand on them.

An existing database is counted here, while whoever uses the ledger or writes waits: some 40 s at ten million rows.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop, replace

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BUSY = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_analyze_scale_factor = 0.5"
"""Of tables whose rows come and go, or change all the time."""

TABLES = {
    "score_histogram": f"""
        CREATE TABLE score_histogram (
          period text NOT NULL,
          points bigint NOT NULL,
          people bigint NOT NULL,
          CONSTRAINT score_histogram_pkey PRIMARY KEY (period, points),
          CONSTRAINT score_histogram_period CHECK (period IN ('all', '30d'))
        ) WITH (fillfactor = 50, {BUSY})""",
    "stage_totals": f"""
        CREATE TABLE stage_totals (
          activity_code text CONSTRAINT stage_totals_pkey PRIMARY KEY,
          points bigint NOT NULL DEFAULT 0,
          entries bigint NOT NULL DEFAULT 0,
          people_with_points bigint NOT NULL DEFAULT 0,
          submissions bigint NOT NULL DEFAULT 0,
          pending bigint NOT NULL DEFAULT 0,
          approved bigint NOT NULL DEFAULT 0,
          rejected bigint NOT NULL DEFAULT 0,
          withdrawn bigint NOT NULL DEFAULT 0,
          revoked bigint NOT NULL DEFAULT 0,
          participants bigint NOT NULL DEFAULT 0,
          reviews bigint NOT NULL DEFAULT 0,
          review_seconds numeric NOT NULL DEFAULT 0,
          peers_reached bigint NOT NULL DEFAULT 0,
          students_reached bigint NOT NULL DEFAULT 0,
          micro_credentials bigint NOT NULL DEFAULT 0
        ) WITH (fillfactor = 50, {BUSY})""",
    "day_totals": f"""
        CREATE TABLE day_totals (
          day date NOT NULL,
          activity_code text NOT NULL,
          submissions bigint NOT NULL DEFAULT 0,
          approved bigint NOT NULL DEFAULT 0,
          rejected bigint NOT NULL DEFAULT 0,
          points bigint NOT NULL DEFAULT 0,
          entries bigint NOT NULL DEFAULT 0,
          people bigint NOT NULL DEFAULT 0,
          CONSTRAINT day_totals_pkey PRIMARY KEY (day, activity_code)
        ) WITH (fillfactor = 70, {BUSY})""",
    "submission_changes": f"""
        CREATE TABLE submission_changes (
          stamp bigint NOT NULL,
          user_id text NOT NULL,
          activity_code text NOT NULL,
          status text NOT NULL,
          made_at timestamptz NOT NULL,
          reviewed_at timestamptz,
          peers integer,
          students integer,
          sign smallint NOT NULL,
          added boolean NOT NULL
        ) WITH ({BUSY})""",
    "people_changes": f"""
        CREATE TABLE people_changes (
          user_id text NOT NULL
        ) WITH ({BUSY})""",
    "grant_changes": f"""
        CREATE TABLE grant_changes (
          sign smallint NOT NULL
        ) WITH ({BUSY})""",
    "rebuild_requests": """
        CREATE TABLE rebuild_requests (
          reason text NOT NULL
        )""",
    "totals_state": f"""
        CREATE TABLE totals_state (
          singleton boolean DEFAULT true CONSTRAINT totals_state_pkey PRIMARY KEY,
          folded text NOT NULL,
          base bigint NOT NULL DEFAULT 0,
          own_stamp bigint,
          own_command bigint NOT NULL DEFAULT -1,
          system_identifier bigint NOT NULL,
          database_oid oid NOT NULL,
          timezone text NOT NULL,
          first_day date NOT NULL,
          swept_to timestamptz NOT NULL,
          as_of timestamptz NOT NULL,
          version_all bigint NOT NULL DEFAULT 0,
          version_30d bigint NOT NULL DEFAULT 0,
          version_people bigint NOT NULL DEFAULT 0,
          version_ledger bigint NOT NULL DEFAULT 0,
          version_submissions bigint NOT NULL DEFAULT 0,
          ledger_folded bigint NOT NULL DEFAULT 0,
          swept bigint NOT NULL DEFAULT 0,
          submissions_folded bigint NOT NULL DEFAULT 0,
          people_folded bigint NOT NULL DEFAULT 0,
          rebuilt_at timestamptz NOT NULL,
          rebuilt_because text NOT NULL,
          CONSTRAINT totals_state_singleton CHECK (singleton)
        ) WITH (fillfactor = 20, {BUSY})""",
}

# Every row that is there counts as written long ago; from now on a row says which transaction wrote it. The default
# is no constant, so it is set apart: a new column with it would be filled with the migration's own id.
STAMP = (
    "ALTER TABLE points_ledger ADD COLUMN stamp bigint NOT NULL DEFAULT 0",
    "ALTER TABLE points_ledger ALTER COLUMN stamp SET DEFAULT (0 + pg_current_xact_id()::text::bigint)",
    "CREATE INDEX points_ledger_stamp_idx ON points_ledger (stamp)",
    "CREATE INDEX points_ledger_created_at_idx ON points_ledger USING brin (created_at) WITH (autosummarize = on)",
)


def _changed(*columns: str) -> str:
    """The condition of an update trigger: one of these is another one now."""
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    return f"({old}) IS DISTINCT FROM ({new})"


# What of a person stands on the board, and what of a submission is counted.
SHOWN = _changed("role", "cohort", "school", "show_on_leaderboard", "erased_at", "name", "handle", "avatar_url")
COUNTED = _changed(
    "user_id", "activity_code", "status", "created_at", "reviewed_at", "peers_trained", "students_trained"
)

TRIGGERS = (
    "CREATE TRIGGER users_note_insert AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION note_person_change()",
    f"""CREATE TRIGGER users_note_update AFTER UPDATE ON users FOR EACH ROW
        WHEN ({SHOWN}) EXECUTE FUNCTION note_person_change()""",
    """CREATE TRIGGER users_request_rebuild AFTER DELETE OR TRUNCATE ON users
       FOR EACH STATEMENT EXECUTE FUNCTION request_rebuild()""",
    """CREATE TRIGGER earned_badges_note AFTER INSERT OR UPDATE ON earned_badges
       FOR EACH ROW EXECUTE FUNCTION note_badge_change()""",
    """CREATE TRIGGER submissions_note_insert AFTER INSERT ON submissions
       FOR EACH ROW EXECUTE FUNCTION note_submission_change()""",
    f"""CREATE TRIGGER submissions_note_update AFTER UPDATE ON submissions FOR EACH ROW
        WHEN ({COUNTED}) EXECUTE FUNCTION note_submission_change()""",
    """CREATE TRIGGER submissions_request_rebuild AFTER DELETE OR TRUNCATE ON submissions
       FOR EACH STATEMENT EXECUTE FUNCTION request_rebuild()""",
    """CREATE TRIGGER kajabi_events_note_insert AFTER INSERT ON kajabi_events FOR EACH ROW
       WHEN (NEW.status = 'PROCESSED') EXECUTE FUNCTION note_grant_change()""",
    """CREATE TRIGGER kajabi_events_note_update AFTER UPDATE OF status ON kajabi_events FOR EACH ROW
       WHEN (OLD.status <> NEW.status AND 'PROCESSED' IN (OLD.status, NEW.status))
       EXECUTE FUNCTION note_grant_change()""",
    """CREATE TRIGGER kajabi_events_note_delete AFTER DELETE ON kajabi_events FOR EACH ROW
       WHEN (OLD.status = 'PROCESSED') EXECUTE FUNCTION note_grant_change()""",
    """CREATE TRIGGER kajabi_events_request_rebuild AFTER TRUNCATE ON kajabi_events
       FOR EACH STATEMENT EXECUTE FUNCTION request_rebuild()""",
)

NOTES = ("note_person_change", "note_badge_change", "note_submission_change", "note_grant_change", "request_rebuild")
FUNCTIONS = (
    "program_today",
    "usable_timezone",
    "fold_people",
    "fold_submissions",
    "fold_grants",
    "fold_ledger",
    "totals_are_foreign",
    "totals_need_rebuild",
    "rebuild_stages",
    "rebuild_days",
    "put_user_totals",
    "rebuild_totals",
    "fold_totals",
    "analytics_inputs",
)
VIEWS = (
    "leaderboard_totals",
    "leaderboard_30d",
    "activity_metrics",
    "cohort_metrics",
    "school_metrics",
    "time_series_metrics",
)

# Only of the live tables: the schema check runs migrations in a schema of its own.
COUNT = """
    DO $$ BEGIN
      IF current_schema() = 'public' THEN
        PERFORM public.rebuild_totals('migrated');
      END IF;
    END $$
"""


def upgrade() -> None:
    op.execute("LOCK TABLE users, submissions, kajabi_events, points_ledger IN SHARE ROW EXCLUSIVE MODE")
    for name in ("user_totals_table", "user_totals_indexes"):
        create(op, name, 1)
    op.execute("SELECT user_totals_table('user_totals_rows')")
    op.execute("SELECT user_totals_indexes('user_totals_rows')")
    create(op, "user_totals", 1)
    for statement in TABLES.values():
        op.execute(statement)
    for name in (*NOTES, *FUNCTIONS):
        create(op, name, 1)
    for statement in (*STAMP, *TRIGGERS, COUNT):
        op.execute(statement)
    op.execute("ALTER TABLE analytics_refreshes ADD COLUMN inputs text")
    op.execute("ALTER TABLE analytics_refreshes ADD COLUMN unchanged boolean NOT NULL DEFAULT false")
    replace(op, "refresh_analytics_view", old=1, new=2)
    for name in VIEWS:
        replace(op, name, old=1, new=2)


def downgrade() -> None:
    for name in reversed(VIEWS):
        replace(op, name, old=2, new=1)
    replace(op, "refresh_analytics_view", old=2, new=1)
    op.execute("ALTER TABLE analytics_refreshes DROP COLUMN unchanged")
    op.execute("ALTER TABLE analytics_refreshes DROP COLUMN inputs")
    for statement in reversed(TRIGGERS):
        words = statement.split()
        op.execute(f"DROP TRIGGER {words[2]} ON {words[words.index('ON') + 1]}")
    op.execute("DROP INDEX points_ledger_created_at_idx")
    op.execute("ALTER TABLE points_ledger DROP COLUMN stamp")
    for name in reversed((*NOTES, *FUNCTIONS)):
        drop(op, name, 1)
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
    drop(op, "user_totals", 1)
    op.execute("DROP TABLE user_totals_rows")
    for name in ("user_totals_indexes", "user_totals_table"):
        drop(op, name, 1)
