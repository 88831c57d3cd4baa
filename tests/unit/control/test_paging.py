"""Cursors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.errors import InvalidFieldError
from control.paging import cut_page, decode_cursor, decode_key, decode_uuid, encode_cursor

# What a key may be: one line of text, as ids and tokens are.
keys = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=48)


@given(keys)
def test_a_cursor_leads_back_to_its_key(key: str) -> None:
    assert decode_key("stations", encode_cursor("stations", key)) == key


@given(st.text(max_size=100))
def test_any_other_text_is_refused_and_breaks_nothing(cursor: str) -> None:
    for decode in (decode_key, decode_uuid):
        with pytest.raises(InvalidFieldError):
            decode("a list that gave no cursor", cursor)


def test_a_cursor_of_another_list_or_with_another_key_is_refused() -> None:
    with pytest.raises(InvalidFieldError):
        decode_key("stations", encode_cursor("sessions", "x"))
    with pytest.raises(InvalidFieldError):
        decode_cursor("stations", encode_cursor("stations", "x"), parts=2)
    with pytest.raises(InvalidFieldError):
        decode_uuid("sessions", encode_cursor("sessions", "not-a-uuid"))


def test_the_cursor_of_a_page_stands_on_its_last_row() -> None:
    assert cut_page("abc", limit=2, cursor_of=str.upper) == ("ab", "B")
    assert cut_page("ab", limit=2, cursor_of=str.upper) == ("ab", None)
    assert cut_page("", limit=2, cursor_of=str.upper) == ("", None)
