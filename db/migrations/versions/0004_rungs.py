"""Keep what a failed try led to, and on which fallback of its workflow a try ran."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempt", sa.Column("fallback", sa.String(60), nullable=True))
    op.add_column("attempt", sa.Column("rung", sa.String(80), nullable=True))
