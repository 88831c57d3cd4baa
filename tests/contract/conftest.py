"""A running API with something of most kinds in it, to hold against its document."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control.settings import ControlSettings
from tests.integration.control.players import API_KEY, Api, running


@pytest.fixture
async def api(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    settings = ControlSettings(
        database_url=database_url,
        redis_url=redis_url,
        api_keys=API_KEY,
        redis_timeout_s=1.0,
        # Without a key nearly everything is refused, and all of it comes from one address.
        rate_limit_failures_per_s=0,
        rate_limit_address_per_s=0,
        command_reconnect_wait_s=0.1,
        files_directory=tmp_path / "files",
        files_signing_key="a-signing-key-that-only-tests-use",
        public_url="https://api.example.com",
    )
    async with running(settings) as served:
        yield served
