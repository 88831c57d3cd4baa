"""A certificate authority for tests, with the certificates that it signs."""

import subprocess
from pathlib import Path


class Authority:
    """Signs certificates below a directory."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self.certificate = directory / f"{name}.pem"
        self._key = directory / f"{name}.key"
        _openssl(
            *("req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-subj", f"/CN=Test {name}", "-days", "2"),
            *("-keyout", str(self._key), "-out", str(self.certificate)),
        )

    def sign(self, common_name: str, *, host: str | None = None) -> tuple[Path, Path]:
        """Return the certificate and key of a new identity."""
        base = self._directory / f"{self.certificate.stem}-{common_name}"
        request, key, certificate = (base.with_suffix(s) for s in (".csr", ".key", ".pem"))
        _openssl(
            *("req", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-subj", f"/O=Test/CN={common_name}", "-keyout", str(key), "-out", str(request)),
        )
        extensions = base.with_suffix(".ext")
        extensions.write_text(f"subjectAltName=IP:{host}\n" if host else "")
        _openssl(
            *("x509", "-req", "-in", str(request), "-days", "2", "-CAcreateserial"),
            *("-CA", str(self.certificate), "-CAkey", str(self._key)),
            *("-extfile", str(extensions), "-out", str(certificate)),
        )
        return certificate, key


def _openssl(*arguments: str) -> None:
    subprocess.run(("openssl", *arguments), check=True, capture_output=True)  # noqa: S607 - on PATH
