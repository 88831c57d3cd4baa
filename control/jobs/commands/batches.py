"""Puts the commands of batches on their way, at the pace of each batch."""

from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender, RunCommand
from shared.store.commands import batches
from shared.store.pool import Database

# Who asked for a batch looks how far it is, and waits for no outcome.
_NOBODY_WAITS = ""


async def send_due(db: Database, registry: OwnershipRegistry, sender: PodRequestSender) -> int:
    """Send what is due to the pods that hold the stations; return how many commands.

    Routes are looked up before anything is taken, so that while Redis is away the pace is not used
    up. What is taken and does not arrive is routed again as any other command.
    """
    due = await batches.list_due(db)
    if not due:
        return 0
    routes = await registry.find_routes(sorted({command.station_id for command in due}))
    routable = [command for command in due if command.station_id in routes]
    if not routable:
        return 0
    ours = await batches.claim(db, [command.command_id for command in routable])
    requests = [
        (
            routes[command.station_id].pod_id,
            RunCommand(command.command_id, command.station_id, _NOBODY_WAITS),
        )
        for command in routable
        if command.command_id in ours
    ]
    if requests:
        await sender.send_many(requests)
    return len(requests)
