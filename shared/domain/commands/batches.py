"""One command to many stations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.commands import CommandState


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandBatch:
    """A batch as it was asked for. How far it is stands in its commands.

    `filter` is None for a list of stations. `max_per_s` is how many of its commands are put on
    their way in a second at most.
    """

    batch_id: str
    organization_id: str
    type: str
    params: dict[str, Any]
    filter: dict[str, Any] | None
    total: int
    max_per_s: float
    idempotency_key: str | None
    expires_at: datetime
    created_at: datetime
    cancelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A batch, and how many of its commands are in each state."""

    batch: CommandBatch
    counts: dict[CommandState, int]

    @property
    def finished(self) -> int:
        """How many of its commands nothing more will happen to."""
        return sum(count for state, count in self.counts.items() if state.final)
