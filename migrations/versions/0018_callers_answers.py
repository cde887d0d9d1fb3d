"""No answer is kept for who has been erased meanwhile; answers about them go, whoever was staff when they were given.

Revision ID: 0018
Revises: 0016
"""

from alembic import op

from elevate_api.kit.sqlfiles import create, drop, replace

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    replace(op, "erase_user", old=3, new=4)
    create(op, "idempotency_keys_before_insert", 1)
    op.execute(
        """CREATE TRIGGER idempotency_keys_before_insert BEFORE INSERT ON idempotency_keys
           FOR EACH ROW EXECUTE FUNCTION idempotency_keys_before_insert()"""
    )
    # What such a request has left before.
    op.execute("DELETE FROM idempotency_keys k USING users u WHERE u.id = k.user_id AND u.erased_at IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP TRIGGER idempotency_keys_before_insert ON idempotency_keys")
    drop(op, "idempotency_keys_before_insert", 1)
    replace(op, "erase_user", old=4, new=3)
