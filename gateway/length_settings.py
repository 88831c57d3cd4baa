"""How long a message of a station may be; `gateway.lengths` tells which one may be longer."""

from pydantic import Field, PositiveInt

from shared.settings import ServiceSettings


class LengthSettings(ServiceSettings):
    """The lengths that a pod takes messages in."""

    max_message_bytes: PositiveInt = Field(
        default=256 * 1024,
        description="inflated, of a message that tells of no transaction. A longer CALL is refused "
        "with its size and this limit, a longer answer ends its command with the same words; "
        "neither is decoded. Reports of stations come in parts (2.0.1 NotifyReport `tbc`), and all "
        "keys of a large 1.6 station have some tens of kilobytes",
    )
    max_transaction_message_bytes: PositiveInt = Field(
        default=2 * 1024 * 1024,
        description="likewise of StartTransaction, StopTransaction, MeterValues and "
        "TransactionEvent; a longer message closes with 1009, and the operator is told with the "
        "security event MessageTooLong. A StopTransaction of a whole day with one sample a minute "
        "of fourteen values has as much (1,440 meter values, 100 bytes per value), and so have 33 "
        "hours of ten; 8 hours of ten have 492 KiB. What is refused stays with the station, which "
        "sends it at each reconnect and nothing behind it. Its decoding takes 15 ms in one turn of "
        "the event loop, all else of it is done in portions",
    )

    max_unfinished_long_messages: PositiveInt = Field(
        default=64,
        description="messages longer than max_message_bytes that a pod takes in at once: 128 MiB. "
        "More stations with one are not read from until one of these has come to its end, so that "
        "theirs wait in the kernel and at the station. One that has not come within "
        "long_message_timeout_s is closed with 1008 if others wait",
    )
    max_long_messages_in_work: PositiveInt = Field(
        default=2,
        description="and how many of them are worked on at once, from their last byte to their "
        "answer: each takes some 25 MB when it is decoded. They are committed one after the other "
        "all the same",
    )

    @property
    def longest_message_bytes(self) -> int:
        """How long a message may be, whatever it tells of."""
        return max(self.max_message_bytes, self.max_transaction_message_bytes)
