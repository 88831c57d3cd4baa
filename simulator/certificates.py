"""Certificates of a station (1.6 whitepaper: A02, M03 to M05; 2.0.1: A02, M03 to M05).

All of it is arithmetic: keys come from the station's own chance, so that the same seed makes the
same keys. That is of use to a test, and makes them none for anything else.
"""

import binascii
import random
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

#: What this station has room for (CertificateStoreMaxLength, CertificateSignedMaxChainSize).
STORE_MAX_CERTIFICATES = 20
CHAIN_MAX_LENGTH = 10_000

_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}
_KEY_BITS = 256


@dataclass(frozen=True, slots=True)
class HashData:
    """What a certificate is named by (1.6 whitepaper, 6.1; RFC 6960).

    Attributes:
        algorithm: SHA256, SHA384 or SHA512.
        issuer_name: Hash of the issuer's name.
        issuer_key: Hash of the issuer's public key.
        serial_number: Hexadecimal, without leading zeroes.
    """

    algorithm: str
    issuer_name: str
    issuer_key: str
    serial_number: str


class RootCertificates:
    """The root certificates of one station, by their use; they survive a restart."""

    __slots__ = ("_installed",)

    def __init__(self) -> None:
        self._installed: list[tuple[str, x509.Certificate]] = []

    def __len__(self) -> int:
        return len(self._installed)

    def install(self, use: str, text: str, now: float) -> bool:
        """Install a root; False if it is none, does not hold now, or there is no room (M05).

        Args:
            use: What for, in the words of the version.
            text: PEM.
            now: Seconds since the Unix epoch.
        """
        root = load_certificate(text)
        if root is None or root.issuer != root.subject or not _is_valid(root, now):
            return False
        if (use, root) in self._installed:
            return True
        if len(self._installed) >= STORE_MAX_CERTIFICATES:
            return False
        self._installed.append((use, root))
        return True

    def delete(self, named: HashData) -> bool:
        """Remove the certificates that this names (M04); False if there are none."""
        kept = [each for each in self._installed if not _same(_hash_data(each[1], named), named)]
        removed = len(self._installed) - len(kept)
        self._installed = kept
        return removed > 0

    def of(self, use: str) -> Iterator[x509.Certificate]:
        """Return the roots of a use."""
        return (root for each, root in self._installed if each == use)

    def hash_data(self, use: str) -> list[HashData]:
        """Return what names the roots of a use (M03.FR.04)."""
        return [_hash_data(root) for root in self.of(use)]


class StationKeys:
    """The key pair and the certificate of one station.

    Attributes:
        certificate: PEM of the chain in use, None if there is none.
    """

    __slots__ = ("_common_name", "_pending", "_rng", "certificate")

    def __init__(self, common_name: str, rng: random.Random) -> None:
        self._common_name = common_name
        self._rng = rng
        self._pending: ec.EllipticCurvePrivateKey | None = None
        self.certificate: str | None = None

    def make_signing_request(self, organization: str) -> str:
        """Make a new key pair and return the request to sign it (A02.FR.02, .03).

        Args:
            organization: Of the operator, CpoName (A02.FR.13); empty for none.

        Returns:
            PKCS #10 in PEM.
        """
        self._pending = ec.derive_private_key(
            self._rng.getrandbits(_KEY_BITS - 1) | 1, ec.SECP256R1()
        )
        names = [x509.NameAttribute(NameOID.COMMON_NAME, self._common_name)]
        if organization:
            names.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name(names))
            .sign(self._pending, hashes.SHA256(), ecdsa_deterministic=True)
        )
        return request.public_bytes(Encoding.PEM).decode()

    def accept(self, chain: str, roots: list[x509.Certificate], now: float) -> str | None:
        """Take a signed certificate into use (A02.FR.06).

        Args:
            chain: PEM, the station's own certificate first.
            roots: Of the CSMS; if there are any, one has to have signed the end of the chain.
            now: Seconds since the Unix epoch.

        Returns:
            Why it is of no use; None if it is in use now.
        """
        try:
            certificates = x509.load_pem_x509_certificates(chain.encode())
        except (ValueError, UnsupportedAlgorithm):
            return "it is no certificate"
        leaf, last = certificates[0], certificates[-1]
        checks = {
            "it is not for the key of the last request": self._pending is not None
            and leaf.public_key() == self._pending.public_key(),
            f"it is not for {self._common_name}": _common_name(leaf) == self._common_name,
            "it is not valid now": all(_is_valid(each, now) for each in certificates),
            "its chain is broken": all(
                _issued(upper, lower) for lower, upper in pairwise(certificates)
            ),
            "no root of the CSMS has signed it": not roots
            or any(_issued(root, last) or root == last for root in roots),
        }
        problem = next((problem for problem, passed in checks.items() if not passed), None)
        if problem is None:
            self.certificate = chain
            self._pending = None
        return problem


def load_certificate(text: str) -> x509.Certificate | None:
    """Return the certificate in a PEM, None if there is none."""
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None


def is_trusted(certificate: x509.Certificate, roots: list[x509.Certificate], now: float) -> bool:
    """Return whether a signing certificate holds now and was issued by a root, if there is any.

    A station that was given no root of its manufacturer can check no more than the dates.
    """
    return _is_valid(certificate, now) and (
        not roots or any(_issued(root, certificate) or root == certificate for root in roots)
    )


def is_signed_by(certificate: x509.Certificate, signature: str, content: bytes) -> bool:
    """Return whether a signature in base64 is that of a certificate's key over a content.

    RSA-PSS with SHA-256 (1.6 whitepaper, L01.FR.04). Of keys on elliptic curves ECDSA is taken,
    as the ECSchnorr that is named there is hardly found.
    """
    key = certificate.public_key()
    try:
        told = b64decode(signature, validate=True)
        match key:
            case rsa.RSAPublicKey():
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
                key.verify(told, content, pss, hashes.SHA256())
            case ec.EllipticCurvePublicKey():
                key.verify(told, content, ec.ECDSA(hashes.SHA256()))
            case _:
                return False
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _is_valid(certificate: x509.Certificate, now: float) -> bool:
    moment = datetime.fromtimestamp(now, UTC)
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def _issued(upper: x509.Certificate, lower: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _common_name(certificate: x509.Certificate) -> str | None:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else None


def _hash_data(root: x509.Certificate, named: HashData | None = None) -> HashData:
    """Return what names a root, with the algorithm of a name that is looked for."""
    algorithm = "SHA256" if named is None else named.algorithm
    return HashData(
        algorithm,
        _digest(algorithm, root.issuer.public_bytes()),
        # Its issuer is itself.
        _digest(algorithm, _key_bits(root.public_key())),
        f"{root.serial_number:X}",
    )


def _same(one: HashData, other: HashData) -> bool:
    """Compare two names; they are hexadecimal digits, of either case."""
    pairs = (
        (one.issuer_name, other.issuer_name),
        (one.issuer_key, other.issuer_key),
        (one.serial_number, other.serial_number.lstrip("0") or "0"),
    )
    return all(left.lower() == right.lower() for left, right in pairs)


def _key_bits(key: CertificatePublicKeyTypes) -> bytes:
    """Return the value of the subject public key, without tag and length (RFC 6960, 4.1.1)."""
    match key:
        case rsa.RSAPublicKey():
            return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        case ec.EllipticCurvePublicKey():
            return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        case _:
            return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _digest(algorithm: str, content: bytes) -> str:
    digest = hashes.Hash(_HASHES[algorithm]())
    digest.update(content)
    return digest.finalize().hex()
