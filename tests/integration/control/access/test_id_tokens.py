"""Id tokens through the API."""

import asyncio

import httpx
import pytest

from tests.integration.control.players import assert_problem

CARD = {"id_token": "04A2b3C4", "group_id_token": "FLEET-7"}


async def test_a_token_is_accepted_until_its_owner_says_otherwise(
    client: httpx.AsyncClient,
) -> None:
    created = await client.post("/v1/id-tokens", json=CARD)
    assert created.status_code == 201
    assert created.json()["type"] == "ISO14443"
    assert created.json()["status"] == "Accepted"
    blocked = await client.patch("/v1/id-tokens/04A2b3C4", json={"status": "Blocked"})
    assert blocked.json()["status"] == "Blocked"
    assert blocked.json()["group_id_token"] == "FLEET-7"
    assert (await client.get("/v1/id-tokens/04A2b3C4")).json() == blocked.json()


async def test_letter_case_does_not_make_another_token(client: httpx.AsyncClient) -> None:
    await client.post("/v1/id-tokens", json=CARD)
    again = await client.post("/v1/id-tokens", json={"id_token": "04a2B3c4"})
    assert_problem(again, 409, "conflict")
    assert (await client.get("/v1/id-tokens/04A2B3C4")).json()["id_token"] == "04A2b3C4"


async def test_a_token_with_any_printable_character_has_an_address(
    client: httpx.AsyncClient,
) -> None:
    for token in ("a/b", "50%", "a b", "é?#", "a\\b"):
        created = await client.post("/v1/id-tokens", json={"id_token": token})
        location = created.headers["location"]
        assert (await client.get(location)).json()["id_token"] == token
        assert (await client.delete(location)).status_code == 204
        assert_problem(await client.get(location), 404, "not-found")


