"""Keys, signing requests and certificates, as stations and their operators make them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def name(common_name: str | None, organization: str | None = None) -> x509.Name:
    pairs = ((NameOID.COMMON_NAME, common_name), (NameOID.ORGANIZATION_NAME, organization))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs if value is not None])


def signing_request(
    common_name: str | None = "CP-1",
    *,
    organization: str | None = "Operator",
    key: Key | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> str:
    """Return a CSR in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(common_name, organization))
    signed = builder.sign(
        key or ec.generate_private_key(ec.SECP256R1()),
        algorithm or hashes.SHA256(),  # type: ignore[arg-type]  # an old one is what a test is about
    )
    return signed.public_bytes(Encoding.PEM).decode()


@dataclass(frozen=True)
class SigningAuthority:
    """A self-signed certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def answer(self, csr: str, *, days: int = 30) -> str:
        """Return the certificate for a CSR, both in PEM."""
        request = x509.load_pem_x509_csr(csr.encode())
        now = datetime.now(UTC)
        issued = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.certificate.subject)
            .public_key(request.public_key())
            .serial_number(4095)
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .sign(self.key, hashes.SHA256())
        )
        return issued.public_bytes(Encoding.PEM).decode()

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write certificate and key, and return their paths."""
        certificate, key = folder / "ca.pem", folder / "ca.key"
        certificate.write_text(self.pem)
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key


_CA = x509.BasicConstraints(ca=True, path_length=None)


def root(
    common_name: str = "Root",
    *,
    key: Key | None = None,
    serial_number: int = 7,
    days: int = 365,
    extensions: tuple[x509.ExtensionType, ...] = (_CA,),
    signed_by: SigningAuthority | None = None,
) -> SigningAuthority:
    """Make an authority; with other extensions it is none."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    issuer = name(common_name) if signed_by is None else signed_by.certificate.subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial_number)
        .not_valid_before(now - timedelta(days=500))
        .not_valid_after(now + timedelta(days=days))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    signer = key if signed_by is None else signed_by.key
    return SigningAuthority(builder.sign(signer, hashes.SHA256()), key)


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        **dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        ),
    )
