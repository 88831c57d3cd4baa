"""X.509: what signing requests and certificates say, and whether OCPP allows it.

The only place, beside the certificate authority, that knows a cryptographic library. Reading one
takes up to some milliseconds; where that matters, it is called in a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from shared.domain.errors import InvalidInputError
from shared.domain.trust.certificates import (
    CertificateHashData,
    CertificateUse,
    HashAlgorithm,
    PresentedCertificate,
)

CHAIN_MAX_LENGTH = 10_000
"""Characters of CertificateSigned's chain (1.6 security whitepaper §5.1)."""

_RSA_MIN_BITS = 2048  # A00.FR.502
_EC_MIN_BITS = 224  # A00.FR.503
# A00.FR.504, A00.FR.506: SHA-1 and older are not suitable for use any more.
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_EDWARDS = (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequestDetails:
    """What a certificate signing request says; `refusal` is why it must not be signed, or None."""

    common_name: str | None = None
    subject: str | None = None
    key_type: str | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateDetails:
    """What a certificate says of itself, and what names it at the door."""

    serial_number: str
    not_after: datetime
    presented: PresentedCertificate


def read_signing_request(csr: str, *, organization: str | None) -> SigningRequestDetails:
    """Check a certificate signing request (1.6 security whitepaper A00.FR.501 to .509, A02.FR.13).

    Args:
        csr: PEM.
        organization: what its subject's organizationName has to be; None allows any.
    """
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        details = SigningRequestDetails(
            common_name=_single(request.subject, NameOID.COMMON_NAME),
            subject=request.subject.rfc4514_string(),
            key_type=_key_type(request.public_key()),
        )
        refusal = _find_refusal(request, organization)
    except _UNREADABLE as error:
        return SigningRequestDetails(refusal=f"it is no PKCS #10 request in PEM: {error}"[:200])
    return SigningRequestDetails(
        common_name=details.common_name,
        subject=details.subject,
        key_type=details.key_type,
        refusal=refusal,
    )


def _find_refusal(request: x509.CertificateSigningRequest, organization: str | None) -> str | None:
    weakness = _find_weakness(request.public_key())
    if weakness is not None:
        return weakness
    algorithm = request.signature_hash_algorithm
    if not (
        isinstance(algorithm, _HASHES)
        or (algorithm is None and isinstance(request.public_key(), _EDWARDS))
    ):
        return "it is not signed with SHA-256 or a longer hash (A00.FR.504)"
    if not request.is_signature_valid:
        return "its signature is not that of its key"
    found = _single(request.subject, NameOID.ORGANIZATION_NAME)
    if organization is not None and found != organization:
        return (
            f"its organizationName is {found!r} and not {organization!r}: set the station's "
            "CpoName (A02.FR.13)"
        )
    return None


def _find_weakness(key: CertificatePublicKeyTypes) -> str | None:
    match key:
        case rsa.RSAPublicKey() if key.key_size < _RSA_MIN_BITS:
            return f"its RSA key has {key.key_size} bits, fewer than {_RSA_MIN_BITS} (A00.FR.502)"
        case ec.EllipticCurvePublicKey() if key.curve.key_size < _EC_MIN_BITS:
            return (
                f"its elliptic curve has {key.curve.key_size} bits, fewer than {_EC_MIN_BITS} "
                "(A00.FR.503)"
            )
        case (
            rsa.RSAPublicKey()
            | ec.EllipticCurvePublicKey()
            | ed25519.Ed25519PublicKey()
            | ed448.Ed448PublicKey()
        ):
            return None
        case _:
            return "its key is of no algorithm that is in use for TLS (A00.FR.504)"


def _key_type(key: CertificatePublicKeyTypes) -> str:
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"EC {key.curve.name}"
        case _:
            return type(key).__name__.lstrip("_").removesuffix("PublicKey")


def _single(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    """Return the one value of a member of a name; two would say two things."""
    values = name.get_attributes_for_oid(oid)
    if len(values) != 1:
        return None
    value = values[0].value
    # Neither a serial number nor an id has a NUL, and Postgres keeps none.
    return value if isinstance(value, str) and "\0" not in value else None


def read_root_hash_data(certificate: str) -> CertificateHashData | None:
    """Return what names a root certificate, or None if it is no root or cannot be read.

    Its issuer is itself, so that the hash of its issuer's key is the hash of its own (RFC 6960
    §4.1.1, 1.6 security whitepaper §6.1).

    Args:
        certificate: PEM.
    """
    try:
        root = x509.load_pem_x509_certificate(certificate.encode())
        if root.issuer != root.subject:
            return None
        key_bits = _subject_public_key(root.public_key())
    except _UNREADABLE:
        return None
    return CertificateHashData(
        hash_algorithm=HashAlgorithm.SHA256,
        issuer_name_hash=_sha256(root.issuer.public_bytes()),
        issuer_key_hash=_sha256(key_bits),
        serial_number=f"{root.serial_number:X}",
    )


def _subject_public_key(key: CertificatePublicKeyTypes) -> bytes:
    """Return the content of subjectPublicKey, without its tag, length and count of unused bits."""
    match key:
        case rsa.RSAPublicKey():
            return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        case ec.EllipticCurvePublicKey():
            return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        case _:
            raise ValueError("a key of no known algorithm")


def _sha256(content: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize().hex()


def check_certificate(certificate: str) -> None:
    """Return if a text is one certificate in PEM.

    Raises:
        InvalidInputError: it is not.
    """
    try:
        certificates = x509.load_pem_x509_certificates(certificate.encode())
    except _UNREADABLE as error:
        raise InvalidInputError(f"it is no certificate in PEM: {error}") from error
    if len(certificates) != 1:
        raise InvalidInputError(f"it holds {len(certificates)} certificates: send one")


def check_root(certificate: str, use: CertificateUse, *, now: datetime) -> None:
    """Return if a text is one certificate in PEM that others can be verified with (M05.FR.07).

    A root of ours that takes the place of another may be signed by that one (M05.FR.10), so that it
    need not be signed by itself.

    Args:
        certificate: PEM.
        use: what the station is to verify with it.
        now: the time at which it has to be valid.

    Raises:
        InvalidInputError: it is not; the message says what it is.
    """
    check_certificate(certificate)
    try:
        root = x509.load_pem_x509_certificate(certificate.encode())
        problem = _find_problem_of_root(root, now)
    except (*_UNREADABLE, x509.DuplicateExtension) as error:
        raise InvalidInputError(f"it cannot be read: {error}") from error
    if problem is not None:
        raise InvalidInputError(f"this is no {use}: {problem}")


def _find_problem_of_root(root: x509.Certificate, now: datetime) -> str | None:
    """Return why nothing can be verified with a certificate, or None (RFC 5280 §6.1.4 (k) to (n)).

    One of version 1 has no extensions that could say so.
    """
    subject = root.subject.rfc4514_string()
    if root.version is not x509.Version.v1:
        constraints = _find_extension(root, x509.BasicConstraints)
        if constraints is None or not constraints.ca:
            return (
                f"{subject} may not sign other certificates (its basic constraints do not say "
                "CA:TRUE). Install the root of its issuer, "
                f"{root.issuer.rfc4514_string()}"
            )
        usage = _find_extension(root, x509.KeyUsage)
        if usage is not None and not usage.key_cert_sign:
            return (
                f"the key of {subject} may not sign certificates (its key usage has no "
                "keyCertSign): install the root that signs"
            )
    if root.issuer == root.subject and not _is_signed_by_itself(root):
        return f"{subject} is not signed with its own key, though it says so"
    if root.not_valid_after_utc <= now:
        return f"{subject} has expired on {root.not_valid_after_utc}"
    return None


_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def _find_extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _is_signed_by_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except InvalidSignature:
        return False
    return True


def check_order(chain: str) -> None:
    """Return if a text is certificates in PEM, each followed by the one that signed it.

    Raises:
        InvalidInputError: it is not.
    """
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
    except _UNREADABLE as error:
        raise InvalidInputError(f"it is no chain of certificates in PEM: {error}") from error
    _check_signatures(certificates)


def check_chain(chain: str, *, csr: str, now: datetime) -> CertificateDetails:
    """Return what a signed certificate says, if a station can use the chain (A02.FR.06).

    Args:
        chain: the station's certificate and those above it, PEM, in this order.
        csr: the request that it answers.
        now: the time at which it has to be valid.

    Raises:
        InvalidInputError: it is no chain, or not for this request.
    """
    if len(chain) > CHAIN_MAX_LENGTH:
        raise InvalidInputError(
            f"the chain has {len(chain)} characters, and OCPP allows {CHAIN_MAX_LENGTH}: leave the "
            "root certificate out"
        )
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
        request = x509.load_pem_x509_csr(csr.encode())
        leaf = certificates[0]
        same_key = leaf.public_key() == request.public_key()
    except _UNREADABLE as error:
        raise InvalidInputError(f"it is no chain of certificates in PEM: {error}") from error
    if not same_key:
        raise InvalidInputError(
            "the first certificate is not for the key of this request: put the station's own "
            "certificate first"
        )
    if leaf.not_valid_after_utc <= now:
        raise InvalidInputError(f"the certificate has expired on {leaf.not_valid_after_utc}")
    _check_signatures(certificates)
    return _details(leaf)


def read_certificate(certificate: str | bytes) -> CertificateDetails:
    """Return what a certificate says.

    Args:
        certificate: PEM, or DER as bytes.

    Raises:
        InvalidInputError: it is none.
    """
    try:
        if isinstance(certificate, bytes):
            return _details(x509.load_der_x509_certificate(certificate))
        found = x509.load_pem_x509_certificate(certificate.encode())
        return _details(found)
    except _UNREADABLE as error:
        raise InvalidInputError(f"it is no certificate: {error}"[:200]) from error


def find_leaf(chain: str) -> CertificateDetails | None:
    """Return what the first certificate of a chain in PEM says, or None if it cannot be read."""
    try:
        return _details(x509.load_pem_x509_certificates(chain.encode())[0])
    except _UNREADABLE:
        return None


def _details(certificate: x509.Certificate) -> CertificateDetails:
    return CertificateDetails(
        serial_number=f"{certificate.serial_number:X}",
        not_after=certificate.not_valid_after_utc,
        presented=PresentedCertificate(
            common_name=_single(certificate.subject, NameOID.COMMON_NAME),
            issuer=certificate.issuer.rfc4514_string(),
            sha256=certificate.fingerprint(hashes.SHA256()).hex(),
            # Some proxies tell no other one. Nobody can make a second certificate for a given one.
            sha1=certificate.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 - a name, no signature
        ),
    )


def _check_signatures(certificates: Sequence[x509.Certificate]) -> None:
    for lower, upper in pairwise(certificates):
        try:
            lower.verify_directly_issued_by(upper)
        except (*_UNREADABLE, InvalidSignature):
            raise InvalidInputError(
                f"{lower.subject.rfc4514_string()} is not signed by "
                f"{upper.subject.rfc4514_string()}, which follows it: each certificate has to be "
                "followed by the one that signed it"
            ) from None
