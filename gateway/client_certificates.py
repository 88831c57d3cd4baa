"""Whether a client certificate is that of the station that it came with (security profile 3).

That it is valid, TLS has found out, ours or a proxy's in front. Whose it is follows from what was
issued and pinned, not from what it says: the serial number in it is the station's own word.
"""

from functools import partial

from gateway.authentication import INVALID_CERTIFICATE, Admitted, Refused, Verdict
from shared.batching import Batcher
from shared.domain.stations.stations import Credentials, SecurityProfile
from shared.domain.trust.certificates import CertificateBelonging, PresentedCertificate
from shared.store.pool import Database
from shared.store.retrying import try_again
from shared.store.trust import client_certificates

_REASONS = {
    CertificateBelonging.REVOKED: "that was revoked",
    CertificateBelonging.OF_ANOTHER: "of another station",
    CertificateBelonging.UNKNOWN: "that was neither issued nor pinned to it",
}


class ClientCertificates:
    """Judges by client certificates.

    Args:
        db: where it is kept whose they are.
    """

    def __init__(self, db: Database) -> None:
        self._belongings: Batcher[tuple[str, PresentedCertificate], CertificateBelonging] = Batcher(
            lambda presented: try_again(partial(client_certificates.find_belongings, db, presented))
        )

    async def run(self) -> None:
        """Look up whose certificates are, those of all who come at the same time together."""
        await self._belongings.run()

    async def judge(
        self, credentials: Credentials, certificate: PresentedCertificate
    ) -> Verdict | None:
        """Judge by a client certificate (A00.FR.405); None leaves it to the password.

        A station with a password is let in with its own certificate, because it may have been told
        to go to profile 3, but has not reached that by the certificate alone: it would be locked
        out without it. Other certificates of such stations tell nothing.
        """
        belonging = await self._belongings.submit((credentials.station_id, certificate))
        if belonging is CertificateBelonging.OWN:
            return Admitted(credentials, _proven_profile(credentials))
        if credentials.security_profile is not SecurityProfile.TLS_CLIENT_CERTIFICATE:
            return None
        reason = f"a client certificate {_REASONS[belonging]}: {_describe(certificate)}"
        return Refused(known=True, reason=reason, security_event=INVALID_CERTIFICATE)


def _proven_profile(credentials: Credentials) -> SecurityProfile:
    highest = SecurityProfile.TLS_CLIENT_CERTIFICATE
    if credentials.agreed_security_profile == highest:  # A05.FR.05 and .07
        return highest
    return credentials.security_profile


def _describe(certificate: PresentedCertificate) -> str:
    """Name a certificate as an operator would pin it."""
    fingerprint = certificate.sha256 or certificate.sha1
    name = repr((certificate.common_name or "")[:64])
    return f"{name}, fingerprint {fingerprint}" if fingerprint else name
