"""Alerts: their state, what processes observed, silences, notices.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = {
    "alerts": """
        CREATE TABLE alerts (
          id uuid CONSTRAINT alerts_pkey PRIMARY KEY DEFAULT uuid_v7(),
          rule text NOT NULL CONSTRAINT alerts_rule_key UNIQUE,
          severity text NOT NULL,
          title text NOT NULL,
          status text NOT NULL,
          since timestamptz,
          opened_at timestamptz,
          last_seen_at timestamptz,
          resolved_at timestamptz,
          acknowledged_at timestamptz,
          acknowledged_by text,
          count bigint NOT NULL,
          summary text NOT NULL,
          evidence jsonb NOT NULL,
          announced boolean NOT NULL,
          noticed_at timestamptz,
          looked_at timestamptz,
          CONSTRAINT alerts_status CHECK (status IN ('OK', 'PENDING', 'FIRING', 'ACKNOWLEDGED', 'RESOLVED')),
          CONSTRAINT alerts_severity CHECK (severity IN ('critical', 'warning'))
        )""",
    "alert_events": """
        CREATE TABLE alert_events (
          id uuid CONSTRAINT alert_events_pkey PRIMARY KEY DEFAULT uuid_v7(),
          rule text NOT NULL,
          count integer NOT NULL,
          last_at timestamptz NOT NULL,
          evidence jsonb NOT NULL,
          counted boolean NOT NULL DEFAULT false,
          created_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT alert_events_count CHECK (count > 0)
        )""",
    "alert_samples": """
        CREATE TABLE alert_samples (
          process uuid CONSTRAINT alert_samples_pkey PRIMARY KEY,
          pool_size integer NOT NULL,
          pool_in_use integer NOT NULL,
          sampled_at timestamptz NOT NULL
        )""",
    "alert_silences": """
        CREATE TABLE alert_silences (
          id uuid CONSTRAINT alert_silences_pkey PRIMARY KEY DEFAULT uuid_v7(),
          rule text,
          starts_at timestamptz NOT NULL,
          ends_at timestamptz NOT NULL,
          reason text NOT NULL,
          created_by text NOT NULL,
          created_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT alert_silences_span CHECK (ends_at >= starts_at),
          CONSTRAINT alert_silences_reason CHECK (btrim(reason) <> '')
        )""",
    "alert_notices": """
        CREATE TABLE alert_notices (
          id uuid CONSTRAINT alert_notices_pkey PRIMARY KEY DEFAULT uuid_v7(),
          alert_id uuid NOT NULL CONSTRAINT alert_notices_alert_id_fkey REFERENCES alerts,
          channel text NOT NULL,
          message jsonb NOT NULL,
          attempts integer NOT NULL DEFAULT 0,
          next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          delivered_at timestamptz,
          given_up_at timestamptz,
          error text,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          CONSTRAINT alert_notices_channel CHECK (channel IN ('webhook', 'slack', 'email'))
        )""",
}

INDEXES = {
    "alert_events_counted_idx": "alert_events (rule) WHERE NOT counted",
    "alert_events_created_at_idx": "alert_events (created_at)",
    "alert_silences_ends_at_idx": "alert_silences (ends_at)",
    "alert_notices_alert_id_idx": "alert_notices (alert_id)",
    "alert_notices_due_idx": "alert_notices (next_attempt_at) WHERE delivered_at IS NULL AND given_up_at IS NULL",
}


def upgrade() -> None:
    for statement in TABLES.values():
        op.execute(statement)
    for name, definition in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {definition}")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
