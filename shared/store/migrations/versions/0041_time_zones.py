"""In which time zone a location is: people there are told times of their own clock."""

from shared.store.migrations.statements import execute, refuse

revision = "0041"
down_revision = "0040"

STATEMENTS = ("ALTER TABLE locations ADD COLUMN time_zone text",)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
