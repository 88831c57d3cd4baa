#!/usr/bin/env bash
# authlib 1.9.10 (PyPI), authlib.oidc.core: validating the claims of an ID token.
#
# Guessed: a claim of the wrong type is an invalid claim: whatever `at_hash` holds, `validate()`
# raises InvalidClaimError (a JoseError) if it is not the hash of the access token, so that one
# `except JoseError` catches all that a provider may say wrong.
#
# Seen: an `at_hash` that is a list, as from a provider that maps a claim of several values to that
# name, raises TypeError. Nobody is let in by it; but who catches only what is documented answers
# with 500 for what a provider is set up with. A number is an InvalidClaimError, as guessed.
#
# Output seen:
#   another text: InvalidClaimError
#   a list: TypeError
#   a number: InvalidClaimError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check authlib==1.9.10

cat >"$folder/look.py" <<'PYTHON'
import time
import warnings

warnings.simplefilter("ignore")

from authlib.oidc.core import CodeIDToken

NOW = int(time.time())
CLAIMS = {"iss": "https://login.example.com", "sub": "1", "aud": "us", "iat": NOW, "exp": NOW + 60}


def look(name, at_hash):
    token = CodeIDToken(
        {**CLAIMS, "at_hash": at_hash}, {"alg": "RS256"}, params={"access_token": "a token"}
    )
    try:
        token.validate(now=NOW)
        seen = "valid"
    except Exception as error:
        seen = type(error).__name__
    print(f"{name}: {seen}")
    return seen


assert look("another text", "AAAA") == "InvalidClaimError"
assert look("a list", ["AAAA"]) == "TypeError"
assert look("a number", 7) == "InvalidClaimError"
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
