"""Signing requests and certificates as the whitepaper wants them."""

import hashlib
from datetime import UTC, datetime

import pytest
from cryptography import x509 as library
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from shared import x509
from shared.domain.errors import InvalidInputError
from shared.domain.trust.certificates import CertificateUse
from tests.support.signing import key_usage, name, root, signing_request


@pytest.mark.parametrize(
    ("key", "key_type"),
    [
        (rsa.generate_private_key(65537, 2048), "RSA 2048"),
        (ec.generate_private_key(ec.SECP224R1()), "EC secp224r1"),
        (ec.generate_private_key(ec.BrainpoolP256R1()), "EC brainpoolP256r1"),
    ],
)
def test_a_key_that_is_long_enough_is_taken(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, key_type: str
) -> None:
    details = x509.read_signing_request(signing_request("SN-1", key=key), organization="Operator")
    assert (details.refusal, details.key_type, details.common_name) == (None, key_type, "SN-1")


def test_an_edwards_curve_is_taken() -> None:
    builder = library.CertificateSigningRequestBuilder().subject_name(name("SN-1"))
    csr = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    details = x509.read_signing_request(csr.public_bytes(Encoding.PEM).decode(), organization=None)
    assert (details.refusal, details.key_type) == (None, "Ed25519")


def test_a_signature_of_another_key_is_refused() -> None:
    csr = library.load_pem_x509_csr(signing_request().encode())
    der = bytearray(csr.public_bytes(Encoding.DER))
    der[der.index(b"Operator")] ^= 1  # what was signed is not what is said
    pem = library.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()
    details = x509.read_signing_request(pem, organization=None)
    assert details.refusal == "its signature is not that of its key"


def test_two_common_names_are_none() -> None:
    both = library.Name([*name("CP-1"), *name("CP-2")])
    builder = library.CertificateSigningRequestBuilder().subject_name(both)
    csr = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    pem = csr.public_bytes(Encoding.PEM).decode()
    assert x509.read_signing_request(pem, organization=None).common_name is None


def test_a_name_with_a_nul_is_none() -> None:
    assert (
        x509.read_signing_request(signing_request("CP-1\0"), organization=None).common_name is None
    )


def test_a_version_that_there_is_not_is_refused() -> None:
    der = library.load_pem_x509_csr(signing_request().encode()).public_bytes(Encoding.DER)
    damaged = der.replace(b"\x02\x01\x00", b"\x02\x01\x09", 1)  # INTEGER, one byte, the version
    details = x509.read_signing_request(_pem(damaged), organization=None)
    assert "version" in (details.refusal or "")
    der = library.load_pem_x509_certificate(root().pem.encode()).public_bytes(Encoding.DER)
    certificate = _pem(der.replace(b"\x02\x01\x02", b"\x02\x01\x09", 1))
    certificate = certificate.replace("CERTIFICATE REQUEST", "CERTIFICATE")
    assert x509.read_root_hash_data(certificate) is None
    with pytest.raises(InvalidInputError, match="version"):
        x509.check_certificate(certificate)


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda b: b.decode("latin-1")))
def test_whatever_a_station_sends_is_judged(text: str) -> None:
    assert x509.read_signing_request(text, organization=None).refusal is not None
    assert x509.read_root_hash_data(text) is None


@given(st.integers(0, 500), st.integers(0, 255))
def test_a_request_that_was_damaged_on_the_way_is_judged(position: int, byte: int) -> None:
    csr = library.load_pem_x509_csr(_CSR.encode()).public_bytes(Encoding.DER)
    damaged = bytearray(csr)
    damaged[position % len(csr)] = byte
    x509.read_signing_request(_pem(bytes(damaged)), organization=None)


_CSR = signing_request()


def _pem(der: bytes) -> str:
    import base64  # noqa: PLC0415 - here alone

    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)]
)
def test_a_root_is_named_as_ocsp_names_it(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    authority = root(key=key, serial_number=4095)
    certificate = authority.certificate
    data = x509.read_root_hash_data(authority.pem)
    assert data is not None
    # What the library puts into an OCSP request for the same certificate.
    request = (
        ocsp.OCSPRequestBuilder().add_certificate(certificate, certificate, hashes.SHA256()).build()
    )
    assert bytes.fromhex(data.issuer_name_hash) == request.issuer_name_hash
    assert bytes.fromhex(data.issuer_key_hash) == request.issuer_key_hash
    assert data.serial_number == "FFF"  # the whitepaper's own example, §6.1
    assert data.issuer_name_hash == hashlib.sha256(certificate.issuer.public_bytes()).hexdigest()


def test_what_is_no_root_is_not_named() -> None:
    assert x509.read_root_hash_data(root().answer(signing_request())) is None


def test_one_certificate_is_one() -> None:
    x509.check_certificate(root().pem)
    for text in ("", "x", root().pem * 2):
        with pytest.raises(InvalidInputError):
            x509.check_certificate(text)


_CA = library.BasicConstraints(ca=True, path_length=None)
_NO_CA = library.BasicConstraints(ca=False, path_length=None)
_NOW = datetime.now(UTC)
_SIGNS = key_usage(signs_certificates=True)
_SIGNS_NOT = key_usage(signs_certificates=False)


@pytest.mark.parametrize("use", list(CertificateUse))
@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (root().answer(signing_request("CP-1")), "CA:TRUE"),
        (root("CP-1", extensions=(_NO_CA,)).pem, "CA:TRUE"),
        (root("CP-1", extensions=()).pem, "CA:TRUE"),
        (root(extensions=(_CA, _SIGNS_NOT)).pem, "keyCertSign"),
        (root(days=-1).pem, "has expired on"),
        (root(signed_by=root()).pem, "not signed with its own key"),
    ],
    ids=["leaf", "CA:FALSE", "none", "key usage", "expired", "another's signature"],
)
def test_what_cannot_verify_others_is_no_root(
    certificate: str, reason: str, use: CertificateUse
) -> None:
    with pytest.raises(InvalidInputError, match=reason) as raised:
        x509.check_root(certificate, use, now=_NOW)
    assert str(use) in str(raised.value)


@pytest.mark.parametrize(
    "certificate",
    [
        root().pem,
        root(extensions=(_CA, _SIGNS)).pem,
        root("New root", signed_by=root()).pem,  # M05.FR.10
        root(key=rsa.generate_private_key(65537, 2048)).pem,
    ],
    ids=["root", "key usage", "signed by the one before", "RSA"],
)
def test_what_can_verify_others_is_a_root(certificate: str) -> None:
    x509.check_root(certificate, CertificateUse.CSMS_ROOT, now=_NOW)


def test_a_chain_stands_in_its_order() -> None:
    authority = root()
    leaf = authority.answer(signing_request())
    x509.check_order(leaf)
    x509.check_order(leaf + authority.pem)
    for wrong in ("", "x", authority.pem + leaf, leaf + root("Other").pem):
        with pytest.raises(InvalidInputError):
            x509.check_order(wrong)
