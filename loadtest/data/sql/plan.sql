-- What the other files share: how much there is to be, and what follows from a number.
--
-- Nothing is drawn: every property of station 17 or of session 4711 is a function of that number, so
-- that sessions, their meter values and their events are made apart, by several connections, and
-- agree. All of it goes with the schema `fill` when the database is full.

DROP SCHEMA IF EXISTS fill CASCADE;
CREATE SCHEMA fill;

-- One row. Sessions began evenly between `began_at` and `ended_at`, apart from the time of day.
CREATE TABLE fill.plan (
    stations    integer NOT NULL,
    locations   integer NOT NULL,
    groups      integer NOT NULL,
    tokens      integer NOT NULL,
    sessions    bigint NOT NULL,
    days        integer NOT NULL,
    began_at    timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL
);

-- Indexes and constraints that are taken off a table while it is filled.
CREATE TABLE fill.set_aside (
    number     integer GENERATED ALWAYS AS IDENTITY,
    statement  text NOT NULL
);

-- Noise between 0 and 1, the same for the same number. Who needs several of one number gives each
-- another `salt`.
CREATE FUNCTION fill.noise(number bigint, salt bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(number, salt) & 9007199254740991)::double precision / 9007199254740992;

CREATE FUNCTION fill.one_of(words text[], share double precision) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN words[1 + floor(share * cardinality(words))::integer];

CREATE FUNCTION fill.station_id(number bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'CS-' || lpad(number::text, 6, '0');

-- Three of ten stations speak OCPP 2.0.1.
CREATE FUNCTION fill.ocpp_version(number bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN number % 10 < 7 THEN '1.6' ELSE '2.0.1' END;

-- Most stations have two EVSEs, some have four.
CREATE FUNCTION fill.evses(number bigint) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN number % 5 = 0 THEN 4 ELSE 2 END;

-- Seven bytes, like the UID of a card.
CREATE FUNCTION fill.id_token(number bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '04' || upper(lpad(to_hex(hashint8extended(number, 1) & 281474976710655), 12, '0'));

CREATE FUNCTION fill.group_id_token(number bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'FLEET-' || number;

-- Sessions by their numbers, from `first` up to, and without, `beyond`: numbers are in the order of
-- starts. Some stations and some drivers have far more than others, nights are quiet, and a charge
-- takes 37 minutes on average, which makes three meter values with one each quarter of an hour.
CREATE FUNCTION fill.sessions_between(first bigint, beyond bigint)
RETURNS TABLE (
    number          bigint,
    station_number  bigint,
    station_id      text,
    ocpp_version    text,
    transaction_id  text,
    evse_id         integer,
    id_token        text,
    started_at      timestamptz,
    duration_s      integer,
    power_w         integer,
    meter_start_wh  bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT number, station_number, fill.station_id(station_number),
           fill.ocpp_version(station_number),
           CASE WHEN fill.ocpp_version(station_number) = '1.6' THEN number::text
                ELSE lpad(to_hex(hashint8extended(number, 2)), 16, '0') END,
           1 + floor(fill.noise(number, 4) * fill.evses(station_number))::integer,
           fill.id_token(floor(tokens * power(fill.noise(number, 5), 1.4))::bigint),
           began_at + make_interval(secs => 86400 * (
               day + part - 0.6 * (sin(2 * pi() * (part + phase)) - sin(2 * pi() * phase))
               / (2 * pi())
           )),
           least(40000, 120 - 2220 * ln(1 - fill.noise(number, 6)))::integer,
           (ARRAY[3700, 7400, 11000, 11000, 22000, 50000])
               [1 + floor(fill.noise(number, 7) * 6)::integer],
           100000 * station_number % 90000000 + number * 40000 / greatest(1, stations)
    FROM (
        SELECT number, plan.*,
               floor(number::double precision * days / sessions) AS day,
               number::double precision * days / sessions
                   - floor(number::double precision * days / sessions) AS part,
               extract(epoch FROM ended_at)::bigint % 86400 / 86400.0::double precision AS phase,
               floor(stations * power(fill.noise(number, 3), 1.6))::bigint * 611953 % stations
                   AS station_number
        FROM fill.plan CROSS JOIN generate_series(first, beyond - 1) AS number
    ) AS numbered
$$;

-- Take off a table what makes adding rows slow, and keep how it is made again.
CREATE FUNCTION fill.take_off(filled regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    each record;
BEGIN
    FOR each IN
        SELECT index.relname AS name, pg_get_indexdef(indexrelid) AS definition,
               conname, pg_get_constraintdef(pg_constraint.oid) AS key
        FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
        LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = filled
        WHERE indrelid = filled
    LOOP
        IF each.conname IS NULL THEN
            EXECUTE format('DROP INDEX %I', each.name);
            INSERT INTO fill.set_aside (statement) VALUES (each.definition);
        ELSE
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', filled, each.conname);
            -- The index apart, as two are built at a time, and to add a constraint locks its table.
            INSERT INTO fill.set_aside (statement) VALUES (each.definition);
            INSERT INTO fill.keys (statement) VALUES (format(
                'ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I',
                filled, each.conname, split_part(each.key, ' (', 1), each.name
            ));
        END IF;
    END LOOP;
END
$$;

-- Constraints that are put on indexes when these are there.
CREATE TABLE fill.keys (
    number     integer GENERATED ALWAYS AS IDENTITY,
    statement  text NOT NULL
);
