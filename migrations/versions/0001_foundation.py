"""Foundation: people, stages, submissions, the ledger, badges, and the six views.

Revision ID: 0001
Revises: None
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = {
    "app_settings": """
        CREATE TABLE app_settings (
          key text CONSTRAINT app_settings_pkey PRIMARY KEY,
          value jsonb NOT NULL,
          description text NOT NULL,
          updated_at timestamptz NOT NULL DEFAULT now()
        )""",
    "activities": """
        CREATE TABLE activities (
          code text CONSTRAINT activities_pkey PRIMARY KEY,
          name text NOT NULL,
          description text NOT NULL DEFAULT '',
          position smallint NOT NULL DEFAULT 0,
          default_points integer NOT NULL,
          points_cap integer,
          per_peer_points integer NOT NULL DEFAULT 0,
          per_student_points integer NOT NULL DEFAULT 0,
          CONSTRAINT activities_code CHECK (code IN ('LEARN', 'EXPLORE', 'AMPLIFY', 'PRESENT', 'SHINE')),
          CONSTRAINT activities_points CHECK (default_points BETWEEN 0 AND 1000 AND points_cap BETWEEN 0 AND 1000
            AND per_peer_points BETWEEN 0 AND 20 AND per_student_points BETWEEN 0 AND 5)
        )""",
    "users": """
        CREATE TABLE users (
          id text CONSTRAINT users_pkey PRIMARY KEY,
          handle text NOT NULL,
          name text NOT NULL DEFAULT '',
          email text,
          email_verified boolean NOT NULL DEFAULT false,
          role text NOT NULL DEFAULT 'PARTICIPANT',
          avatar_url text,
          region text,
          school text,
          cohort text,
          show_on_leaderboard boolean NOT NULL DEFAULT true,
          kajabi_contact_id text,
          suspended_at timestamptz,
          erase_at timestamptz,
          erased_at timestamptz,
          clerk_updated_at timestamptz,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT users_id CHECK (length(id) BETWEEN 1 AND 255),
          CONSTRAINT users_handle CHECK (handle ~ '^[a-z0-9_-]{3,30}$'),
          CONSTRAINT users_role CHECK (role IN ('PARTICIPANT', 'REVIEWER', 'ADMIN', 'SUPERADMIN')),
          CONSTRAINT users_handle_key UNIQUE (handle)
        )""",
    "submissions": """
        CREATE TABLE submissions (
          id uuid CONSTRAINT submissions_pkey PRIMARY KEY DEFAULT uuid_v7(),
          user_id text NOT NULL CONSTRAINT submissions_user_id_fkey REFERENCES users,
          activity_code text NOT NULL CONSTRAINT submissions_activity_code_fkey REFERENCES activities,
          status text NOT NULL DEFAULT 'PENDING',
          version integer NOT NULL DEFAULT 1,
          visibility text NOT NULL DEFAULT 'PRIVATE',
          payload jsonb NOT NULL,
          peers_trained integer GENERATED ALWAYS AS
            (CASE WHEN activity_code = 'AMPLIFY' THEN payload_count(payload, 'peersTrained') END) STORED,
          students_trained integer GENERATED ALWAYS AS
            (CASE WHEN activity_code = 'AMPLIFY' THEN payload_count(payload, 'studentsTrained') END) STORED,
          reviewer_id text CONSTRAINT submissions_reviewer_id_fkey REFERENCES users,
          review_note text,
          points_awarded integer,
          adjustment_reason text,
          reviewed_at timestamptz,
          revoked_by text CONSTRAINT submissions_revoked_by_fkey REFERENCES users,
          revoked_at timestamptz,
          revoke_reason text,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT submissions_status CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED', 'WITHDRAWN', 'REVOKED')),
          CONSTRAINT submissions_visibility CHECK (visibility IN ('PRIVATE', 'PUBLIC')),
          CONSTRAINT submissions_payload CHECK (jsonb_typeof(payload) = 'object'),
          CONSTRAINT submissions_amplify_counts CHECK (activity_code <> 'AMPLIFY' OR (
            peers_trained IS NOT NULL AND students_trained IS NOT NULL
            AND peers_trained BETWEEN 0 AND 50 AND students_trained BETWEEN 0 AND 200
            AND peers_trained + students_trained > 0)),
          CONSTRAINT submissions_own_review CHECK (reviewer_id <> user_id),
          CONSTRAINT submissions_decision_has_reviewer CHECK (
            status NOT IN ('APPROVED', 'REJECTED', 'REVOKED') OR reviewer_id IS NOT NULL),
          CONSTRAINT submissions_rejection_has_note CHECK (
            status <> 'REJECTED' OR coalesce(btrim(review_note), '') <> ''),
          CONSTRAINT submissions_revocation_has_reason CHECK (status <> 'REVOKED' OR (
            revoked_at IS NOT NULL AND revoked_by IS NOT NULL AND coalesce(btrim(revoke_reason), '') <> '')),
          CONSTRAINT submissions_points_awarded CHECK (points_awarded BETWEEN 0 AND 1000
            AND (points_awarded IS NULL OR status IN ('APPROVED', 'REVOKED')))
        )""",
    "points_ledger": """
        CREATE TABLE points_ledger (
          id uuid CONSTRAINT points_ledger_pkey PRIMARY KEY DEFAULT uuid_v7(),
          user_id text NOT NULL CONSTRAINT points_ledger_user_id_fkey REFERENCES users,
          activity_code text NOT NULL CONSTRAINT points_ledger_activity_code_fkey REFERENCES activities,
          source text NOT NULL,
          delta_points integer NOT NULL,
          external_event_id text CONSTRAINT points_ledger_external_event_id_key UNIQUE,
          event_time timestamptz NOT NULL DEFAULT now(),
          created_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT points_ledger_source CHECK (source IN ('MANUAL', 'WEBHOOK', 'FORM')),
          CONSTRAINT points_ledger_delta_points CHECK (delta_points BETWEEN -1000 AND 1000 AND delta_points <> 0)
        )""",
    "point_adjustments": """
        CREATE TABLE point_adjustments (
          id uuid CONSTRAINT point_adjustments_pkey PRIMARY KEY DEFAULT uuid_v7(),
          user_id text NOT NULL CONSTRAINT point_adjustments_user_id_fkey REFERENCES users,
          activity_code text NOT NULL CONSTRAINT point_adjustments_activity_code_fkey REFERENCES activities,
          delta_points integer NOT NULL,
          reason text NOT NULL,
          created_by text NOT NULL CONSTRAINT point_adjustments_created_by_fkey REFERENCES users,
          created_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT point_adjustments_delta_points CHECK (delta_points BETWEEN -1000 AND 1000 AND delta_points <> 0),
          CONSTRAINT point_adjustments_reason CHECK (btrim(reason) <> ''),
          CONSTRAINT point_adjustments_own CHECK (created_by <> user_id)
        )""",
    "badges": """
        CREATE TABLE badges (
          code text CONSTRAINT badges_pkey PRIMARY KEY,
          name text NOT NULL,
          description text NOT NULL DEFAULT '',
          icon_url text,
          criteria jsonb NOT NULL DEFAULT '{}',
          active boolean NOT NULL DEFAULT true,
          created_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT badges_code CHECK (code ~ '^[A-Z][A-Z0-9_]{1,49}$')
        )""",
    "earned_badges": """
        CREATE TABLE earned_badges (
          user_id text NOT NULL CONSTRAINT earned_badges_user_id_fkey REFERENCES users,
          badge_code text NOT NULL CONSTRAINT earned_badges_badge_code_fkey REFERENCES badges,
          earned_at timestamptz NOT NULL DEFAULT now(),
          awarded_by text CONSTRAINT earned_badges_awarded_by_fkey REFERENCES users,
          CONSTRAINT earned_badges_pkey PRIMARY KEY (user_id, badge_code)
        )""",
    "submission_attachments": """
        CREATE TABLE submission_attachments (
          id uuid CONSTRAINT submission_attachments_pkey PRIMARY KEY DEFAULT uuid_v7(),
          submission_id uuid NOT NULL CONSTRAINT submission_attachments_submission_id_fkey REFERENCES submissions,
          filename text NOT NULL,
          content_type text NOT NULL,
          size_bytes bigint NOT NULL,
          sha256 text NOT NULL,
          storage_key text NOT NULL CONSTRAINT submission_attachments_storage_key_key UNIQUE,
          completed_at timestamptz,
          created_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT submission_attachments_size CHECK (size_bytes BETWEEN 1 AND 10485760),
          CONSTRAINT submission_attachments_sha256 CHECK (sha256 ~ '^[0-9a-f]{64}$')
        )""",
    "kajabi_events": """
        CREATE TABLE kajabi_events (
          id uuid CONSTRAINT kajabi_events_pkey PRIMARY KEY DEFAULT uuid_v7(),
          body bytea NOT NULL,
          body_sha256 bytea NOT NULL,
          event_type text,
          contact_id text,
          email text,
          tag text,
          user_id text CONSTRAINT kajabi_events_user_id_fkey REFERENCES users,
          status text NOT NULL DEFAULT 'RECEIVED',
          points_awarded integer,
          duplicate_of uuid CONSTRAINT kajabi_events_duplicate_of_fkey REFERENCES kajabi_events,
          attempts integer NOT NULL DEFAULT 0,
          next_attempt_at timestamptz,
          error text,
          event_time timestamptz,
          processed_at timestamptz,
          created_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT kajabi_events_status CHECK (
            status IN ('RECEIVED', 'PROCESSED', 'DUPLICATE', 'IGNORED', 'UNMATCHED', 'FAILED'))
        )""",
    "audit_log": """
        CREATE TABLE audit_log (
          id uuid CONSTRAINT audit_log_pkey PRIMARY KEY DEFAULT uuid_v7(),
          actor_id text,
          action text NOT NULL,
          target_type text NOT NULL,
          target_id text NOT NULL,
          details jsonb NOT NULL DEFAULT '{}',
          request_id text,
          created_at timestamptz NOT NULL DEFAULT now()
        )""",
    "review_claims": """
        CREATE TABLE review_claims (
          submission_id uuid CONSTRAINT review_claims_pkey PRIMARY KEY
            CONSTRAINT review_claims_submission_id_fkey REFERENCES submissions,
          reviewer_id text NOT NULL CONSTRAINT review_claims_reviewer_id_fkey REFERENCES users,
          claimed_at timestamptz NOT NULL DEFAULT now(),
          expires_at timestamptz NOT NULL
        )""",
    "idempotency_keys": """
        CREATE TABLE idempotency_keys (
          user_id text NOT NULL,
          key text NOT NULL,
          request_hash bytea NOT NULL,
          status_code smallint NOT NULL,
          headers jsonb NOT NULL,
          body bytea NOT NULL,
          created_at timestamptz NOT NULL DEFAULT now(),
          expires_at timestamptz NOT NULL,
          CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key)
        )""",
    "job_runs": """
        CREATE TABLE job_runs (
          id uuid CONSTRAINT job_runs_pkey PRIMARY KEY DEFAULT uuid_v7(),
          name text NOT NULL,
          triggered_by text NOT NULL,
          started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          finished_at timestamptz,
          ok boolean,
          outcome jsonb,
          error text
        )""",
    "analytics_refreshes": """
        CREATE TABLE analytics_refreshes (
          id uuid CONSTRAINT analytics_refreshes_pkey PRIMARY KEY DEFAULT uuid_v7(),
          job_id uuid,
          view_name text NOT NULL,
          triggered_by text NOT NULL,
          started_at timestamptz NOT NULL,
          finished_at timestamptz NOT NULL,
          row_count bigint,
          ok boolean NOT NULL,
          error text,
          fingerprint text
        )""",
}

INDEXES = (
    "CREATE UNIQUE INDEX users_verified_email_key ON users (lower(email)) WHERE email_verified AND erased_at IS NULL",
    "CREATE INDEX users_email_idx ON users (lower(email))",
    "CREATE UNIQUE INDEX users_kajabi_contact_id_key ON users (kajabi_contact_id)",
    "CREATE INDEX users_created_at_idx ON users (created_at, id)",
    # One active LEARN submission per person, and a certificate approved for one person only (shared/domain.md).
    """CREATE UNIQUE INDEX submissions_one_active_learn ON submissions (user_id)
       WHERE activity_code = 'LEARN' AND status IN ('PENDING', 'APPROVED')""",
    """CREATE UNIQUE INDEX submissions_certificate_hash_key ON submissions (lower(payload ->> 'certificateHash'))
       WHERE activity_code = 'LEARN' AND status = 'APPROVED'""",
    "CREATE INDEX submissions_user_id_created_at_idx ON submissions (user_id, created_at, id)",
    "CREATE INDEX submissions_queue_idx ON submissions (created_at, id) WHERE status = 'PENDING'",
    "CREATE INDEX submissions_created_at_idx ON submissions (created_at)",
    "CREATE INDEX submission_attachments_submission_id_idx ON submission_attachments (submission_id)",
    "CREATE INDEX points_ledger_user_id_created_at_idx ON points_ledger (user_id, created_at, id)",
    "CREATE INDEX point_adjustments_user_id_idx ON point_adjustments (user_id)",
    "CREATE INDEX kajabi_events_status_created_at_idx ON kajabi_events (status, created_at, id)",
    "CREATE INDEX kajabi_events_body_sha256_idx ON kajabi_events (body_sha256)",
    "CREATE INDEX audit_log_created_at_idx ON audit_log (created_at, id)",
    "CREATE INDEX audit_log_actor_id_idx ON audit_log (actor_id, created_at, id)",
    "CREATE INDEX audit_log_target_idx ON audit_log (target_type, target_id, created_at, id)",
    "CREATE INDEX audit_log_action_idx ON audit_log (action, created_at, id)",
    "CREATE INDEX review_claims_reviewer_id_idx ON review_claims (reviewer_id, expires_at)",
    "CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at)",
    "CREATE INDEX job_runs_name_started_at_idx ON job_runs (name, started_at)",
    "CREATE INDEX analytics_refreshes_view_name_started_at_idx ON analytics_refreshes (view_name, started_at)",
)

APPEND_ONLY = ("points_ledger", "point_adjustments")

TRIGGERS = (
    """CREATE TRIGGER submissions_before_insert BEFORE INSERT ON submissions
       FOR EACH ROW EXECUTE FUNCTION submissions_before_insert()""",
    """CREATE TRIGGER submissions_before_update BEFORE UPDATE ON submissions
       FOR EACH ROW EXECUTE FUNCTION submissions_before_update()""",
    """CREATE TRIGGER users_keep_one_superadmin BEFORE UPDATE OR DELETE ON users
       FOR EACH ROW WHEN (OLD.role = 'SUPERADMIN') EXECUTE FUNCTION keep_one_superadmin()""",
    "CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch_updated_at()",
    *(
        f"""CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION append_only()"""
        for table in APPEND_ONLY
    ),
)

LIMITS = """
    INSERT INTO app_settings (key, value, description) VALUES
      ('program_timezone', '"Asia/Jakarta"', 'Zone that days are counted in; PROGRAM_TIMEZONE writes it'),
      ('amplify_peer_limit', '50', 'Peers that PENDING and APPROVED AMPLIFY submissions may name in 7 days'),
      ('amplify_student_limit', '200', 'Students that PENDING and APPROVED AMPLIFY submissions may name in 7 days'),
      ('submissions_per_hour', '10', 'Submissions of one person in any 60 minutes, withdrawn ones included')
