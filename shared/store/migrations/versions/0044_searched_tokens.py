"""Searches by token for those who do not see everything: by an index, as for those who do.

Postgres uses no index for a condition that could tell of rows behind a policy, unless all its
functions are leakproof, and lower() is not: an organization read all sessions of the installation
to find one of a token. These views have their owner's rights, so that no policy stands before what
is searched, and their own condition says whose rows they show.
"""

from shared.store.migrations.statements import execute, refuse

revision = "0044"
down_revision = "0043"

# Whoever no policy concerns runs the installation, and sees everything.
_SEES_ALL = "(SELECT NOT row_security_active('public.sessions'))"
_IN_SCOPE = """
    organization_id = ANY (nullif(current_setting('voltaro.organizations', true), '')::text[])
"""

STATEMENTS = (
    f"""
    CREATE VIEW searched_sessions AS
    SELECT *, lower(id_token) AS id_token_key FROM sessions
    WHERE id_token IS NOT NULL AND ({_SEES_ALL} OR {_IN_SCOPE})
    """,  # noqa: S608 - constants
    f"""
    CREATE VIEW searched_authorizations AS
    SELECT *, lower(id_token) AS id_token_key FROM authorizations
    WHERE {_SEES_ALL} OR EXISTS (
        SELECT FROM stations
        WHERE station_id = authorizations.station_id AND organization_since <= decided_at
          AND {_IN_SCOPE})
    """,  # noqa: S608 - constants
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
