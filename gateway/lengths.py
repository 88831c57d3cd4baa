"""How long a message may be: one that tells of a transaction longer than any other.

What belongs to a transaction grows with its length, and a station that may not send it keeps it for
ever, and with it all that comes later (OCPP 1.6 §3.7.1). Nothing else of OCPP has that need: lists
come in parts, or their items in messages of their own. So of the rest no more is read than says
what it is.
"""

import re

import msgspec

TRANSACTION_ACTIONS = frozenset(
    {"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"}
)
"""What tells of transactions, in whatever version. Its letter case is mended, like that of all."""

# Padding and message ids as `rpc` takes them.
_PADDING = rb"[\x00\xef\xbb\xbf\s]*"
_MESSAGE_ID = rb'(?:"[^"\\\x00-\x1f]{1,36}"|-?\d{1,19})'
_ACTION = "|".join(sorted(TRANSACTION_ACTIONS)).encode()
_TELLS_OF_A_TRANSACTION = re.compile(
    _PADDING + rb"\[\s*2\s*,\s*" + _MESSAGE_ID + rb'\s*,\s*"(' + _ACTION + rb')"', re.IGNORECASE
)


def find_transaction_action(data: bytes) -> str | None:
    """Return the Action of a frame that tells of a transaction, as far as its beginning shows."""
    found = _TELLS_OF_A_TRANSACTION.match(data)
    if found is None:
        return None
    meant = found[1].decode().casefold()
    return next(action for action in TRANSACTION_ACTIONS if action.casefold() == meant)


class TooLongError(msgspec.DecodeError):
    """A message tells of no transaction, and is longer than such a one may be."""


def check(data: bytes, limit_bytes: int) -> None:
    """Look at the beginning of a message that is longer than `limit_bytes`.

    Raises:
        TooLongError: it tells of no transaction.
    """
    if find_transaction_action(data) is None:
        raise TooLongError(
            f"the message has {len(data)} bytes, and at most {limit_bytes} are taken of one that "
            "tells of no transaction: say less in one message"
        )
