"""An OpenID provider, and a browser to go there."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.support.http import http_client
from tests.support.openid_provider import OpenIdProvider, running_provider


@pytest.fixture(scope="session")
def provider() -> Iterator[OpenIdProvider]:
    with running_provider() as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(timeout=20) as client:
        yield client
