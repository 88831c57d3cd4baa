"""API keys that are made and revoked while the API runs."""

from shared.store.migrations.statements import execute, refuse

revision = "0027"
down_revision = "0025"

STATEMENTS = (
    """
    CREATE TABLE api_keys (
        api_key_id uuid PRIMARY KEY DEFAULT uuidv7(),
        organization_id text NOT NULL REFERENCES organizations,
        name text NOT NULL,
        -- What people may see of it, to tell keys apart. It is no part of the secret.
        prefix text NOT NULL,
        -- SHA-256 of the whole key. 256 random bits cannot be guessed, however quick the hash is.
        key_hash bytea NOT NULL UNIQUE,
        scopes text[] NOT NULL,
        expires_at timestamptz,
        -- A minute late at most, and older if the process that knew better has died.
        last_used_at timestamptz,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX api_keys_by_organization ON api_keys (organization_id, api_key_id)",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