"""

# Tables need the first two; the rest needs the tables.
FUNCTIONS_BEFORE = ("uuid_v7", "payload_count")
FUNCTIONS = (
    "program_timezone",
    "app_limit",
    "restoring",
    "append_only",
    "require_read_committed",
    "lock_person",
    "judge_amplify_quota",
    "submissions_before_insert",
    "submissions_before_update",
    "keep_one_superadmin",
    "touch_updated_at",
    "get_user_point_summary",
    "refresh_analytics_view",
    "refresh_all_analytics",
)
VIEWS = (
    "leaderboard_totals",
    "leaderboard_30d",
    "activity_metrics",
    "cohort_metrics",
    "school_metrics",
    "time_series_metrics",
)


def upgrade() -> None:
    for name in FUNCTIONS_BEFORE:
        create(op, name, 1)
    for statement in (*TABLES.values(), *INDEXES):
        op.execute(statement)
    for name in FUNCTIONS:
        create(op, name, 1)
    for statement in (*TRIGGERS, LIMITS):
        op.execute(statement)
    for name in VIEWS:
        create(op, name, 1)


def downgrade() -> None:
    for name in reversed(VIEWS):
        drop(op, name, 1)
    drop(op, "refresh_all_analytics", 1)
    drop(op, "refresh_analytics_view", 1)  # returns a row of analytics_refreshes
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
    for name in reversed((*FUNCTIONS_BEFORE, *FUNCTIONS)):
        if not name.startswith("refresh_"):
            drop(op, name, 1)
