"""What docs/how-to says of the API is so: each request is sent, and its answer compared."""

import json
import re
from pathlib import Path
from typing import Any

import httpx

from shared.store.pool import Database
from tests.integration.control.players import register

PAGE = Path("docs/how-to/use-the-api.md")
_BLOCKS = re.compile(r"```(sh|json)\n(.*?)```", re.DOTALL)
_URL = re.compile(r'"\$API(/[^"]*)"')


def examples() -> list[tuple[str, dict[str, Any] | None]]:
    """Return each request of the page with the answer that stands behind it."""
    found: list[tuple[str, dict[str, Any] | None]] = []
    for kind, text in _BLOCKS.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "sh":
            found += [(url, None) for url in _URL.findall(text)]
        else:
            url, answer = found[-1]
            assert answer is None, f"two answers to {url}"
            found[-1] = (url, json.loads(text))
    return found


async def test_each_request_is_answered_as_the_page_says(
    client: httpx.AsyncClient, db: Database
) -> None:
    for number in (1, 2, 3):
        await register(db, f"CS-000{number}")
    await db.execute("UPDATE stations SET vendor = 'Example' WHERE station_id = 'CS-0003'")
    await db.execute(
        """
        INSERT INTO commands (station_id, type, params, expires_at, created_at, command_id)
        VALUES ('CS-0001', 'Reset', '{}', now(), '2026-12-01', uuidv7('2026-12-01' - now())),
               ('CS-0001', 'Reset', '{}', now(), '2026-11-01', uuidv7('2026-11-01' - now()))
        """
    )
    asked = examples()
    assert len(asked) > 8
    for url, expected in asked:
        answer = await client.get(url)
        if expected is None:
            assert answer.status_code == 200, answer.text
        else:
            told = answer.json()
            assert {name: told.get(name) for name in expected} == expected, url
            assert answer.status_code == expected.get("status", 200), url


def test_the_page_shows_all_that_a_list_can() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for word in ("limit", "cursor", "fields", "sort", "total", "since", "until"):
        assert f"{word}=" in text, word
