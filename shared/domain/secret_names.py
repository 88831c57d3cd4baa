"""Which names are those of secrets: of configuration keys, variables, members and parameters.

Vendors name their own as they like (WiFiPSK, ApnPwd, modem_pin), so that the words in a name
decide. What is in doubt is hidden: an operator misses a value, and nobody else gets one.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from unicodedata import normalize


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Secrets wherever they stand in a name, unless what is behind tells about them only.
_STRONG = _set(
    "password passwords passwd pwd passcode passphrase passkey psk pin pins puk puks secret "
    "secrets credential credentials bearer jwt otp totp passwort kennwort"
)
# Secrets if a name ends with them.
_AT_THE_END = _set("pass token tokens key cookie")
_PAIRS_AT_THE_END = frozenset(
    {
        *((first, "auth") for first in ("basic", "digest", "http")),
        ("authorization", "header"),
        ("connection", "string"),
        ("snmp", "community"),
        *((kind, "keys") for kind in ("api", "access", "private", "shared", "secret")),
    }
)
_PAIRS = frozenset(("pass", second) for second in ("word", "words", "wd", "phrase", "code", "key"))
# Behind a word these say nothing: AuthKey1, TokenValue.
_IDLE = _set("value text string hex base64 data encrypted pem der new old primary secondary")
# Behind a word these speak about it: PinCodeLength, TokenType, PasswordSet.
_ABOUT = _set(
    "active age algorithm allowed attempts available change changed check complexity count "
    "disabled enabled entries expiry expired expiration expires format group hint history id "
    "ids index interval len length level lifetime limit max min minimum maximum method mode "
    "name names number policy present problem reader required requirements reset retries "
    "retry rotation set size slot state status storage supported timeout tries type types usage "
    "validity version"
)
# And in front of the whole name: UsePassword, MaxKeys.
_ASKS = _set(
    "allow disable enable has hide is max min number require requires show supported supports use"
)
# In front of a word these make it something else: PublicKey, IdToken, GpioPin.
_HARMLESS = {
    "key": _set("public pub config configuration host idempotency max min sort unknown"),
    "pin": _set("gpio input io led output relay"),
    "pass": _set("band high low master by"),
    "token": _set("card charging group id idtag reader rfid tag"),
    "tokens": _set("card charging group id idtag reader rfid tag"),
}
# What runs together with a word in names without capitals: wifipsk, FTPPASS.
_BEFORE = (
    r"(?:access|account|admin|api|apn|app|auth|authorization|aws|backend|basic|broker|client|cloud|"
    r"db|default|device|encryption|ftp|ftps|hotspot|http|https|install|installer|login|master|modem|"
    r"mqtt|my|network|old|new|operator|ppp|pre|preshared|private|proxy|root|router|service|session|"
    r"sftp|shared|sim|smtp|ssh|station|system|tls|user|vpn|web|webui|wep|wifi|wlan|wpa)"
)
_STRONG_RUN = re.compile(_BEFORE + r"{1,4}(?:pwd|psk|pin|pincode|puk|credentials?)|pincode|pukcode")
_RUN_AT_THE_END = re.compile(_BEFORE + r"{1,4}(?:pass|token|key)")
_ANYWHERE = re.compile(
    r"password|passwd|passphrase|passwort|kennwort|secret|authorizationkey|privatekey"
)
_MENTIONED = re.compile(
    r"pass|pwd|passwort|kennwort|secret|token|psk|(?<![a-z])(?:pin|puk)|[a-z]key|private key"
    r"|credential|simpin|modempin|://[^/\s]*@",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
# Parameters of URLs that let whoever has them in.
_PARAMETERS = _set("auth code jwt sas sid sig signature")
# Our commands name a variable of 2.0.1 as Component(evse)[instance].Variable[instance]/Attribute.
_INSTANCE = re.compile(r"\[([^\[\]]*)\]")
_EVSE = re.compile(r"\([0-9, ]*\)")
_ATTRIBUTE = re.compile(r"/(?:Actual|Target|MinSet|MaxSet)$")
_NAME_MAX_LENGTH = 128
_NAMES_REMEMBERED = 4096

_operators: frozenset[str] = frozenset()


def hide_also(names: Iterable[str]) -> None:
    """Take these names for those of secrets as well, whatever words are in them.

    Args:
        names: in any letter case; of a variable of 2.0.1 with its component or without.
    """
    global _operators  # noqa: PLW0603 - told once, when a process starts
    _operators = frozenset(name.strip().casefold() for name in names if name.strip())
    _is_secret_name.cache_clear()


def is_secret(name: str) -> bool:
    """Tell whether a configuration key, variable or parameter of this name holds a secret.

    A name that is longer than any of OCPP's is looked at as far as they go.
    """
    return _is_secret_name(name[:_NAME_MAX_LENGTH])


@lru_cache(maxsize=_NAMES_REMEMBERED)
def _is_secret_name(name: str) -> bool:
    name = normalize("NFKC", name)
    plain = _ATTRIBUTE.sub("", _EVSE.sub("", name))
    instances = _INSTANCE.findall(plain)
    plain = _INSTANCE.sub("", plain)
    if _operators:
        known = plain.casefold()
        if not _operators.isdisjoint((known, known.rpartition(".")[2], name.casefold())):
            return True
    return any(_is_secret(_words(part)) for part in (plain, *instances))


def is_secret_member(name: str) -> bool:
    """Tell likewise of a member of a message, where `key` is mostly the name of something."""
    return name != "key" and is_secret(name)


def is_secret_parameter(name: str) -> bool:
    """Tell likewise of a parameter of a URL, where signatures are secrets as well."""
    return is_secret(name) or not _PARAMETERS.isdisjoint(_words(name[:_NAME_MAX_LENGTH]))


def mentions_a_secret(text: str) -> bool:
    """Tell whether a text that nobody can read, as a broken message, may hold a secret."""
    return _MENTIONED.search(text) is not None


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_secret(words: Sequence[str]) -> bool:
    """Tell by the words of a name, from the last one on, in a time that grows with their number."""
    if not words or words[0] in _ASKS:
        return False
    at_the_end = True
    for index in range(len(words) - 1, -1, -1):
        word, before = words[index], words[index - 1] if index else ""
        if before not in _HARMLESS.get(word, ()) and (
            _is_strong(before, word) or (at_the_end and _is_secret_at_the_end(before, word))
        ):
            return True
        if word in _ABOUT:
            return False
        at_the_end = at_the_end and word in _IDLE
    return False


def _is_strong(before: str, word: str) -> bool:
    return (
        word in _STRONG
        or (before, word) in _PAIRS
        or _ANYWHERE.search(word) is not None
        or _STRONG_RUN.fullmatch(word) is not None
    )


def _is_secret_at_the_end(before: str, word: str) -> bool:
    return (
        word in _AT_THE_END
        or (before, word) in _PAIRS_AT_THE_END
        or _RUN_AT_THE_END.fullmatch(word) is not None
    )
