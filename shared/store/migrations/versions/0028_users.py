"""Users, their sessions, and the links that invite them."""

from shared.store.migrations.statements import execute, refuse

revision = "0028"
down_revision = "0027"

STATEMENTS = (
    """
    CREATE TABLE users (
        user_id uuid PRIMARY KEY DEFAULT uuidv7(),
        organization_id text NOT NULL REFERENCES organizations,
        email text NOT NULL,
        -- As it is looked for: without letter case. One person is one user of the installation.
        email_key text NOT NULL UNIQUE,
        name text NOT NULL,
        role text NOT NULL,
        disabled boolean NOT NULL DEFAULT false,
        -- Argon2id with its parameters; none before an invitation was taken up, and for those who
        -- come from elsewhere.
        password_hash text,
        -- Encrypted: who has a copy of the database alone makes no codes with it.
        totp_secret text,
        totp_confirmed boolean NOT NULL DEFAULT false,
        -- The last step of which a code was taken: none is taken twice.
        totp_last_step bigint,
        -- SHA-256 of codes with 80 random bits.
        recovery_code_hashes bytea[] NOT NULL DEFAULT '{}',
        last_login_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX users_by_organization ON users (organization_id, user_id)",
    """
    CREATE TABLE user_sessions (
        user_session_id uuid PRIMARY KEY DEFAULT uuidv7(),
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        organization_id text NOT NULL REFERENCES organizations,
        -- SHA-256 of what the cookie holds.
        token_hash bytea NOT NULL UNIQUE,
        address text,
        user_agent text,
        last_used_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX user_sessions_by_user ON user_sessions (user_id, user_session_id)",
    "CREATE INDEX user_sessions_by_expiry ON user_sessions (expires_at)",
    """
    CREATE TABLE account_links (
        account_link_id uuid PRIMARY KEY DEFAULT uuidv7(),
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        organization_id text NOT NULL REFERENCES organizations,
        purpose text NOT NULL,
        -- SHA-256 of what the link holds. One that is to be mailed has none until it is: the worker
        -- makes it anew with each try, so that no token stands here that still opens anything.
        token_hash bytea UNIQUE,
        expires_at timestamptz NOT NULL,
        -- When it is to be mailed; null once that is done, or given up, or was never wanted.
        mail_at timestamptz,
        mail_failures int NOT NULL DEFAULT 0,
        mail_error text,
        mailed_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX account_links_by_user ON account_links (user_id, purpose)",
    "CREATE INDEX account_links_by_expiry ON account_links (expires_at)",
    "CREATE INDEX account_links_to_mail ON account_links (mail_at) WHERE mail_at IS NOT NULL",
    # Not of an organization: an address is anybody's, and an account may be nobody's.
    """
    CREATE TABLE login_attempts (
        -- SHA-256 of an address, an account, or both together.
        attempt_key bytea PRIMARY KEY,
        failures int NOT NULL DEFAULT 0,
        last_failed_at timestamptz,
        last_succeeded_at timestamptz,
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX login_attempts_by_age ON login_attempts (updated_at)",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
