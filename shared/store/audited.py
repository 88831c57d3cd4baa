"""How a table is told of in the audit log: the words that `audited_tables.py` is written in."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """How changes of one table are written down.

    Attributes:
        resource: what the API calls it, as in its paths.
        key: the columns that make its id there.
        shown: columns whose values are told.
        secret: columns of which is told that they changed, and nothing of their values.
        left_out: columns that are not looked at, and why.
        created: the word for a new row; None if requests make none that anybody wants to know of.
        changes: whether changed rows are of interest.
        deletes: whether deleted ones are.
        rows: a condition on the row, {row}, for those that count.
    """

    resource: str
    key: tuple[str, ...]
    shown: tuple[str, ...]
    secret: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    created: str | None = "created"
    changes: bool = True
    deletes: bool = True
    rows: str | None = None


def each(why: str, names: str) -> dict[str, str]:
    """Return one reason for several columns, whose names stand between spaces."""
    return dict.fromkeys(names.split(), why)


ITS_OWN_TIMES = "the entry tells when"
TIMES = each(ITS_OWN_TIMES, "created_at updated_at")
