"""What stations say otherwise than their version of OCPP, and are understood all the same.

A strict back end would lose the sessions of real stations; one that mends in silence would never
be able to tell a vendor what to repair. So each deviation has a name, and is counted per vendor,
model and firmware.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class QuirkKind(StrEnum):
    """How a message deviates; names are part of the API and do not change."""

    ADDITIONAL_MEMBER = "additional_member"
    """A member that the schema does not know; left out."""
    BEGIN_REPEATED = "begin_repeated"
    """What the meter showed at the start of a transaction or an interruption, told again with later
    samples; put where it belongs, and counted once per session."""
    CALL_BEFORE_ACCEPTANCE = "call_before_acceptance"
    """A CALL other than BootNotification before its answer was Accepted; refused."""
    CALL_BEFORE_ANSWER = "call_before_answer"
    """A CALL before the one before it was answered; answered in order."""
    EMPTY_MEMBER = "empty_member"
    """An empty text where it means nothing; as if the member was left out."""
    FRACTION = "fraction"
    """A fraction where a whole number belongs, as in 12.0; a register keeps it exactly."""
    FRAME_FORM = "frame_form"
    """A frame of another form: a CALL with other than four elements or a number as its message id,
    an answer without its payload, its error code or its description; read as it was meant."""
    ITEM_DROPPED = "item_dropped"
    """An item of a list that cannot be mended; left out, the others of its list are kept."""
    LONELY_ITEM = "lonely_item"
    """One item where a list of items belongs; a list of that one."""
    MEMBER_DROPPED = "member_dropped"
    """A member that decides nothing and cannot be mended; left out."""
    MISSING_MEMBER = "missing_member"
    """A required member that others imply, or that decides nothing; filled in, or kept missing."""
    NULL_MEMBER = "null_member"
    """A null; as if the member was left out."""
    NUMBER_AS_TEXT = "number_as_text"
    """A text where a number belongs, or a boolean; converted."""
    OTHER_COUNTER = "other_counter"
    """Samples of a register that counts from another point than those at the start and the end of a
    transaction, mostly from 0 in each; compared by their rise, and counted once per session."""
    PADDED = "padded"
    """Blanks around an id token; left off."""
    REFUSED = "refused"
    """A message that could not be mended: a CALL is answered with a CALLERROR, and an answer ends
    the command that it names, with what is wrong."""
    SAMPLE_DROPPED = "sample_dropped"
    """A sampled value that means nothing; left out, the others of its message are kept."""
    TEXT_AS_NUMBER = "text_as_number"
    """A number where a text belongs, or a boolean; converted."""
    TIME_FORM = "time_form"
    """A time in another form than RFC 3339; read as it was meant."""
    TIME_WITHOUT_ZONE = "time_without_zone"
    """A time without its offset; taken for UTC."""
    TOO_FEW = "too_few"
    """An empty list that may not be empty; kept."""
    TOO_LONG = "too_long"
    """A text or a list that is longer than allowed; kept whole."""
    UNKNOWN_WORD = "unknown_word"
    """A word that the enumeration does not have; replaced by its "other", left out, or kept where
    it decides nothing."""
    UNREADABLE_TIME = "unreadable_time"
    """What is no time, where none is needed; as if the member was left out."""
    WRONG_CASE = "wrong_case"
    """An action, member or word in other letter case or punctuation; corrected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuirkSighting:
    """How often one station showed one quirk since it was last written down.

    `member` is where in the payload, without the positions in lists: `meterValue.timestamp`.
    `example` is what stood there, shortened; it never holds an id token or a password.
    """

    station_id: str
    ocpp_version: str
    action: str
    kind: QuirkKind
    member: str
    example: str
    count: int
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """One deviation of one firmware. What its stations never told is an empty text."""

    quirk_id: str
    vendor: str
    model: str
    firmware_version: str
    ocpp_version: str
    action: str
    kind: QuirkKind
    member: str
    count: int
    first_seen_at: datetime
    last_seen_at: datetime
    last_station_id: str
    example: str
