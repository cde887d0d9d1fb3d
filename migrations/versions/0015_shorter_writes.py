"""Submitting and deciding with a quicker fingerprint of evidence.

Revision ID: 0015
Revises: 0014
"""

from alembic import op

from elevate_api.kit.sqlfiles import replace

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

REPLACED = {"evidence_text": 2}
"""By the version that is put in; the one before it comes back."""


def upgrade() -> None:
    for name, version in REPLACED.items():
        replace(op, name, old=version - 1, new=version)


def downgrade() -> None:
    for name, version in reversed(REPLACED.items()):
        replace(op, name, old=version, new=version - 1)
