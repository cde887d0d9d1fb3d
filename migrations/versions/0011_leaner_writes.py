"""Submitting, deciding and webhooks at less cost.

Notes for folds are written once a statement, by triggers that see all of its rows.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

from elevate_api.kit.sqlfiles import replace

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ROW_TRIGGERS = (
    """CREATE TRIGGER earned_badges_note AFTER INSERT OR UPDATE ON earned_badges
       FOR EACH ROW EXECUTE FUNCTION note_badge_change()""",
    """CREATE TRIGGER submissions_note_insert AFTER INSERT ON submissions
       FOR EACH ROW EXECUTE FUNCTION note_submission_change()""",
    """CREATE TRIGGER submissions_note_update AFTER UPDATE ON submissions FOR EACH ROW
       WHEN ((OLD.user_id, OLD.activity_code, OLD.status, OLD.created_at, OLD.reviewed_at, OLD.peers_trained,
              OLD.students_trained) IS DISTINCT FROM
             (NEW.user_id, NEW.activity_code, NEW.status, NEW.created_at, NEW.reviewed_at, NEW.peers_trained,
              NEW.students_trained))
       EXECUTE FUNCTION note_submission_change()""",
)
STATEMENT_TRIGGERS = (
    """CREATE TRIGGER earned_badges_note_insert AFTER INSERT ON earned_badges REFERENCING NEW TABLE AS after
       FOR EACH STATEMENT EXECUTE FUNCTION note_badge_change()""",
    """CREATE TRIGGER earned_badges_note_update AFTER UPDATE ON earned_badges REFERENCING NEW TABLE AS after
       FOR EACH STATEMENT EXECUTE FUNCTION note_badge_change()""",
    """CREATE TRIGGER submissions_note_insert AFTER INSERT ON submissions REFERENCING NEW TABLE AS after
       FOR EACH STATEMENT EXECUTE FUNCTION note_submission_change()""",
    """CREATE TRIGGER submissions_note_update AFTER UPDATE ON submissions
       REFERENCING OLD TABLE AS before NEW TABLE AS after
       FOR EACH STATEMENT EXECUTE FUNCTION note_submission_change()""",
)
REPLACED = (
    "payload_count",
    "note_submission_change",
    "note_badge_change",
    "submissions_before_insert",
    "grant_badges",
    "judge_decision",
    "decide_submission",
    "review_submission",
    "kajabi_process",
)


def upgrade() -> None:
    _drop(ROW_TRIGGERS)
    for name in REPLACED:
        replace(op, name, old=1, new=2)
    for statement in STATEMENT_TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    _drop(STATEMENT_TRIGGERS)
    for name in reversed(REPLACED):
        replace(op, name, old=2, new=1)
    for statement in ROW_TRIGGERS:
        op.execute(statement)


def _drop(triggers: tuple[str, ...]) -> None:
    for statement in triggers:
        words = statement.split()
        op.execute(f"DROP TRIGGER {words[2]} ON {words[words.index('ON') + 1]}")
