-- What people did, and what they have to look at; comes after the sessions.

-- The next transaction of OCPP 1.6 follows those that are there.
SELECT setval('transaction_ids', sessions) FROM fill.plan;

-- Ten commands per station, of which few failed. None waits: nobody is there to take it.
INSERT INTO commands (command_id, station_id, type, params, state, expires_at, created_at, sent_at,
                      finished_at, pod_id, status, response)
SELECT uuidv7(created_at - clock_timestamp()), fill.station_id(station),
       fill.one_of('{TriggerMessage,RemoteStart,RemoteStop,GetConfiguration,Reset}',
                   fill.noise(number, 70)),
       '{}',
       CASE WHEN fill.noise(number, 71) < 0.96 THEN 'accepted'
            WHEN fill.noise(number, 71) < 0.99 THEN 'rejected' ELSE 'timed_out' END,
       created_at + interval '30 s', created_at, created_at, created_at + interval '200 ms',
       'gateway-fill-000000',
       CASE WHEN fill.noise(number, 71) < 0.96 THEN 'Accepted'
            WHEN fill.noise(number, 71) < 0.99 THEN 'Rejected' END,
       CASE WHEN fill.noise(number, 71) < 0.96 THEN '{"status": "Accepted"}'::jsonb END
FROM (
    SELECT number, floor(stations * fill.noise(number, 72))::bigint AS station,
           began_at + (ended_at - began_at) * (number::double precision / (10 * stations))
               AS created_at
    FROM fill.plan CROSS JOIN generate_series(0::bigint, 10 * stations - 1) AS number
) AS numbered
ORDER BY number;

-- What people decided, and what made them look.
INSERT INTO session_history (session_id, kind, detail, occurred_at)
SELECT session_id, 'needs_review', jsonb_build_object('reasons', review_reasons), settled_at
FROM sessions WHERE review_reasons <> '{}';

-- Ends of transactions that nobody knows; a third waits for somebody.
INSERT INTO dead_letters (dead_letter_id, station_id, kind, reason, fact, fingerprint, received_at,
                          status, decided_at, decided_by)
SELECT uuidv7(received_at - clock_timestamp()), fill.station_id(station), 'TransactionEnded',
       'the station has no transaction with this id',
       format('TransactionEnded(station_id=''%s'', transaction_id=''%s'')',
              fill.station_id(station), number),
       number, received_at,
       CASE WHEN number % 3 = 0 THEN 'open' ELSE 'dismissed' END,
       CASE WHEN number % 3 <> 0 THEN received_at + interval '1 day' END,
       CASE WHEN number % 3 <> 0 THEN 'operator' END
FROM (
    SELECT number, floor(stations * fill.noise(number, 80))::bigint AS station,
           began_at + (ended_at - began_at) * (number::double precision / letters) AS received_at
    FROM (SELECT *, greatest(10, sessions / 2000) AS letters FROM fill.plan) AS plan
    CROSS JOIN LATERAL generate_series(0::bigint, letters - 1) AS number
) AS numbered
ORDER BY number;

-- Yesterday and today of the OCPP log.
SELECT attach_daily_partition('ocpp_log', (ended_at AT TIME ZONE 'UTC')::date - day)
FROM fill.plan CROSS JOIN generate_series(0, 1) AS day;

INSERT INTO ocpp_log (called_at, station_id, ocpp_version, direction, action, message_id, outcome,
                      latency_us, request, response, pod_id)
SELECT called_at, fill.station_id(station), fill.ocpp_version(station), 'from_station', action,
       md5(number::text),
       CASE WHEN fill.noise(number, 90) < 0.002 THEN 'CallError' ELSE 'CallResult' END, 2100,
       format('[2,"%s","%s",{"connectorId":1,"status":"Charging","errorCode":"NoError"}]',
              md5(number::text), action),
       format('[3,"%s",{}]', md5(number::text)), 'gateway-fill-000000'
FROM (
    SELECT number, floor(stations * fill.noise(number, 91))::bigint AS station,
           fill.one_of('{Heartbeat,Heartbeat,MeterValues,StatusNotification,Authorize}',
                       fill.noise(number, 92)) AS action,
           ended_at - (ended_at - date_trunc('day', ended_at, 'UTC') + interval '1 day')
               * (1 - number::double precision / (20 * stations)) AS called_at
    FROM fill.plan CROSS JOIN generate_series(0::bigint, 20 * stations - 1) AS number
) AS numbered
ORDER BY number;
