"""Certificate signing requests of stations, until the station has its certificate."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

import asyncpg

from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.trust.certificates import (
    CertificateSignedAnswered,
    CertificateSigningRequested,
    CertificateSigningUse,
    PresentedCertificate,
    SigningRequest,
    SigningRequestState,
)
from shared.store.fingerprints import fingerprint
from shared.store.pool import Connection, Database
from shared.store.station_names import OBJECTION
from shared.store.trust import client_certificates

COLUMNS = ", ".join(
    f"{field.name}::text"
    if field.name in {"signing_request_id", "command_id"}
    else "CASE WHEN NOT for_both_uses THEN certificate_type END AS certificate_type"
    if field.name == "certificate_type"
    else field.name
    for field in fields(SigningRequest)
)


def signing_request_of(record: asyncpg.Record) -> SigningRequest:
    """Return the request of a row of `COLUMNS`."""
    use = record["certificate_type"]
    return SigningRequest(
        **{
            **record,
            "certificate_type": None if use is None else CertificateSigningUse(use),
            "state": SigningRequestState(record["state"]),
        }
    )


async def write(connection: Connection, facts: Sequence[CertificateSigningRequested]) -> list[str]:
    """Keep signing requests, also those that are refused.

    The commonName has to be the station's id or the serial number that an operator has given it
    (1.6 security whitepaper A00.FR.405); that of a V2G certificate is the vehicle's business
    (ISO 15118-2).

    Returns:
        Accepted or Rejected, per fact.
    """
    latest = {(fact.station_id, _use(fact), fingerprint(fact.csr.encode())): fact for fact in facts}
    # Told again, it waits again, unless its certificate is just on its way.
    records = await connection.fetch(
        f"""
        INSERT INTO certificate_signing_requests AS known
            (station_id, certificate_type, for_both_uses, csr, fingerprint, subject, key_type,
             state, reason, requested_at)
        SELECT told.station_id, told.certificate_type, told.for_both_uses, told.csr,
               told.fingerprint, told.subject, told.key_type,
               CASE WHEN verdict.reason IS NULL THEN 'pending' ELSE 'refused' END,
               verdict.reason, told.requested_at
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::timestamptz[], $10::boolean[])
             AS told (station_id, certificate_type, fingerprint, csr, common_name, subject,
                      key_type, refusal, requested_at, for_both_uses)
        LEFT JOIN stations USING (station_id)
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN told.refusal IS NOT NULL THEN told.refusal
                WHEN told.certificate_type = 'V2GCertificate' THEN NULL
                ELSE {OBJECTION.format(name="told.common_name")}
            END AS reason
        ) AS verdict
        ON CONFLICT (station_id, certificate_type, fingerprint) DO UPDATE
        SET state = CASE
                WHEN excluded.requested_at <= known.requested_at THEN known.state
                WHEN excluded.state = 'refused' THEN 'refused'
                WHEN known.state IN ('signed', 'undelivered') THEN 'signed'
                ELSE 'pending'
            END,
            reason = excluded.reason, for_both_uses = excluded.for_both_uses,
            deliveries = CASE WHEN excluded.requested_at <= known.requested_at
                              THEN known.deliveries ELSE 0 END,
            requested_at = greatest(known.requested_at, excluded.requested_at)
        RETURNING station_id, certificate_type, fingerprint, state
        """,  # noqa: S608 - a text of our own
        [station_id for station_id, _, _ in latest],
        [use for _, use, _ in latest],
        [print_ for _, _, print_ in latest],
        [fact.csr for fact in latest.values()],
        [fact.common_name for fact in latest.values()],
        [fact.subject for fact in latest.values()],
        [fact.key_type for fact in latest.values()],
        [fact.refusal for fact in latest.values()],
        [fact.requested_at for fact in latest.values()],
        [fact.certificate_type is None for fact in latest.values()],
    )
    refused = {
        (record["station_id"], record["certificate_type"], record["fingerprint"])
        for record in records
        if record["state"] == SigningRequestState.REFUSED
    }
    return [
        "Rejected"
        if (fact.station_id, _use(fact), fingerprint(fact.csr.encode())) in refused
        else "Accepted"
        for fact in facts
    ]


def _use(fact: CertificateSigningRequested) -> CertificateSigningUse:
    return fact.certificate_type or CertificateSigningUse.CHARGING_STATION


async def write_answers(
    connection: Connection, facts: Sequence[CertificateSignedAnswered]
) -> list[None]:
    """Keep whether stations took their certificates."""
    await connection.execute(
        """
        UPDATE certificate_signing_requests AS request
        SET state = CASE WHEN told.accepted THEN 'accepted' ELSE 'rejected' END,
            command_id = told.command_id, answered_at = told.answered_at,
            reason = CASE WHEN told.accepted THEN NULL
                          ELSE 'the station did not take the certificate' END
        FROM unnest($1::text[], $2::uuid[], $3::boolean[], $4::timestamptz[])
             AS told (station_id, command_id, accepted, answered_at)
        JOIN commands ON commands.command_id = told.command_id
                     AND commands.type = 'CertificateSigned'
        WHERE request.signing_request_id = (commands.params->>'signing_request_id')::uuid
          AND request.station_id = told.station_id
          AND request.state IN ('signed', 'undelivered')
        """,
        [fact.station_id for fact in facts],
        [fact.command_id for fact in facts],
        [fact.accepted for fact in facts],
        [fact.answered_at for fact in facts],
    )
    await client_certificates.add_taken(connection, facts)
    return [None] * len(facts)


async def get(db: Database, signing_request_id: str) -> SigningRequest:
    """Return one signing request.

    Raises:
        NotFoundError: there is none.
    """
    record = await db.fetchrow(
        f"SELECT {COLUMNS} FROM certificate_signing_requests WHERE signing_request_id = $1",  # noqa: S608 - as above
        signing_request_id,
    )
    if record is None:
        raise NotFoundError(
            f"there is no certificate signing request {signing_request_id}",
            code=NotFoundCode.SIGNING_REQUEST,
        )
    return signing_request_of(record)


async def find_objection(
    db: Database, signing_request_id: str, common_name: str | None
) -> str | None:
    """Return why a certificate with this common name must not answer a request, or None.

    What was right when the request came may be wrong now: stations come and go.
    """
    objection: str | None = await db.fetchval(
        f"""
        SELECT {OBJECTION.format(name="$2::text")}
        FROM certificate_signing_requests AS request LEFT JOIN stations USING (station_id)
        WHERE signing_request_id = $1 AND certificate_type <> 'V2GCertificate'
        """,  # noqa: S608 - a text of our own
        signing_request_id,
        common_name,
    )
    return objection


async def refuse(db: Database, signing_request_id: str, reason: str) -> None:
    """Refuse a request that waits to be signed."""
    await db.execute(
        """
        UPDATE certificate_signing_requests SET state = 'refused', reason = $2
        WHERE signing_request_id = $1 AND state = 'pending'
        """,
        signing_request_id,
        reason,
    )


async def list_pending(
    db: Database, *, certificate_type: CertificateSigningUse, limit: int
) -> list[SigningRequest]:
    """Return up to `limit` requests that wait for a signature, in a fair order.

    Each station's newest comes first, then each station's second, and so on; among equals who asked
    first. So a station that asks again and again waits behind all others.
    """
    records = await db.fetch(
        f"""
        SELECT {COLUMNS} FROM (
            SELECT *, row_number() OVER (PARTITION BY station_id
                                         ORDER BY waiting.signing_request_id DESC) AS turn
            FROM certificate_signing_requests AS waiting
            WHERE state = 'pending' AND certificate_type = $1
        ) AS request
        ORDER BY turn, request.signing_request_id LIMIT $2
        """,  # noqa: S608 - as above
        certificate_type,
        limit,
    )
    return [signing_request_of(record) for record in records]


async def keep_signed(
    db: Database,
    signing_request_id: str,
    *,
    certificate_chain: str,
    serial_number: str,
    presented: PresentedCertificate,
    not_after: datetime,
    replaces: bool,
) -> SigningRequest:
    """Keep the certificate of a request, which is to be delivered from now on.

    From now on the station may also come in with it, unless it is one for vehicles.

    Args:
        db: the pool.
        signing_request_id: which request.
        certificate_chain: its certificate and those above it, PEM.
        serial_number: of the certificate.
        presented: what names it at the door.
        not_after: when it expires.
        replaces: whether it takes the place of one that the station has not accepted.

    Raises:
        NotFoundError: there is no such request.
        ConflictError: it was refused, its station has its certificate, or it has one that is not to
            be replaced; or the certificate has a name that is not the station's, or is another
            station's.
    """
    async with db.acquire() as connection, connection.transaction():
        record = await connection.fetchrow(
            f"""
            UPDATE certificate_signing_requests
            SET state = 'signed', certificate_chain = $2, serial_number = $3, not_after = $4,
                signed_at = now(), deliveries = 0, command_id = NULL, answered_at = NULL,
                reason = NULL
            WHERE signing_request_id = $1 AND state NOT IN ('refused', 'accepted')
              AND ($5 OR state = 'pending')
            RETURNING {COLUMNS}
            """,  # noqa: S608 - as above
            signing_request_id,
            certificate_chain,
            serial_number,
            not_after,
            replaces,
        )
        if record is None:
            request = await get(db, signing_request_id)
            raise ConflictError(
                f"certificate signing request {signing_request_id} is {request.state}: have the "
                "station send a new one with TriggerMessage SignChargingStationCertificate",
                code=ConflictCode.SIGNING_REQUEST_ANSWERED,
            )
        request = signing_request_of(record)
        if request.certificate_type is not CertificateSigningUse.V2G:
            await client_certificates.add_issued(
                connection,
                request.signing_request_id,
                request.station_id,
                presented,
                not_after=not_after,
            )
    return request


async def claim_delivery(
    db: Database, signing_request_id: str, *, max_deliveries: int
) -> SigningRequest | None:
    """Take one try to deliver a certificate; None if another has it or nothing is to be done."""
    record = await db.fetchrow(
        f"""
        UPDATE certificate_signing_requests AS request
        SET deliveries = deliveries + 1, command_id = NULL, delivery_claimed_at = now()
        WHERE signing_request_id = $1 AND state = 'signed' AND deliveries < $2
          AND (delivery_claimed_at IS NULL OR delivery_claimed_at < now() - interval '5 s'
               OR deliveries = 0)
          AND NOT EXISTS (SELECT FROM commands WHERE commands.command_id = request.command_id
                          AND commands.state IN ('queued', 'sent'))
        RETURNING {COLUMNS}
        """,  # noqa: S608 - as above
        signing_request_id,
        max_deliveries,
    )
    return None if record is None else signing_request_of(record)


async def attach_delivery(db: Database, signing_request_id: str, command_id: str) -> None:
    """Keep which command delivers a certificate, unless its answer was faster and said so."""
    await db.execute(
        """
        UPDATE certificate_signing_requests SET command_id = $2
        WHERE signing_request_id = $1 AND state = 'signed'
        """,
        signing_request_id,
        command_id,
    )


async def give_delivery_back(db: Database, signing_request_id: str) -> None:
    """Take back a try to deliver that could not begin; another one may."""
    await db.execute(
        """
        UPDATE certificate_signing_requests
        SET deliveries = greatest(deliveries - 1, 0), delivery_claimed_at = NULL
        WHERE signing_request_id = $1 AND state = 'signed' AND command_id IS NULL
        """,
        signing_request_id,
    )


async def list_deliverable(db: Database, *, limit: int) -> list[str]:
    """Return the requests whose certificate waits for a station that is online.

    They are in the order of `list_pending`: one of each station first.
    """
    records = await db.fetch(
        """
        SELECT signing_request_id::text
        FROM certificate_signing_requests AS request
        JOIN stations USING (station_id)
        WHERE request.state = 'signed' AND stations.online
          AND NOT EXISTS (SELECT FROM commands WHERE commands.command_id = request.command_id
                          AND commands.state IN ('queued', 'sent'))
        ORDER BY row_number() OVER (PARTITION BY station_id
                                    ORDER BY request.signing_request_id DESC),
                 request.signing_request_id
        LIMIT $1
        """,
        limit,
    )
    return [record["signing_request_id"] for record in records]


async def sweep_undelivered(db: Database, *, max_deliveries: int) -> int:
    """Give up on certificates that no try could deliver; return how many."""
    tag = await db.execute(
        """
        UPDATE certificate_signing_requests AS request
        SET state = 'undelivered',
            reason = 'the station did not answer any of ' || deliveries || ' tries'
        WHERE state = 'signed' AND deliveries >= $1
          AND NOT EXISTS (SELECT FROM commands WHERE commands.command_id = request.command_id
                          AND commands.state IN ('queued', 'sent'))
        """,
        max_deliveries,
    )
    return int(tag.rpartition(" ")[2])
