-- What is asked for: some of everything, spread evenly over what there is. `$1` is how many.
SELECT jsonb_build_object(
    'stations', (
        SELECT jsonb_agg(station_id) FROM (
            SELECT station_id FROM stations ORDER BY hashtext(station_id) LIMIT $1
        ) AS station
    ),
    'locations', (
        SELECT jsonb_agg(location_id) FROM (
            SELECT location_id FROM locations ORDER BY hashtext(location_id) LIMIT $1
        ) AS location
    ),
    'models', (
        SELECT jsonb_agg(jsonb_build_object('vendor', vendor, 'model', model))
        FROM (SELECT DISTINCT vendor, model FROM stations) AS model
    ),
    'sessions', (
        SELECT jsonb_agg(jsonb_build_object('session_id', session_id, 'id_token', id_token))
        FROM (
            SELECT session_id, id_token
            FROM stations JOIN LATERAL (
                SELECT session_id, id_token FROM sessions
                WHERE sessions.station_id = stations.station_id
                ORDER BY session_id DESC OFFSET 3 LIMIT 1
            ) AS session ON true
            ORDER BY hashtext(stations.station_id) LIMIT $1
        ) AS session
    )
)
