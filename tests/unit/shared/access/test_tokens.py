"""A token is its text and its type: keys, and which one is meant."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.access.local_lists import LocalListEntry
from shared.domain.access.tokens import (
    AuthorizationStatus,
    IdToken,
    IdTokenType,
    all_keys,
    find_meant,
    id_token_key,
    is_same_type,
    typed_key,
    without_type,
)

CARD, CARD_2, EMAID, CENTRAL = (
    IdTokenType.ISO14443,
    IdTokenType.ISO15693,
    IdTokenType.EMAID,
    IdTokenType.CENTRAL,
)
types = st.sampled_from(IdTokenType)
texts = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=36)


def token(type_: IdTokenType) -> IdToken:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return IdToken(
        id_token="ABC",
        type=type_,
        status=AuthorizationStatus.ACCEPTED,
        expires_at=None,
        group_id_token=None,
        created_at=now,
        updated_at=now,
    )


@pytest.mark.parametrize(
    ("registered", "presented_as", "meant"),
    [
        ((), None, None),
        ((), CARD, None),
        # OCPP 1.6 tells no type: the only one is meant, whatever it is.
        ((CARD,), None, CARD),
        ((EMAID,), None, EMAID),
        ((CENTRAL,), None, CENTRAL),
        # Of several, what a reader of 1.6 reads; else nobody can tell.
        ((EMAID, CARD), None, CARD),
        ((CENTRAL, EMAID, CARD_2), None, CARD_2),
        ((EMAID, CENTRAL), None, None),
        # OCPP 2.0.1 tells it.
        ((CARD,), CARD, CARD),
        ((CARD,), CARD_2, CARD),
        ((CARD_2,), CARD, CARD_2),
        ((CARD,), EMAID, None),
        ((EMAID, CARD), EMAID, EMAID),
        ((EMAID, CARD), CARD_2, CARD),
        ((EMAID, CARD), CENTRAL, None),
    ],
)
def test_which_token_is_meant(
    registered: tuple[IdTokenType, ...],
    presented_as: IdTokenType | None,
    meant: IdTokenType | None,
) -> None:
    found = find_meant([token(type_) for type_ in registered], presented_as)
    assert (found and found.type) == meant


@given(text=texts, one=types, other=types)
def test_keys_tell_apart_what_is_not_the_same(
    text: str, one: IdTokenType, other: IdTokenType
) -> None:
    keys = typed_key(text, one), typed_key(text, other)
    assert (keys[0] == keys[1]) == is_same_type(one, other)
    assert set(keys) <= set(all_keys(text))
    assert all_keys(text)[0] == id_token_key(text)
    assert {without_type(key) for key in all_keys(text)} == {id_token_key(text)}
    # As a cursor they pass through this once more.
    assert [id_token_key(key) for key in all_keys(text)] == all_keys(text)


def test_letter_case_makes_no_other_token() -> None:
    """CiString20Type in 1.6 (§7.28), identifierString in 2.0.1 (part 2 §2.28)."""
    assert typed_key("Abc", EMAID) == typed_key("aBC", EMAID)


def test_entries_of_a_list_are_told_apart_as_tokens_are() -> None:
    def key(type_: IdTokenType | None) -> str:
        return LocalListEntry(id_token="ABC", type=type_).key

    assert key(None) == key(CARD) == key(CARD_2) == "abc"
    assert len({key(CARD), key(EMAID), key(CENTRAL)}) == 3
