"""Clusters whose processes have settings of a test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields

from tests.support.local_cluster import Cluster, RunningCluster


@asynccontextmanager
async def with_client(running: RunningCluster) -> AsyncIterator[Cluster]:
    """Give a running cluster a client of its API that belongs to this event loop."""
    async with running.client() as api:
        facts = {field.name: getattr(running, field.name) for field in fields(running)}
        yield Cluster(**facts, api=api)
