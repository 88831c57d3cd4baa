"""API keys that stand on the rights of whoever made them."""

from shared.store.migrations.statements import execute, refuse

revision = "0043"
down_revision = "0042"

STATEMENTS = (
    # Who is behind a key: no key does more than they do. A key goes with them. None of those of the
    # environment, and none of keys that older code has made.
    """
    ALTER TABLE api_keys ADD COLUMN created_by_user_id uuid REFERENCES users ON DELETE CASCADE
    """,
    "CREATE INDEX api_keys_by_maker ON api_keys (created_by_user_id)",
    # What they are now where a key is: nothing if they may not sign in, or are not seen there any
    # more. With the rights of the tables' owner: who made a key may stand above who looks at it.
    """
    CREATE FUNCTION role_of_maker(maker uuid, place text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    BEGIN ATOMIC
        WITH RECURSIVE above AS (
            SELECT organization_id, parent_id FROM organizations WHERE organization_id = place
            UNION ALL
            SELECT parent.organization_id, parent.parent_id
            FROM organizations AS parent JOIN above ON parent.organization_id = above.parent_id
        )
        SELECT coalesce(
            (SELECT role FROM users
             WHERE user_id = maker AND NOT disabled
               AND organization_id IN (SELECT organization_id FROM above)),
            '');
    END
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
