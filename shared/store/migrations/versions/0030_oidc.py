"""Users who come from an OpenID provider, and their sessions there."""

from shared.store.migrations.statements import execute, refuse

revision = "0030"
down_revision = "0029"

STATEMENTS = (
    # Who the provider says it is: the two that never change, and that nobody can choose. Such users
    # are not looked for by an address, which may be that of somebody else here.
    """
    ALTER TABLE users ADD COLUMN oidc_issuer text,
                      ADD COLUMN oidc_subject text,
                      ALTER COLUMN email_key DROP NOT NULL
    """,
    "CREATE UNIQUE INDEX users_by_oidc_subject ON users (oidc_issuer, oidc_subject)",
    # What the provider calls the session that this one came from, and what says so there.
    """
    ALTER TABLE user_sessions ADD COLUMN oidc_session_id text,
                              ADD COLUMN oidc_id_token text
    """,
    """
    CREATE INDEX user_sessions_by_oidc_session ON user_sessions (oidc_session_id)
        WHERE oidc_session_id IS NOT NULL
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
