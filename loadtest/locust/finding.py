"""What a look at the database has found out."""

import msgspec

_MOST_EXAMPLES = 10


class Finding(msgspec.Struct, kw_only=True):
    """What was found out.

    Attributes:
        acknowledged: Messages the CSMS has confirmed, as far as they were looked up.
        stored: How many of them are where they belong.
        twice: How many sessions and readings are there more often than they should.
        unchecked: Confirmed messages that nobody could look up.
        lost: How many are not there.
        examples: Some of those that are lost or there twice, in words.
    """

    acknowledged: int = 0
    stored: int = 0
    twice: int = 0
    unchecked: int = 0
    lost: int = 0
    examples: list[str] = msgspec.field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether everything is there once."""
        return not self.lost and not self.twice

    @property
    def sentence(self) -> str:
        """The numbers, for people."""
        numbers = (
            f"acknowledged {self.acknowledged}, stored {self.stored}, lost {self.lost}, "
            f"twice {self.twice}"
        )
        return f"{numbers}, not looked up {self.unchecked}" if self.unchecked else numbers

    def count(self, what: str, *, expected: int, found: bool, twice: int = 0) -> None:
        """Note whether something acknowledged is there."""
        self.acknowledged += expected
        if found:
            self.stored += expected
        else:
            self.lost += expected
            self._example(f"{what} was acknowledged and is not stored")
        if twice:
            self.twice += twice
            self._example(f"{what} is stored {twice + 1} times")

    def _example(self, sentence: str) -> None:
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(sentence)
