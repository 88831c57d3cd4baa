"""Fills templates of HTML: whatever is put in is escaped, unless it is HTML of ours already."""

from collections.abc import Iterable
from html import escape
from string import Template


class Html(str):
    """A piece of HTML that was made here."""

    __slots__ = ()


def fill(template: Template, **values: object) -> Html:
    """Return a template with its values.

    Raises:
        KeyError: a value is missing.
    """
    return Html(
        template.substitute(
            {
                name: value if isinstance(value, Html) else escape(str(value))
                for name, value in values.items()
            }
        )
    )


def joined(pieces: Iterable[Html]) -> Html:
    """Return pieces one after another."""
    return Html("".join(pieces))
