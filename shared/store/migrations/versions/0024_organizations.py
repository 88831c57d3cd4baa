"""Organizations: the operators of one installation."""

from shared.store.migrations.statements import execute, refuse

revision = "0024"
down_revision = "0023"

STATEMENTS = (
    """
    CREATE TABLE organizations (
        organization_id text PRIMARY KEY,
        -- Only the default one has none: all others stand below it.
        parent_id text REFERENCES organizations,
        name text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT organizations_have_one_root CHECK (
            (parent_id IS NULL) = (organization_id = 'default')
        ),
        CONSTRAINT organizations_are_not_above_themselves CHECK (parent_id <> organization_id)
    )
    """,
    "CREATE INDEX organizations_by_parent ON organizations (parent_id)",
    "INSERT INTO organizations (organization_id, name) VALUES ('default', 'Default')",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
