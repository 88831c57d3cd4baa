"""A certificate authority of our own, for operators who have none (whitepaper A00.FR.601).

The whitepaper would rather have a server of its own do this (A02.FR.04): then leave its settings
out, and upload what that one has signed.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from shared.domain.errors import InvalidInputError, UnavailableError

# A station's clock may be behind ours, and it takes no certificate that is not valid yet.
_CLOCK_SKEW = timedelta(hours=1)
_SERIAL_NUMBER_BITS = 127


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """Signs what stations ask for.

    Args:
        certificate: of the authority.
        key: its private key.
        above: what is between it and the root, PEM; part of every chain.
        lifetime: of the certificates it signs.
    """

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    above: str
    lifetime: timedelta

    def sign(self, csr: str, *, now: datetime) -> str:
        """Return the chain for a signing request, PEM, without the root.

        The subject is the request's, which has been checked; no extension of it is taken over.

        Raises:
            InvalidInputError: it cannot be read, or the authority's own certificate has expired.
        """
        try:
            request = x509.load_pem_x509_csr(csr.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidInputError(f"the signing request cannot be read: {error}") from error
        expires_at = min(now + self.lifetime, self.certificate.not_valid_after_utc)
        if expires_at <= now:
            raise InvalidInputError(
                f"the certificate authority's own certificate has expired on {expires_at}"
            )
        public_key = request.public_key()
        issuer_key = self.certificate.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(secrets.randbits(_SERIAL_NUMBER_BITS) + 1)
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(expires_at)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(rsa_key=isinstance(public_key, rsa.RSAPublicKey)), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
        )
        if isinstance(issuer_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), False
            )
        # RSA-PSS or ECDSA, with SHA-256 (A00.FR.505, A00.FR.506).
        if isinstance(self.key, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            signed = builder.sign(self.key, hashes.SHA256(), rsa_padding=pss)
        else:
            signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(Encoding.PEM).decode() + self.above


def _key_usage(*, rsa_key: bool) -> x509.KeyUsage:
    """A00.FR.512: signatures, and for RSA the key exchange of TLS 1.2's older suites."""
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=rsa_key,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def load_certificate_authority(
    certificate_path: Path, key_path: Path, *, lifetime_days: int
) -> CertificateAuthority:
    """Read a certificate authority from files.

    Args:
        certificate_path: its certificate and, behind it, those up to the root, PEM.
        key_path: its private key, PEM, not encrypted.
        lifetime_days: of what it signs.

    Raises:
        UnavailableError: a file cannot be read, or they do not belong together.
    """
    try:
        certificates = x509.load_pem_x509_certificates(certificate_path.read_bytes())
        key = load_pem_private_key(key_path.read_bytes(), password=None)
    except OSError as error:
        raise UnavailableError(f"{error.filename} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnavailableError(
            f"{certificate_path} or {key_path} is no PEM file of a certificate and its unencrypted "
            f"private key: {error}"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnavailableError(f"{key_path} holds neither an RSA nor an elliptic curve key")
    if key.public_key() != certificates[0].public_key():
        raise UnavailableError(f"{key_path} is not the key of the first one in {certificate_path}")
    # The root stands in the station already; the signing one is needed unless it is the root.
    above = "".join(
        certificate.public_bytes(Encoding.PEM).decode()
        for certificate in certificates
        if certificate.issuer != certificate.subject
    )
    return CertificateAuthority(certificates[0], key, above, timedelta(days=lifetime_days))
