-- Sessions and what stations said of them; each function fills a range, and returns how many rows.

-- Nearly all are over and billable. Of 10,000 one was never ended by its station, five wait for a
-- person, and 30 were decided upon by one.
CREATE FUNCTION fill.sessions(first bigint, beyond bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH made AS (
        INSERT INTO sessions (
            session_id, station_id, evse_id, connector_id, transaction_id, transaction_id_issuer,
            ocpp_version, id_token, authorization_status, started_at, meter_start_wh, ended_at,
            meter_stop_wh, stopped_reason, ended_by, settle_at, settled_at, energy_wh,
            energy_method, needs_review, review_reasons, review_decision, reviewed_at, reviewed_by,
            reviewed_reasons, bill_at, bill_id_token, bill_energy_wh, bill_started_at,
            bill_ended_at, created_at, updated_at, id_token_rank, meter_start_rank, meter_stop_rank
        )
        SELECT uuidv7(started_at - clock_timestamp()), station_id, evse_id, 1, transaction_id,
               CASE WHEN ocpp_version = '1.6' THEN 'csms' ELSE 'station' END, ocpp_version,
               id_token, 'Accepted', started_at, meter_start_wh,
               CASE WHEN over THEN over_at END,
               CASE WHEN over THEN meter_start_wh + energy_wh
                    WHEN ocpp_version = '2.0.1' THEN meter_start_wh END,
               CASE WHEN over THEN fill.one_of('{EVDisconnected,EVDisconnected,Local,Remote}',
                                               fill.noise(number, 50)) END,
               CASE WHEN over THEN 'station' END,
               NULL,
               CASE WHEN over THEN over_at + interval '2 s' END,
               CASE WHEN over THEN energy_wh END,
               CASE WHEN over THEN 'registers' END,
               over AND judged < 0.0005,
               CASE WHEN over AND judged < 0.0035
                    THEN ARRAY[fill.one_of('{register_jumped,ends_differ,clock_implausible}',
                                           fill.noise(number, 51))] ELSE '{}' END,
               CASE WHEN over AND judged BETWEEN 0.0005 AND 0.0035 THEN 'accept' END,
               CASE WHEN over AND judged BETWEEN 0.0005 AND 0.0035
                    THEN over_at + interval '1 day' END,
               CASE WHEN over AND judged BETWEEN 0.0005 AND 0.0035 THEN 'operator' END,
               CASE WHEN over AND judged BETWEEN 0.0005 AND 0.0035
                    THEN ARRAY['register_jumped'] END,
               CASE WHEN billed THEN over_at + interval '2 s' END,
               CASE WHEN billed THEN id_token END,
               CASE WHEN billed THEN energy_wh END,
               CASE WHEN billed THEN started_at END,
               CASE WHEN billed THEN over_at END,
               started_at + interval '100 ms',
               CASE WHEN over THEN over_at + interval '2 s' ELSE started_at END,
               CASE WHEN ocpp_version = '2.0.1' THEN 0 END,
               CASE WHEN ocpp_version = '2.0.1' THEN 0 END,
               CASE WHEN ocpp_version = '2.0.1' THEN -1 END
        FROM (
            SELECT *, over AND judged >= 0.0005 AS billed
            FROM (
                SELECT made.*, started_at + make_interval(secs => duration_s) AS over_at,
                       started_at + make_interval(secs => duration_s) < ended_at
                           AND fill.noise(number, 52) >= 0.0001 AS over,
                       fill.noise(number, 53) AS judged,
                       power_w::bigint * duration_s / 3600 AS energy_wh
                FROM fill.plan CROSS JOIN fill.sessions_between(first, beyond) AS made
            ) AS lasting
        ) AS judged
        ORDER BY number
        RETURNING 1
    )
    SELECT count(*) FROM made
$$;

-- Of OCPP 2.0.1: the first and the last event of each transaction.
CREATE FUNCTION fill.transaction_events(first bigint, beyond bigint) RETURNS bigint
LANGUAGE sql AS $$
    WITH made AS (
        INSERT INTO transaction_events (
            station_id, transaction_id, seq_no, event_type, occurred_at, trigger_reason, offline,
            evse_id, connector_id, id_token, id_token_type, authorization_status, charging_state,
            stopped_reason, sampled_from, sampled_until, fingerprint, received_at
        )
        SELECT station_id, transaction_id, seq_no, event_type, occurred_at, trigger_reason, false,
               evse_id, 1, CASE WHEN seq_no = 0 THEN id_token END,
               CASE WHEN seq_no = 0 THEN 'ISO14443' END,
               CASE WHEN seq_no = 0 THEN 'Accepted' END,
               CASE WHEN seq_no = 0 THEN 'Charging' ELSE 'Idle' END,
               CASE WHEN seq_no = 1 THEN 'EVDisconnected' END, occurred_at, occurred_at,
               hashint8extended(number, seq_no), occurred_at + interval '100 ms'
        FROM (
            SELECT made.*, event.*, ended_at,
                   made.started_at + make_interval(secs => event.seq_no * duration_s) AS occurred_at
            FROM fill.plan CROSS JOIN fill.sessions_between(first, beyond) AS made
            CROSS JOIN (VALUES (0, 'Started', 'Authorized'), (1, 'Ended', 'EVDeparted'))
                AS event (seq_no, event_type, trigger_reason)
            WHERE made.ocpp_version = '2.0.1'
        ) AS told
        WHERE occurred_at < ended_at
        ORDER BY number, seq_no
        RETURNING 1
    )
    SELECT count(*) FROM made
$$;

-- The day that is `day` days after the first one, in a partition of its own. Rows stand in it in the
-- order in which they came, and its key is built when they are there.
CREATE FUNCTION fill.meter_values(day integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan fill.plan;
    from_at timestamptz;
    until_at timestamptz;
    name text;
    key text;
    made bigint;
BEGIN
    SELECT * INTO STRICT plan FROM fill.plan;
    from_at := date_trunc('day', plan.began_at, 'UTC') + make_interval(days => day);
    until_at := from_at + interval '1 day';
    name := 'meter_values_' || to_char(from_at AT TIME ZONE 'UTC', 'YYYYMMDD');
    SELECT pg_get_constraintdef(oid) INTO STRICT key FROM pg_constraint
    WHERE conrelid = 'meter_values'::regclass AND contype = 'p';
    -- One that the worker has made for today is empty, as no station has connected.
    EXECUTE format('DROP TABLE IF EXISTS %I', name);
    EXECUTE format(
        'CREATE TABLE %I (LIKE meter_values INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY)',
        name
    );
    EXECUTE format(
        $insert$
        INSERT INTO %I (station_id, evse_id, sampled_at, fingerprint, transaction_id, energy_wh,
                        samples, received_at)
        SELECT station_id, evse_id, sampled_at, hashint8extended(number, 60 + part),
               transaction_id, energy_wh, fill.samples(ocpp_version, energy_wh, power_w),
               sampled_at + interval '100 ms'
        FROM (
            SELECT made.*, part, started_at + part * interval '15 minutes' AS sampled_at,
                   meter_start_wh + power_w::bigint * part / 4 AS energy_wh
            FROM fill.sessions_between($1, $2) AS made
            CROSS JOIN LATERAL generate_series(0, duration_s / 900) AS part
        ) AS sampled
        WHERE sampled_at >= $3 AND sampled_at < $4
        ORDER BY sampled_at
        $insert$, name
    ) USING
        -- Those that began the day before may go on; numbers are counted from `began_at`.
        greatest(0, (day - 2) * plan.sessions / plan.days),
        least(plan.sessions, (day + 1) * plan.sessions / plan.days),
        from_at, least(until_at, plan.ended_at);
    GET DIAGNOSTICS made = ROW_COUNT;
    EXECUTE format('ALTER TABLE %I ADD %s', name, key);
    EXECUTE format(
        'ALTER TABLE meter_values ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, from_at, until_at
    );
    RETURN made;
END
$$;

-- By default a station of OCPP 1.6 tells its register alone; others tell more.
CREATE FUNCTION fill.samples(ocpp_version text, energy_wh bigint, power_w integer) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ocpp_version = '1.6' THEN format(
    '[{"value": "%s", "unit": "Wh", "context": "Sample.Periodic", "location": "Outlet",'
    ' "measurand": "Energy.Active.Import.Register"}]', energy_wh
) ELSE format(
    '[{"value": "%s", "unit": "Wh", "context": "Sample.Periodic", "location": "Outlet",'
    ' "measurand": "Energy.Active.Import.Register"},'
    ' {"value": "%s", "unit": "W", "context": "Sample.Periodic", "location": "Outlet",'
    ' "measurand": "Power.Active.Import"}]', energy_wh, power_w
) END::jsonb;

-- How connectors changed with the sessions of the last week.
CREATE FUNCTION fill.status_changes(first bigint, beyond bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH made AS (
        INSERT INTO connector_status_changes (station_id, evse_id, connector_id, status,
                                              reported_status, error_code, reported_at, received_at)
        SELECT station_id, evse_id, 1, status,
               CASE WHEN status = 'Occupied' AND ocpp_version = '1.6' THEN 'Charging'
                    ELSE status END,
               CASE WHEN ocpp_version = '1.6' THEN 'NoError' END, at, at
        FROM (
            SELECT made.*, status, ended_at,
                   made.started_at + make_interval(secs => ends * duration_s) AS at
            FROM fill.plan CROSS JOIN fill.sessions_between(first, beyond) AS made
            CROSS JOIN (VALUES ('Occupied', 0), ('Available', 1)) AS change (status, ends)
            WHERE made.started_at > ended_at - interval '7 days'
        ) AS changed
        WHERE at < ended_at
        ORDER BY at
        RETURNING 1
    )
    SELECT count(*) FROM made
$$;
