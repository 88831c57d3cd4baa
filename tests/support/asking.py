"""Asking something of a station the way the control plane does."""

from redis.asyncio import Redis

from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender, RunCommand
from shared.domain.commands import Command, CommandRecord
from shared.domain.stations.passwords import find_new_password
from shared.store.commands import commands
from shared.store.pool import Database
from tests.support.eventually import eventually
from tests.support.stations import hash_cheaply


async def ask(db: Database, redis: Redis, command: Command, *, station_id: str = "CP-1") -> str:
    """Queue a command and put it on the stream of the station's owner; return its id."""
    password = find_new_password(command)
    record, _ = await commands.create(
        db,
        station_id=station_id,
        command=command,
        timeout_s=10,
        password_hash=None if password is None else hash_cheaply(password),
    )
    routes = await eventually(lambda: OwnershipRegistry(redis).find_routes([station_id]), bool)
    request = RunCommand(record.command_id, station_id, "control")
    await PodRequestSender(redis).send(routes[station_id].pod_id, request)
    return record.command_id


async def outcome(db: Database, command_id: str) -> CommandRecord:
    """Return a command when it has ended."""
    return await eventually(lambda: commands.get(db, command_id), lambda record: record.state.final)
