"""How errors are written into logs: what happened, and no secret that they carry along.

`repr()` of an exception shows whatever it was made with: a UnicodeEncodeError the whole text that
it could not encode, such as a password, and others rows and hashes. Its message is chosen by
somebody who means it to be read, but Postgres puts whole rows below it (DETAIL), and URLs may hold
passwords.
"""

import re

from shared.domain.redaction import REDACTED

_MAX_LENGTH = 2000
# What Postgres tells beside its message: rows and parameters.
_BELOW_THE_MESSAGE = re.compile(r"\n[^\S\n]*(?:DETAIL|CONTEXT|QUERY|STATEMENT|WHERE):.*", re.DOTALL)
_SECRETS = (
    (re.compile(r"\$(?:argon2\w*|2[aby]|scrypt)\$[^\s'\")]+"), REDACTED),
    (re.compile(r"(://[^\s/:@'\"]*:)[^\s/@'\"]+@"), rf"\g<1>{REDACTED}@"),
    (re.compile(r"\b(Basic|Bearer) +[\w+/=.~-]{4,}", re.IGNORECASE), rf"\g<1> {REDACTED}"),
    (
        re.compile(
            r"([?&][\w-]{0,40}(?:sig|token|secret|key|passw|credential)[\w-]{0,40}=)[^\s&'\"]+",
            re.IGNORECASE,
        ),
        rf"\g<1>{REDACTED}",
    ),
    # What pydantic repeats of an input that it refuses.
    (re.compile(r"input_value=.*?(?=, input_type=|\]|$)", re.MULTILINE), f"input_value={REDACTED}"),
)
# Every one of them has one of these; nearly no line of a log has.
_SIGN = re.compile(r"\$|://|[?&]|basic|bearer|input_value", re.IGNORECASE)


def describe_error(error: BaseException) -> str:
    """Return an error in a line that may be logged: its type and its message, without secrets."""
    name = type(error).__name__
    text = without_secrets(str(error))
    return f"{name}: {text}" if text else name


def without_secrets(text: str) -> str:
    """Return a text without what looks like a secret, and not too long."""
    text = _BELOW_THE_MESSAGE.sub("", text[:_MAX_LENGTH]) if "\n" in text else text[:_MAX_LENGTH]
    if _SIGN.search(text):
        for pattern, instead in _SECRETS:
            text = pattern.sub(instead, text)
    return text
