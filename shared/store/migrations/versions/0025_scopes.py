"""Whom things belong to: an organization, by a column of their own or by their station's."""

from shared.store.migrations.statements import execute, refuse

revision = "0025"
down_revision = "0024"

# A row that names no organization belongs to that of whoever makes it.
_OWNED = (
    "ADD COLUMN organization_id text NOT NULL DEFAULT own_organization() REFERENCES organizations"
)

STATEMENTS = (
    """
    CREATE FUNCTION own_organization() RETURNS text LANGUAGE sql STABLE
    RETURN coalesce(nullif(current_setting('voltaro.organization', true), ''), 'default')
    """,
    """
    CREATE FUNCTION organizations_in_scope() RETURNS text[] LANGUAGE sql STABLE
    RETURN current_setting('voltaro.organizations')::text[]
    """,
    # Since when it belongs to whom it belongs to: what was before is none of their business.
    f"""
    ALTER TABLE stations {_OWNED},
                ADD COLUMN organization_since timestamptz NOT NULL DEFAULT now()
    """,
    f"ALTER TABLE locations {_OWNED}",
    f"ALTER TABLE id_tokens {_OWNED}",
    f"ALTER TABLE id_token_groups {_OWNED}",
    f"ALTER TABLE files {_OWNED}",
    f"ALTER TABLE command_batches {_OWNED}",
    # That of the station when the session began. Without a foreign key: each session would look at
    # its organization, and to add it would read them all. Stations keep theirs from being deleted.
    "ALTER TABLE sessions ADD COLUMN organization_id text NOT NULL DEFAULT 'default'",
    "CREATE INDEX stations_by_organization ON stations (organization_id, station_id)",
    "CREATE INDEX locations_by_organization ON locations (organization_id, location_id)",
    "CREATE INDEX id_tokens_by_organization ON id_tokens (organization_id, id_token_key)",
    "CREATE INDEX id_token_groups_by_organization ON id_token_groups (organization_id, group_key)",
    "CREATE INDEX files_by_organization ON files (organization_id, file_id)",
    "CREATE INDEX command_batches_by_organization ON command_batches (organization_id, batch_id)",
    # Whose tokens a local list holds follows from where its station's organization stands.
    """
    CREATE TRIGGER raise_authorization_revision_of_organization
    AFTER UPDATE OF organization_id ON stations
    FOR EACH STATEMENT EXECUTE FUNCTION raise_authorization_revision()
    """,
    """
    CREATE TRIGGER raise_authorization_revision AFTER UPDATE OF parent_id ON organizations
    FOR EACH STATEMENT EXECUTE FUNCTION raise_authorization_revision()
    """,
    # With its owner's rights, a view would show everything to everybody.
    "ALTER VIEW all_transaction_events SET (security_invoker = true)",
    # No two stations may be called alike in certificates, whoever they belong to. It tells no more
    # than a station id that is taken.
    """
    CREATE FUNCTION is_called_like_another(text, text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    BEGIN ATOMIC
        SELECT EXISTS (
            SELECT FROM stations
            WHERE station_id <> $1
              AND (certificate_serial_number IN ($1, $2) OR station_id = $2)
        );
    END
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
