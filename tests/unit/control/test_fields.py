"""What is written of an answer when its caller names members."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field, field_serializer

from control.errors import install_error_handlers
from control.fields import with_fields
from control.paging import Page, Total

WRITTEN: list[str] = []


class Thing(BaseModel):
    name: str
    kind: str = Field(alias="type")
    made_at: datetime = datetime(2026, 11, 30, tzinfo=UTC)
    costly: str = "much"

    @field_serializer("costly")
    def _write(self, value: str) -> str:
        WRITTEN.append(value)
        return value


router = APIRouter(prefix="/things", tags=["things"])


@router.get("")
async def list_things(limit: int = 2) -> Page[Thing]:
    """List the things."""
    items = [Thing(name=f"T{number}", type="a") for number in range(limit)]
    return Page(items=items, next_cursor="more", total=Total(count=9, at_least=False))


@router.get("/{name}")
async def get_thing(name: str) -> Thing:
    """Return one."""
    return Thing(name=name, type="b")


@router.post("/{name}")
async def change_thing(name: str) -> Thing:
    """Change one."""
    return Thing(name=name, type="c")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(with_fields(router))
    install_error_handlers(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as caller:
        yield caller


async def test_a_page_has_what_was_chosen_of_each_item_and_its_own_members(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/things", params={"fields": "type,name"})).json() == {
        "items": [{"name": "T0", "type": "a"}, {"name": "T1", "type": "a"}],
        "next_cursor": "more",
        "total": {"count": 9, "at_least": False},
    }


async def test_one_thing_has_what_was_chosen(client: httpx.AsyncClient) -> None:
    assert (await client.get("/things/x", params={"fields": "made_at"})).json() == {
        "made_at": "2026-11-30T00:00:00Z"
    }
    answer = await client.get("/things/x?fields=name&fields=type,name")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"name": "x", "type": "b"}


async def test_without_it_everything_is_there(client: httpx.AsyncClient) -> None:
    assert (await client.get("/things/x")).json().keys() == {"name", "type", "made_at", "costly"}


async def test_what_nobody_wants_is_not_written_out(client: httpx.AsyncClient) -> None:
    WRITTEN.clear()
    await client.get("/things", params={"fields": "name", "limit": 3})
    assert WRITTEN == []
    await client.get("/things", params={"limit": 3})
    assert len(WRITTEN) == 3


@pytest.mark.parametrize(
    "fields", ["kind", "name,", "", "Name", "name, type", "name;type", "items"]
)
@pytest.mark.parametrize("path", ["/things", "/things/x"])
async def test_what_there_is_not_is_refused_with_what_there_is(
    client: httpx.AsyncClient, path: str, fields: str
) -> None:
    answer = await client.get(path, params={"fields": fields})
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["errors"][0]["field"] == "fields"
    assert "choose of name, type, made_at, costly" in problem["detail"]


async def test_only_what_reads_takes_it(client: httpx.AsyncClient) -> None:
    document = json.loads((await client.get("/openapi.json")).text)
    operations = {
        (path, method): [each["name"] for each in operation.get("parameters", ())]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert operations == {
        ("/things", "get"): ["limit", "fields"],
        ("/things/{name}", "get"): ["name", "fields"],
        ("/things/{name}", "post"): ["name"],
    }
