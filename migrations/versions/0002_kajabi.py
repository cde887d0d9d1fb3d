"""The inbox of Kajabi, the memory of Clerk's webhooks, erasure.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CLERK_EVENTS = """
    CREATE TABLE clerk_events (
      svix_id text CONSTRAINT clerk_events_pkey PRIMARY KEY,
      event_type text NOT NULL,
      user_id text,
      outcome text NOT NULL,
      event_time timestamptz,
      created_at timestamptz NOT NULL DEFAULT now()
    )"""

CHECKS = {
    "kajabi_events_processed": """status <> 'PROCESSED' OR (
        user_id IS NOT NULL AND contact_id IS NOT NULL AND tag IS NOT NULL AND points_awarded BETWEEN 0 AND 1000)""",
    "kajabi_events_duplicate": "(status = 'DUPLICATE') = (duplicate_of IS NOT NULL)",
}

# One grant per person and tag, and per contact and tag (shared/domain.md): whatever the code does, once.
INDEXES = {
    "kajabi_events_user_id_tag_key": "UNIQUE INDEX {} ON kajabi_events (user_id, tag) WHERE status = 'PROCESSED'",
    "kajabi_events_contact_id_tag_key": "UNIQUE INDEX {} ON kajabi_events (contact_id, tag) WHERE status = 'PROCESSED'",
    # One first of the same bytes.
    "kajabi_events_body_key": "UNIQUE INDEX {} ON kajabi_events (body_sha256) WHERE duplicate_of IS NULL",
    "kajabi_events_contact_id_idx": "INDEX {} ON kajabi_events (contact_id, tag)",
    "kajabi_events_email_idx": "INDEX {} ON kajabi_events (email)",
    "kajabi_events_user_id_idx": "INDEX {} ON kajabi_events (user_id) WHERE user_id IS NOT NULL",
    "kajabi_events_duplicate_of_idx": "INDEX {} ON kajabi_events (duplicate_of) WHERE duplicate_of IS NOT NULL",
    "kajabi_events_next_attempt_at_idx": "INDEX {} ON kajabi_events (next_attempt_at) WHERE status = 'FAILED'",
    "clerk_events_user_id_idx": "INDEX {} ON clerk_events (user_id, event_type)",
    "clerk_events_created_at_idx": "INDEX {} ON clerk_events (created_at)",
}

TRIGGERS = (
    """CREATE TRIGGER kajabi_events_final BEFORE UPDATE ON kajabi_events
       FOR EACH ROW WHEN (OLD.status = 'PROCESSED') EXECUTE FUNCTION kajabi_final()""",
    # Only the reason leaves the rule, for erasures; see adjustment_reason_kept.
    "DROP TRIGGER point_adjustments_append_only ON point_adjustments",
    """CREATE TRIGGER point_adjustments_append_only
       BEFORE UPDATE OF id, user_id, activity_code, delta_points, created_by, created_at OR DELETE OR TRUNCATE
       ON point_adjustments FOR EACH STATEMENT EXECUTE FUNCTION append_only()""",
    """CREATE TRIGGER point_adjustments_reason_kept BEFORE UPDATE OF reason ON point_adjustments
       FOR EACH STATEMENT EXECUTE FUNCTION adjustment_reason_kept()""",
)

UNDO_TRIGGERS = (
    "DROP TRIGGER point_adjustments_reason_kept ON point_adjustments",
    "DROP TRIGGER point_adjustments_append_only ON point_adjustments",
    """CREATE TRIGGER point_adjustments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON point_adjustments
       FOR EACH STATEMENT EXECUTE FUNCTION append_only()""",
    "DROP TRIGGER kajabi_events_final ON kajabi_events",
)

FUNCTIONS = ("kajabi_store", "kajabi_standing", "kajabi_settle", "kajabi_final", "adjustment_reason_kept", "erase_user")


def upgrade() -> None:
    op.execute(CLERK_EVENTS)
    for name, definition in INDEXES.items():
        op.execute("CREATE " + definition.format(name))
    for name, rule in CHECKS.items():
        op.execute(f"ALTER TABLE kajabi_events ADD CONSTRAINT {name} CHECK ({rule})")
    for name in FUNCTIONS:
        create(op, name, 1)
    for statement in TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO_TRIGGERS:
        op.execute(statement)
    for name in reversed(FUNCTIONS):
        drop(op, name, 1)
    for name in CHECKS:
        op.execute(f"ALTER TABLE kajabi_events DROP CONSTRAINT {name}")
    for name in INDEXES:
        if name.startswith("kajabi_events"):
            op.execute(f"DROP INDEX {name}")
    op.execute("DROP TABLE clerk_events")
