"""The audit log: who changed what through the API, in a schema that can belong to somebody else.

Whoever owns a schema may drop what is in it, so that one of its own is needed for the log to be out
of the application's reach (`shared/store/accounts/audit_ownership.py`). The functions that write it
and drop its months have the rights of its owner, and nobody else has any but to read.
"""

from shared.store.migrations.statements import execute, refuse

revision = "0029"
down_revision = "0028"

STATEMENTS = (
    "CREATE SCHEMA audit",
    """
    CREATE TABLE audit.entries (
        entry_id uuid NOT NULL DEFAULT uuidv7(),
        occurred_at timestamptz NOT NULL DEFAULT now(),
        action text NOT NULL,
        resource text NOT NULL,
        resource_id text NOT NULL,
        -- Whose thing it is. No key: an entry outlives what it is about.
        organization_id text NOT NULL,
        before jsonb,
        after jsonb,
        principal_kind text NOT NULL,
        principal_id text NOT NULL,
        principal_name text NOT NULL,
        principal_organization_id text NOT NULL,
        request_id text,
        address text
    ) PARTITION BY RANGE (occurred_at)
    """,
    "CREATE INDEX entries_by_time ON audit.entries (occurred_at, entry_id)",
    "CREATE INDEX entries_by_id ON audit.entries (entry_id)",
    """
    CREATE INDEX entries_by_resource
        ON audit.entries (resource, resource_id, occurred_at, entry_id)
    """,
    "CREATE INDEX entries_by_principal ON audit.entries (principal_id, occurred_at, entry_id)",
    """
    CREATE INDEX entries_by_organization
        ON audit.entries (organization_id, occurred_at, entry_id)
    """,
    "CREATE INDEX entries_by_request ON audit.entries (request_id)",
    # Whoever has no policy on stations is who runs the installation, and sees everything.
    """
    CREATE POLICY scope ON audit.entries FOR SELECT USING (
        (SELECT NOT row_security_active('public.stations'))
        OR organization_id
           = ANY (nullif(current_setting('voltaro.organizations', true), '')::text[])
    )
    """,
    "ALTER TABLE audit.entries ENABLE ROW LEVEL SECURITY",
    # The last line, for whoever has the privileges all the same, as a superuser has.
    """
    CREATE FUNCTION audit.refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        RAISE insufficient_privilege USING MESSAGE =
            'the audit log is only added to: audit.drop_months_before() takes whole months away';
    END
    $$
    """,
    """
    CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON audit.entries
    FOR EACH ROW EXECUTE FUNCTION audit.refuse_change()
    """,
    """
    CREATE TRIGGER entries_stay_together BEFORE TRUNCATE ON audit.entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()
    """,
    "REVOKE UPDATE, DELETE, TRUNCATE ON audit.entries FROM CURRENT_USER",
    # Returns false if somebody holds a lock on the log; the next run makes what is missing.
    """
    CREATE FUNCTION audit.make_months(first_day date, months integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
    DECLARE
        first date := date_trunc('month', first_day::timestamp)::date;
        month date;
        name text;
    BEGIN
        FOR n IN 0 .. months - 1 LOOP
            month := (first + make_interval(months => n))::date;
            name := 'entries_' || to_char(month, 'YYYYMM');
            CONTINUE WHEN to_regclass('audit.' || name) IS NOT NULL;
            EXECUTE format(
                'CREATE TABLE audit.%I (LIKE audit.entries INCLUDING ALL)', name);
            EXECUTE format(
                'REVOKE UPDATE, DELETE, TRUNCATE ON audit.%I FROM CURRENT_USER', name);
            EXECUTE format(
                'CREATE TRIGGER entries_stay_together BEFORE TRUNCATE ON audit.%I '
                'FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', name);
            EXECUTE format(
                'ALTER TABLE audit.entries ATTACH PARTITION audit.%I FOR VALUES FROM (%L) TO (%L)',
                name,
                month::timestamp AT TIME ZONE 'UTC',
                (month + interval '1 month') AT TIME ZONE 'UTC');
        END LOOP;
        RETURN true;
    EXCEPTION
        WHEN lock_not_available OR duplicate_table OR unique_violation THEN
            RAISE NOTICE 'the audit log is in use, and gets its months later';
            RETURN false;
    END
    $$
    """,
    # The only way that entries go, and by whole months. Whoever has the application's login may
    # call it, so that it never takes away what is younger than thirty days.
    """
    CREATE FUNCTION audit.drop_months_before(day date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
    DECLARE
        name text;
        dropped integer := 0;
    BEGIN
        IF day > (now() AT TIME ZONE 'UTC')::date - 30 THEN
            RAISE insufficient_privilege USING MESSAGE =
                'entries of the last thirty days are never dropped';
        END IF;
        FOR name IN
            SELECT child.relname FROM pg_inherits
            JOIN pg_class AS child ON child.oid = inhrelid
            WHERE inhparent = 'audit.entries'::regclass
              AND child.relname ~ '^entries_[0-9]{6}$'
              AND right(child.relname, 6) < to_char(day, 'YYYYMM')
            ORDER BY 1
        LOOP
            BEGIN
                EXECUTE format('DROP TABLE audit.%I', name);
                dropped := dropped + 1;
            EXCEPTION WHEN lock_not_available THEN
                RAISE NOTICE '% is in use, and is dropped later', name;
            END;
        END LOOP;
        RETURN dropped;
    END
    $$
    """,
    # A month that no worker has made in time is made here: attaching one stops nobody who writes.
    """
    CREATE FUNCTION audit.record(
        action text, resource text, resource_id text, organization_id text, before jsonb,
        after jsonb, principal jsonb, request_id text, address text
    ) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF to_regclass('audit.entries_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')) IS NULL THEN
            PERFORM audit.make_months((now() AT TIME ZONE 'UTC')::date, 1);
        END IF;
        INSERT INTO audit.entries (action, resource, resource_id, organization_id, before, after,
                                   principal_kind, principal_id, principal_name,
                                   principal_organization_id, request_id, address)
        VALUES (action, resource, resource_id, organization_id, before, after,
                principal ->> 'kind', principal ->> 'principal_id', principal ->> 'name',
                principal ->> 'organization_id', nullif(request_id, ''), nullif(address, ''));
    END
    $$
    """,
    """
    REVOKE EXECUTE ON FUNCTION audit.make_months, audit.drop_months_before, audit.record FROM PUBLIC
    """,
    # What a column holds as it may be seen in the log: nothing of a secret, and of what is very
    # long how long it is.
    """
    CREATE FUNCTION audited_value(value jsonb, is_secret boolean) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    RETURN CASE
        WHEN value IS NULL OR value = 'null' THEN 'null'
        WHEN is_secret THEN '"(redacted)"'
        WHEN octet_length(value::text) > 16384
            THEN to_jsonb(format('(%s bytes)', octet_length(value::text)))
        ELSE value
    END
    """,
    # Told by its trigger: the resource, the word for a new row, the columns that make its id, those
    # that are shown and those that are secrets. What is named in neither is not looked at. With the
    # rights of whoever changes the row, who therefore sees its station.
    """
    CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
        new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
        thing jsonb;
        key text;
        owner text;
        before jsonb;
        after jsonb;
    BEGIN
        -- What is shown of a command that holds secrets stands beside it.
        IF old_row ->> 'redacted_params' IS NOT NULL THEN
            old_row := jsonb_set(old_row, '{params}', old_row -> 'redacted_params');
        END IF;
        IF new_row ->> 'redacted_params' IS NOT NULL THEN
            new_row := jsonb_set(new_row, '{params}', new_row -> 'redacted_params');
        END IF;
        SELECT jsonb_object_agg(name, audited_value(old_row -> name, is_secret)),
               jsonb_object_agg(name, audited_value(new_row -> name, is_secret))
        INTO before, after
        FROM (SELECT unnest(TG_ARGV[3]::text[]) AS name, false AS is_secret
              UNION ALL SELECT unnest(TG_ARGV[4]::text[]), true) AS looked_at
        WHERE coalesce(old_row -> name, 'null') <> coalesce(new_row -> name, 'null');
        IF TG_OP = 'UPDATE' AND after IS NULL THEN
            RETURN NULL;
        END IF;
        thing := coalesce(new_row, old_row);
        SELECT string_agg(thing ->> name, '/' ORDER BY place) INTO key
        FROM unnest(TG_ARGV[2]::text[]) WITH ORDINALITY AS part (name, place);
        owner := thing ->> 'organization_id';
        IF owner IS NULL THEN
            SELECT organization_id INTO owner FROM stations
            WHERE station_id = thing ->> 'station_id';
        END IF;
        PERFORM audit.record(
            CASE TG_OP WHEN 'INSERT' THEN TG_ARGV[1] WHEN 'UPDATE' THEN 'changed'
                       ELSE 'deleted' END,
            TG_ARGV[0], key, coalesce(owner, 'default'),
            CASE WHEN TG_OP <> 'INSERT' THEN before END,
            CASE WHEN TG_OP <> 'DELETE' THEN after END,
            current_setting('voltaro.principal')::jsonb,
            current_setting('voltaro.request_id', true),
            current_setting('voltaro.address', true));
        RETURN NULL;
    END
    $$
    """,
    "SELECT audit.make_months((now() AT TIME ZONE 'UTC')::date, 2)",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
