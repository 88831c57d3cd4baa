"""TLS of our own, for installations without a load balancer that ends it (profiles 2 and 3)."""

import ssl

from gateway.settings import GatewaySettings
from shared.domain.errors import InvalidInputError
from shared.domain.trust.certificates import PresentedCertificate
from shared.x509 import read_certificate

# Those that every OCPP 1.6 station can speak (security whitepaper A00.FR.317 and .421). Those of
# TLS 1.3 are on by themselves.
_CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:"
    "AES256-GCM-SHA384:AES128-GCM-SHA256"
)


def server_context(settings: GatewaySettings) -> ssl.SSLContext | None:
    """Return what TLS is spoken with, or None if a proxy in front speaks it, or nobody does.

    Older versions than TLS 1.2 are refused (A00.FR.313, A00.FR.416). A client certificate is asked
    for if there is an authority to verify it by, and is not required: stations of profile 2 have
    none. One that cannot be verified ends the connection (A00.FR.407).

    Raises:
        InvalidInputError: certificate, key or authority cannot be read.
    """
    if settings.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
        if settings.tls_client_ca is not None:
            context.load_verify_locations(settings.tls_client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        raise InvalidInputError(
            f"VOLTARO_TLS_CERTIFICATE, VOLTARO_TLS_KEY or VOLTARO_TLS_CLIENT_CA cannot be used "
            f"({error}): each names a PEM file, and the key belongs to the certificate"
        ) from error
    return context


def find_client_certificate(tls: ssl.SSLObject | None) -> PresentedCertificate | None:
    """Return the client certificate that was verified, or None without one."""
    content = tls.getpeercert(binary_form=True) if tls is not None else None
    if content is None:
        return None
    try:
        return read_certificate(content).presented
    except InvalidInputError:
        # OpenSSL takes more than is allowed. What cannot be read is nobody's.
        return PresentedCertificate(sha256="")
