"""What was issued and used before it was kept which certificates are whose goes on to count."""

from datetime import UTC, datetime
from importlib import import_module

from shared import x509
from shared.domain.stations.stations import SecurityProfile
from shared.domain.trust.certificates import (
    CertificateBelonging,
    CertificateSigningRequested,
    CertificateSigningUse,
    PresentedCertificate,
)
from shared.store import facts
from shared.store.pool import Database
from shared.store.trust import client_certificates, signing_request_lists, signing_requests
from tests.support.signing import root, signing_request
from tests.support.stations import register

BACKFILL = [
    statement
    for statement in import_module(
        "shared.store.migrations.versions.0015_client_certificates"
    ).STATEMENTS
    if statement.lstrip().startswith("INSERT INTO client_certificates")
]


async def test_what_was_issued_before_is_still_the_stations(db: Database) -> None:
    await register(db, security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    await register(db, "CP-2")
    csr = signing_request("CP-1")
    fact = CertificateSigningRequested(
        station_id="CP-1",
        certificate_type=CertificateSigningUse.CHARGING_STATION,
        csr=csr,
        common_name="CP-1",
        subject="O=Operator,CN=CP-1",
        key_type=None,
        refusal=None,
        requested_at=datetime.now(UTC),
    )
    await facts.write(db, [fact])
    (request,) = await signing_request_lists.list_before(db, before=None, limit=1)
    authority = root("Operator's CA")
    chain = authority.answer(csr) + authority.pem
    details = x509.check_chain(chain, csr=csr, now=datetime.now(UTC))
    await signing_requests.keep_signed(
        db,
        request.signing_request_id,
        certificate_chain=chain,
        serial_number=details.serial_number,
        presented=details.presented,
        not_after=details.not_after,
        replaces=False,
    )
    await db.execute("DELETE FROM client_certificates")
    for statement in BACKFILL:
        await db.execute(statement)
    kept = await client_certificates.list_after(db, station_id="CP-1", after=None, limit=9)
    assert [(each.origin, each.sha256, each.common_name) for each in kept] == [
        ("issued", details.presented.sha256, "CP-1"),
        ("migrated", None, "CP-1"),
    ]
    assert await client_certificates.list_after(db, station_id="CP-2", after=None, limit=9) == []
    elsewhere = PresentedCertificate(common_name="CP-1", issuer="CN=Factory", sha256="ab" * 32)
    assert await client_certificates.find_belongings(
        db,
        [
            ("CP-1", details.presented),
            ("CP-1", elsewhere),  # as it has come until now
            ("CP-2", details.presented),
            ("CP-2", elsewhere),
            ("CP-1", PresentedCertificate(common_name="CP-2", sha256="cd" * 32)),
        ],
    ) == [
        CertificateBelonging.OWN,
        CertificateBelonging.OWN,
        CertificateBelonging.OF_ANOTHER,
        CertificateBelonging.UNKNOWN,
        CertificateBelonging.UNKNOWN,
    ]
