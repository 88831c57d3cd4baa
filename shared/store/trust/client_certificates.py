"""Which client certificates are whose: issued to a station, or pinned to it by an operator."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

import asyncpg

from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.trust.certificates import (
    CertificateBelonging,
    CertificateOrigin,
    CertificateSignedAnswered,
    ClientCertificate,
    PresentedCertificate,
)
from shared.store import station_names
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database
from shared.store.station_names import OBJECTION

_IDS = frozenset({"client_certificate_id", "signing_request_id"})
_COLUMNS = ", ".join(
    f"{field.name}::text" if field.name in _IDS else field.name
    for field in fields(ClientCertificate)
)


def _certificate(record: asyncpg.Record) -> ClientCertificate:
    return ClientCertificate(**{**record, "origin": CertificateOrigin(record["origin"])})


async def find_belongings(
    db: Database, presented: Sequence[tuple[str, PresentedCertificate]]
) -> list[CertificateBelonging]:
    """Return whose certificates these are, seen from the stations that they came with.

    A certificate whose fingerprint we know is that one, whatever it is called. Another one is the
    station's if an operator has pinned its issuer and common name; the issuer counts where it is
    told. If a common name is all that is told, it has to be that of a valid certificate of the
    station, which cannot be told from others of that name.
    """
    records = await db.fetch(
        """
        SELECT CASE
                   WHEN known.station_id <> asked.station_id THEN 'of_another'
                   WHEN known.revoked_at IS NOT NULL THEN 'revoked'
                   WHEN known.station_id IS NOT NULL THEN 'own'
                   WHEN EXISTS (
                       SELECT FROM client_certificates AS named
                       WHERE named.station_id = asked.station_id
                         AND named.common_name = asked.common_name AND named.revoked_at IS NULL
                         AND CASE WHEN named.sha256 IS NULL AND named.sha1 IS NULL
                                  THEN coalesce(named.issuer = asked.issuer, true)
                                  ELSE asked.sha256 IS NULL AND asked.sha1 IS NULL
                                       AND coalesce(named.not_after > now(), true) END
                   ) THEN 'own'
                   ELSE 'unknown'
               END AS belonging
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY
             AS asked (station_id, common_name, issuer, sha256, sha1, position)
        LEFT JOIN LATERAL (
            SELECT station_id, revoked_at FROM client_certificates
            WHERE sha256 = asked.sha256 OR sha1 = asked.sha1
            LIMIT 1
        ) AS known ON true
        ORDER BY asked.position
        """,
        [station_id for station_id, _ in presented],
        [certificate.common_name for _, certificate in presented],
        [certificate.issuer for _, certificate in presented],
        [certificate.sha256 for _, certificate in presented],
        [certificate.sha1 for _, certificate in presented],
    )
    return [CertificateBelonging(record["belonging"]) for record in records]


async def add_issued(
    connection: Connection,
    signing_request_id: str,
    station_id: str,
    presented: PresentedCertificate,
    *,
    not_after: datetime,
) -> None:
    """Keep a certificate that answers a station's signing request.

    Raises:
        ConflictError: it is called like another station, or is another station's.
    """
    objection = await station_names.find_objection(connection, station_id, presented.common_name)
    if objection is not None:
        raise ConflictError(
            f"the certificate is not for station {station_id}: {objection}",
            code=ConflictCode.CERTIFICATE_NAME_TAKEN,
        )
    kept = await connection.fetchval(
        """
        INSERT INTO client_certificates AS known
            (station_id, origin, common_name, issuer, sha256, sha1, not_after, signing_request_id)
        VALUES ($1, 'issued', $2, $3, $4, $5, $6, $7)
        ON CONFLICT (sha256) DO UPDATE SET signing_request_id = excluded.signing_request_id
        WHERE known.station_id = excluded.station_id AND known.revoked_at IS NULL
        RETURNING true
        """,
        station_id,
        presented.common_name,
        presented.issuer,
        presented.sha256,
        presented.sha1,
        not_after,
        signing_request_id,
    )
    if not kept:
        raise ConflictError(
            "this certificate is another station's, or was revoked: sign the request anew",
            code=ConflictCode.CERTIFICATE_OF_ANOTHER_STATION,
        )


async def add_taken(connection: Connection, facts: Sequence[CertificateSignedAnswered]) -> None:
    """Keep certificates that stations took without having asked for them.

    An operator may send one as a command. One that is called like another station is not kept.
    """
    taken = {
        fact.presented.sha256: (fact, fact.presented)
        for fact in facts
        if fact.presented is not None
    }
    if not taken:
        return
    await connection.execute(
        f"""
        INSERT INTO client_certificates
            (station_id, origin, common_name, issuer, sha256, sha1, not_after)
        SELECT station_id, 'issued', told.common_name, told.issuer, told.sha256, told.sha1,
               told.not_after
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                    $6::timestamptz[])
             AS told (station_id, common_name, issuer, sha256, sha1, not_after)
        JOIN stations USING (station_id)
        WHERE ({OBJECTION.format(name="told.common_name")}) IS NULL
        ORDER BY sha256
        ON CONFLICT DO NOTHING
        """,  # noqa: S608 - as above
        [fact.station_id for fact, _ in taken.values()],
        [presented.common_name for _, presented in taken.values()],
        [presented.issuer for _, presented in taken.values()],
        [presented.sha256 for _, presented in taken.values()],
        [presented.sha1 for _, presented in taken.values()],
        [fact.not_after for fact, _ in taken.values()],
    )


async def pin(
    db: Database, station_id: str, presented: PresentedCertificate, *, not_after: datetime | None
) -> ClientCertificate:
    """Let a station come in with a certificate, or with all of an issuer and common name.

    What is known already stays one, and one that was revoked counts again.

    Raises:
        NotFoundError: there is no such station.
        ConflictError: the certificate is another station's.
    """
    values = (
        station_id,
        presented.common_name,
        presented.issuer,
        presented.sha256,
        presented.sha1,
    )
    record = await db.fetchrow(
        f"""
        UPDATE client_certificates SET revoked_at = NULL
        WHERE station_id = $1
          AND CASE WHEN coalesce($4::text, $5) IS NULL
                   THEN common_name = $2 AND issuer = $3 AND sha256 IS NULL AND sha1 IS NULL
                   ELSE sha256 = $4 OR sha1 = $5 END
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - column names of a dataclass
        *values,
    )
    if record is not None:
        return _certificate(record)
    try:
        record = await db.fetchrow(
            f"""
            INSERT INTO client_certificates
                (station_id, origin, common_name, issuer, sha256, sha1, not_after)
            VALUES ($1, 'pinned', $2, $3, $4, $5, $6)
            RETURNING {_COLUMNS}
            """,  # noqa: S608 - as above
            *values,
            not_after,
        )
    except asyncpg.ForeignKeyViolationError:
        raise NotFoundError(
            f"there is no station {station_id!r}", code=NotFoundCode.STATION
        ) from None
    except asyncpg.UniqueViolationError:
        raise ConflictError(
            "this certificate is another station's: each has one of its own (A00.FR.427)",
            code=ConflictCode.CERTIFICATE_OF_ANOTHER_STATION,
        ) from None
    assert record is not None  # noqa: S101 - an INSERT that raises nothing returns its row
    return _certificate(record)


async def revoke(db: Database, station_id: str, client_certificate_id: str) -> None:
    """Let a station come in with a certificate no longer.

    Raises:
        NotFoundError: the station has no such certificate.
    """
    tag = await db.execute(
        """
        UPDATE client_certificates SET revoked_at = coalesce(revoked_at, now())
        WHERE station_id = $1 AND client_certificate_id = $2
        """,
        station_id,
        client_certificate_id,
    )
    if tag == "UPDATE 0":
        raise NotFoundError(
            f"station {station_id!r} has no client certificate {client_certificate_id}",
            code=NotFoundCode.CLIENT_CERTIFICATE,
        )


async def list_after(
    db: Database,
    *,
    station_id: str,
    after: str | None,
    limit: int,
    goes_down: bool = False,
) -> list[ClientCertificate]:
    """Return up to `limit` client certificates of a station, from behind `after` on."""
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    order = conditions.in_order(
        "client_certificates.client_certificate_id",
        behind=after and [after],
        goes_down=goes_down,
    )
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM client_certificates WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [_certificate(record) for record in records]


async def count(db: Database, *, station_id: str, up_to: int) -> int:
    """Return how many client certificates a station has, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("station_id =", station_id)
    return await count_rows(db, "client_certificates", conditions)