async def test_a_time_is_kept_in_utc(client: httpx.AsyncClient) -> None:
    body = {**CARD, "expires_at": "2030-01-01T02:00:00+02:00"}
    assert (await client.post("/v1/id-tokens", json=body)).json()["expires_at"] == (
        "2030-01-01T00:00:00Z"
    )
    cleared = await client.patch("/v1/id-tokens/04A2b3C4", json={"expires_at": None})
    assert cleared.json()["expires_at"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id_token", ""),
        ("id_token", "t" * 37),
        ("id_token", "tab\there"),
        ("type", "Card"),
        ("status", "Expired"),
        ("status", "Perhaps"),
        ("expires_at", "2030-01-01T00:00:00"),  # no zone
        ("expires_at", "0001-01-01T00:00:00+14:00"),  # before the calendar in UTC
        ("expires_at", "9999-12-31T23:59:59-14:00"),
        ("expires_at", "9999-12-31T23:59:59.999999Z"),  # which would be kept as an infinity
        ("expires_at", "0001-01-01T00:00:00Z"),
        ("group_id_token", ""),
        ("colour", "green"),
    ],
)
async def test_what_a_token_cannot_have_is_refused_naming_the_field(
    client: httpx.AsyncClient, field: str, value: str
) -> None:
    response = await client.post("/v1/id-tokens", json={**CARD, field: value})
    problem = assert_problem(response, 422, "invalid-input")
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_every_token_is_listed_once_in_order(client: httpx.AsyncClient) -> None:
    for token in ("b", "A", "c", "D", "e"):
        await client.post("/v1/id-tokens", json={"id_token": token})
    seen: list[str] = []
    params: dict[str, object] = {"limit": 2}
    while True:
        page = (await client.get("/v1/id-tokens", params=params)).json()
        seen += [item["id_token"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == ["A", "b", "c", "D", "e"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_token_that_is_not_there_is_a_404(client: httpx.AsyncClient, method: str) -> None:
    body = {"status": "Blocked"} if method == "PATCH" else None
    response = await client.request(method, "/v1/id-tokens/none", json=body)
    assert_problem(response, 404, "not-found")


async def test_blanks_around_a_token_are_no_part_of_it(client: httpx.AsyncClient) -> None:
    created = await client.post("/v1/id-tokens", json={"id_token": " TAG  "})
    assert created.json()["id_token"] == "TAG"
    assert (await client.get("/v1/id-tokens/TAG")).status_code == httpx.codes.OK


async def test_a_token_is_its_text_and_its_type(client: httpx.AsyncClient) -> None:
    """OCPP 2.0.1 part 2 C §1.1."""
    for type_, status in (("ISO14443", "Accepted"), ("eMAID", "Blocked"), ("Central", "Accepted")):
        body = {"id_token": "ABC", "type": type_, "status": status}
        created = await client.post("/v1/id-tokens", json=body)
        assert created.status_code == 201, created.text
        assert (await client.get(created.headers["location"])).json() == created.json()
    for type_ in ("ISO14443", "ISO15693", "eMAID"):  # cards are one type
        body = {"id_token": "abc", "type": type_}
        assert_problem(await client.post("/v1/id-tokens", json=body), 409, "conflict")
    listed = (await client.get("/v1/id-tokens")).json()["items"]
    assert {token["type"] for token in listed} == {"ISO14443", "eMAID", "Central"}

    several = await client.get("/v1/id-tokens/ABC")
    assert "Central, ISO14443, eMAID" in assert_problem(several, 409, "conflict")["detail"]
    emaid = {"type": "eMAID"}
    assert (await client.get("/v1/id-tokens/abc", params=emaid)).json()["status"] == "Blocked"
    changed = await client.patch("/v1/id-tokens/ABC", params=emaid, json={"status": "Invalid"})
    assert (changed.json()["type"], changed.json()["status"]) == ("eMAID", "Invalid")
    assert_problem(await client.patch("/v1/id-tokens/ABC", json={}), 409, "conflict")
    taken = await client.patch("/v1/id-tokens/ABC", params=emaid, json={"type": "ISO15693"})
    assert_problem(taken, 409, "conflict")
    moved = await client.patch("/v1/id-tokens/ABC", params=emaid, json={"type": "KeyCode"})
    assert moved.json()["type"] == "KeyCode"
    assert_problem(await client.get("/v1/id-tokens/ABC", params=emaid), 404, "not-found")
    again = await client.post("/v1/id-tokens", json={"id_token": "ABC", "type": "eMAID"})
    assert again.status_code == 201

    for type_ in ("ISO15693", "KeyCode", "Central"):
        gone = await client.delete("/v1/id-tokens/ABC", params={"type": type_})
        assert gone.status_code == 204
    assert (await client.get("/v1/id-tokens/ABC")).json()["type"] == "eMAID"
    assert (await client.delete("/v1/id-tokens/ABC")).status_code == 204
    assert_problem(await client.get("/v1/id-tokens/ABC"), 404, "not-found")


async def test_a_type_is_registered_once_however_many_ask_at_once(
    client: httpx.AsyncClient,
) -> None:
    asked = [
        client.post("/v1/id-tokens", json={"id_token": "ABC", "type": type_})
        for type_ in ("ISO14443", "ISO15693", "eMAID", "eMAID", "ISO14443")
    ]
    answers = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert sorted(answers) == [201, 201, 409, 409, 409]


async def test_tokens_of_one_text_are_listed_once_each(client: httpx.AsyncClient) -> None:
    made = [("a", "ISO14443"), ("B", "eMAID"), ("b", "Central"), ("B", "KeyCode"), ("c", "Local")]
    for id_token, type_ in made:
        await client.post("/v1/id-tokens", json={"id_token": id_token, "type": type_})
    seen: list[tuple[str, str]] = []
    params: dict[str, object] = {"limit": 2}
    while params.get("cursor", "") is not None:
        page = (await client.get("/v1/id-tokens", params=params)).json()
        seen += [(item["id_token"], item["type"]) for item in page["items"]]
        params["cursor"] = page["next_cursor"]
    assert sorted(seen) == sorted(made)
    assert [id_token.lower() for id_token, _ in seen] == ["a", "b", "b", "b", "c"]
