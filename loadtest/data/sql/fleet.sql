-- Stations and what is known of them; who may charge where.

INSERT INTO locations (location_id, name)
SELECT 'LOC-' || number, 'Car park ' || number
FROM fill.plan CROSS JOIN generate_series(1, locations) AS number;

INSERT INTO id_token_groups (group_key, group_id_token, name, status)
SELECT lower(fill.group_id_token(number)), fill.group_id_token(number), 'Fleet ' || number,
       CASE WHEN number % 50 = 0 THEN 'Blocked' ELSE 'Accepted' END
FROM fill.plan CROSS JOIN generate_series(1, groups) AS number;

INSERT INTO id_tokens (id_token_key, id_token, type, status, group_id_token)
SELECT lower(fill.id_token(number)), fill.id_token(number), 'ISO14443',
       CASE WHEN fill.noise(number, 20) < 0.02 THEN 'Blocked' ELSE 'Accepted' END,
       CASE WHEN number % 3 = 0
            THEN fill.group_id_token(1 + floor(groups * fill.noise(number, 21))::bigint) END
FROM fill.plan CROSS JOIN generate_series(0::bigint, tokens - 1) AS number
ON CONFLICT DO NOTHING;

-- A pod that lives for as long as anybody looks, so that nobody puts its stations offline.
INSERT INTO pods (pod_id, pod_name, lease_expires_at)
VALUES ('gateway-fill-000000', 'gateway-fill', now() + interval '7 days');

INSERT INTO stations (
    station_id, name, security_profile, password_hash, ocpp_version, vendor, model, serial_number,
    firmware_version, booted_at, online, epoch, pod_id, connection_id, connected_at,
    disconnected_at, created_at, updated_at, location_id
)
SELECT fill.station_id(number), 'Station ' || number, 1,
       -- As long as a real one; no password has it.
       rpad('$argon2id$v=19$m=19456,t=2,p=1$' || md5(number::text), 97, md5(number::text)),
       fill.ocpp_version(number), 'Vendor ' || vendor, 'Model ' || vendor || '-' || number % 3,
       'SN' || lpad(number::text, 9, '0'),
       -- Most run the newest version, few an old one, and one in two thousand a trial.
       CASE WHEN fill.noise(number, 31) < 0.0005 THEN '9.0.0-rc1'
            ELSE '1.' || floor(8 * sqrt(fill.noise(number, 32)))::integer || '.0' END,
       connected_at, online, number + 1, CASE WHEN online THEN 'gateway-fill-000000' END,
       md5(number::text), connected_at, CASE WHEN NOT online THEN connected_at + interval '9 h' END,
       began_at - interval '100 days', connected_at,
       CASE WHEN number % 10 <> 9
            THEN 'LOC-' || 1 + floor(locations * fill.noise(number, 33))::integer END
FROM (
    SELECT plan.*, number, 1 + floor(12 * power(fill.noise(number, 30), 2))::integer AS vendor,
           fill.noise(number, 34) < 0.95 AS online,
           ended_at - make_interval(secs => 60 + 500000 * fill.noise(number, 35)) AS connected_at
    FROM fill.plan CROSS JOIN generate_series(0::bigint, stations - 1) AS number
) AS numbered;

-- Epochs go on above those that were given out here.
SELECT setval('station_epochs', (SELECT max(epoch) + 1 FROM stations), false);

INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status, error_code,
                        epoch, reported_at, received_at)
SELECT fill.station_id(station), evse, least(evse, 1), status,
       CASE WHEN status = 'Occupied' AND station % 10 < 7 THEN 'Charging' ELSE status END,
       CASE WHEN status = 'Faulted' THEN 'GroundFailure'
            WHEN station % 10 < 7 THEN 'NoError' END,
       station + 1, ended_at - interval '1 h', ended_at - interval '1 h'
FROM (
    SELECT station, evse, ended_at,
           CASE WHEN evse = 0 THEN 'Available'
                WHEN fill.noise(8 * station + evse, 40) < 0.80 THEN 'Available'
                WHEN fill.noise(8 * station + evse, 40) < 0.95 THEN 'Occupied'
                WHEN fill.noise(8 * station + evse, 40) < 0.98 THEN 'Unavailable'
                ELSE 'Faulted' END AS status
    FROM fill.plan CROSS JOIN generate_series(0::bigint, stations - 1) AS station
    -- Connector 0, the station itself, is of OCPP 1.6.
    CROSS JOIN LATERAL generate_series(
        CASE WHEN fill.ocpp_version(station) = '1.6' THEN 0 ELSE 1 END, fill.evses(station)
    ) AS evse
) AS told;

INSERT INTO station_connections (station_id, epoch, pod_id, connection_id, ocpp_version,
                                 connected_at, disconnected_at, last_heard_at, reason)
SELECT fill.station_id(station), -connection, 'gateway-fill-000000', md5(station || '-' || connection),
       fill.ocpp_version(station), ended_at - (connection + 1) * interval '9 days',
       ended_at - (connection + 1) * interval '9 days' + interval '8 days 23 hours',
       ended_at - (connection + 1) * interval '9 days' + interval '8 days 23 hours',
       'connection_lost'
FROM fill.plan CROSS JOIN generate_series(0::bigint, stations - 1) AS station
CROSS JOIN generate_series(1, 9) AS connection;

INSERT INTO station_connections (station_id, epoch, pod_id, connection_id, ocpp_version,
                                 connected_at)
SELECT station_id, epoch, pod_id, connection_id, ocpp_version, connected_at
FROM stations WHERE online;

INSERT INTO configuration_keys (station_id, key, known, value, read_only, secret, told_at)
SELECT fill.station_id(station), 'Key' || key, true, (station * key % 1000)::text, key % 4 = 0,
       false, ended_at - interval '1 day'
FROM fill.plan CROSS JOIN generate_series(0::bigint, stations - 1) AS station
CROSS JOIN generate_series(1, 30) AS key
WHERE fill.ocpp_version(station) = '1.6';

INSERT INTO station_variables (station_id, component, variable, attribute_type, value, mutability,
                               persistent, constant, data_type, request_id, epoch, generated_at)
SELECT fill.station_id(station), 'Component' || variable / 6, 'Variable' || variable, 'Actual',
       (station * variable % 1000)::text, 'ReadWrite', true, false, 'integer', 1, station + 1,
       ended_at - interval '1 day'
FROM fill.plan CROSS JOIN generate_series(0::bigint, stations - 1) AS station
CROSS JOIN generate_series(1, 30) AS variable
WHERE fill.ocpp_version(station) = '2.0.1';
