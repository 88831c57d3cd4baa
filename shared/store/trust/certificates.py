"""Certificates that stations hold, as they told; `signing_requests` has those they ask for."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

import asyncpg

from shared.domain.trust.certificates import (
    CertificateDeleted,
    CertificateHashData,
    CertificateInstalled,
    CertificateUse,
    HashAlgorithm,
    InstalledCertificate,
    InstalledCertificatesReported,
    ReportedCertificate,
)
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database

_COLUMNS = ", ".join(
    f"{field.name}::text" if field.name == "installed_certificate_id" else field.name
    for field in fields(InstalledCertificate)
)


def _installed(record: asyncpg.Record) -> InstalledCertificate:
    return InstalledCertificate(
        **{
            **record,
            "certificate_type": CertificateUse(record["certificate_type"]),
            "hash_algorithm": HashAlgorithm(record["hash_algorithm"]),
        }
    )


async def write_installed_lists(
    connection: Connection, facts: Sequence[InstalledCertificatesReported]
) -> list[None]:
    """Keep what stations hold, in place of what they held of the types asked for."""
    asked: dict[tuple[str, CertificateUse], datetime] = {}
    told: dict[tuple[str, CertificateUse], list[ReportedCertificate]] = {}
    for fact in facts:
        for use in fact.certificate_types or tuple(CertificateUse):
            asked[fact.station_id, use] = fact.reported_at
            told[fact.station_id, use] = []
        for certificate in fact.certificates:
            told.setdefault((fact.station_id, certificate.certificate_type), []).append(certificate)
            asked.setdefault((fact.station_id, certificate.certificate_type), fact.reported_at)
    await connection.execute(
        """
        DELETE FROM installed_certificates AS known
        USING unnest($1::text[], $2::text[], $3::timestamptz[])
              AS told (station_id, certificate_type, told_at)
        WHERE known.station_id = told.station_id
          AND known.certificate_type = told.certificate_type AND known.told_at <= told.told_at
        """,
        [station_id for station_id, _ in asked],
        [use for _, use in asked],
        list(asked.values()),
    )
    await _upsert_installed(
        connection,
        [
            (station_id, use, certificate.hash_data, certificate, asked[station_id, use])
            for (station_id, use), certificates in told.items()
            for certificate in certificates
        ],
    )
    return [None] * len(facts)


async def write_installed(
    connection: Connection, facts: Sequence[CertificateInstalled]
) -> list[None]:
    """Keep certificates that stations accepted."""
    await _upsert_installed(
        connection,
        [
            (fact.station_id, fact.certificate_type, fact.hash_data, None, fact.installed_at)
            for fact in facts
        ],
    )
    return [None] * len(facts)


async def _upsert_installed(
    connection: Connection,
    rows: Sequence[
        tuple[str, CertificateUse, CertificateHashData, ReportedCertificate | None, datetime]
    ],
) -> None:
    await connection.executemany(
        """
        INSERT INTO installed_certificates AS known
            (station_id, certificate_type, hash_algorithm, issuer_name_hash, issuer_key_hash,
             serial_number, child_certificates, told_at)
        SELECT station_id, $2, $3, $4, $5, $6, $7, $8 FROM stations WHERE station_id = $1
        ON CONFLICT (station_id, certificate_type, hash_algorithm, lower(issuer_name_hash),
                     lower(issuer_key_hash), lower(serial_number)) DO UPDATE
        SET child_certificates = excluded.child_certificates,
            told_at = greatest(known.told_at, excluded.told_at)
        """,
        [
            (
                station_id,
                use,
                data.hash_algorithm,
                data.issuer_name_hash,
                data.issuer_key_hash,
                data.serial_number,
                [] if certificate is None else certificate.child_certificates,
                told_at,
            )
            for station_id, use, data, certificate, told_at in rows
        ],
    )


async def write_deleted(connection: Connection, facts: Sequence[CertificateDeleted]) -> list[None]:
    """Forget certificates that stations do not hold any more."""
    await connection.execute(
        """
        DELETE FROM installed_certificates AS known
        USING unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                     $6::timestamptz[])
              AS told (station_id, hash_algorithm, issuer_name_hash, issuer_key_hash,
                       serial_number, deleted_at)
        WHERE known.station_id = told.station_id
          AND known.hash_algorithm = told.hash_algorithm
          AND lower(known.issuer_name_hash) = lower(told.issuer_name_hash)
          AND lower(known.issuer_key_hash) = lower(told.issuer_key_hash)
          AND lower(known.serial_number) = lower(told.serial_number)
          AND known.told_at <= told.deleted_at
        """,
        [fact.station_id for fact in facts],
        [fact.hash_data.hash_algorithm for fact in facts],
        [fact.hash_data.issuer_name_hash for fact in facts],
        [fact.hash_data.issuer_key_hash for fact in facts],
        [fact.hash_data.serial_number for fact in facts],
        [fact.deleted_at for fact in facts],
    )
    return [None] * len(facts)


async def list_after(
    db: Database,
    *,
    station_id: str,
    after: str | None,
    limit: int,
    goes_down: bool = False,
) -> list[InstalledCertificate]:
    """Return up to `limit` certificates of a station as they were told, from behind `after` on."""
    conditions = Conditions(limit)
    conditions.compare("station_id =", station_id)
    order = conditions.in_order(
        "installed_certificates.installed_certificate_id",
        behind=after and [after],
        goes_down=goes_down,
    )
    records = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM installed_certificates
        WHERE {conditions} ORDER BY {order} LIMIT $1
        """,  # noqa: S608 - column names of a dataclass
        *conditions.parameters,
    )
    return [_installed(record) for record in records]


async def count(db: Database, *, station_id: str, up_to: int) -> int:
    """Return how many certificates a station holds, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("station_id =", station_id)
    return await count_rows(db, "installed_certificates", conditions)
