#!/usr/bin/env bash
# pyocmf 0.6.0 (PyPI), with cryptography 50 and ecdsa: verifying signed meter readings (OCMF).
#
# Guessed: both brainpool curves that the OCMF table of signature algorithms names can be verified,
# as the package lists "brainpool variants" and has the names in its enum.
#
# Seen: neither. A record that says ECDSA-brainpool256r1-SHA256, as the table spells it, is refused
# because the key's curve is called brainpoolP256r1; the spelling that the table does not have,
# ECDSA-brainpoolP256r1-SHA256, verifies. For 384 bits even the public key is refused.
#
# Output seen:
#   ECDSA-secp256r1-SHA256: verified
#   ECDSA-brainpool256r1-SHA256: SignatureVerificationError
#   ECDSA-brainpoolP256r1-SHA256: verified
#   ECDSA-brainpool384r1-SHA256: SignatureVerificationError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyocmf==0.6.0 cryptography==50.0.2 ecdsa==0.19.2

cat >"$folder/look.py" <<'PYTHON'
import json
import warnings

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pyocmf import OCMF

warnings.simplefilter("ignore")
READING = {"TM": "2026-11-30T12:00:00,000+0000 S", "TX": "B", "RV": 2935.6, "RI": "1-b:1.8.0",
           "RU": "kWh", "RT": "AC", "EF": "", "ST": "G"}
PAYLOAD = json.dumps(
    {"FV": "1.0", "GI": "GATEWAY", "GS": "1", "GV": "1", "PG": "T1", "MV": "VENDOR", "MM": "MODEL",
     "MS": "1", "MF": "1.0", "IS": True, "IL": "VERIFIED", "IF": ["RFID_PLAIN"], "IT": "ISO14443",
     "ID": "0123456789ABCD", "RD": [READING]},
    separators=(",", ":"),
)


def look(algorithm, curve):
    key = ec.generate_private_key(curve)
    signature = key.sign(PAYLOAD.encode(), ec.ECDSA(hashes.SHA256())).hex()
    public_key = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = f'OCMF|{PAYLOAD}|{json.dumps({"SA": algorithm, "SD": signature})}'
    try:
        seen = "verified" if OCMF.from_string(record).verify_signature(public_key.hex()) else "false"
    except Exception as error:
        seen = type(error).__name__
    print(f"{algorithm}: {seen}")
    return seen


assert [
    look("ECDSA-secp256r1-SHA256", ec.SECP256R1()),
    look("ECDSA-brainpool256r1-SHA256", ec.BrainpoolP256R1()),
    look("ECDSA-brainpoolP256r1-SHA256", ec.BrainpoolP256R1()),
    look("ECDSA-brainpool384r1-SHA256", ec.BrainpoolP384R1()),
] == ["verified", "SignatureVerificationError", "verified", "SignatureVerificationError"]
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
