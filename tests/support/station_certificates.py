"""Keys, certificates and signatures as simulated stations are given them."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

#: When certificates are looked at, unless a test says otherwise.
START = 1_770_000_000.0

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def make_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def certify(
    name: str,
    public_key: object,
    *,
    issuer: x509.Certificate | None,
    key: Key,
    at: float = START,
    days: int = 10,
    serial: int = 4095,
) -> x509.Certificate:
    """Return a certificate that begins an hour before `at`; without an issuer it is a root."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.fromtimestamp(at, UTC) - timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(public_key)  # type: ignore[arg-type]  # of whatever kind
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def make_root(key: Key, name: str = "Root", **more: int) -> x509.Certificate:
    return certify(name, key.public_key(), issuer=None, key=key, **more)


def pem(*certificates: x509.Certificate) -> str:
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)


def sign(key: Key, content: bytes) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return b64encode(key.sign(content, pss, hashes.SHA256())).decode()
    return b64encode(key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()
