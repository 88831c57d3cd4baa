"""A station with a local authorization list, as a test plays it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.stations import StationClient

CALL = 2


class ListStation:
    """A station of OCPP 1.6 with a list: does with updates what §5.15 says, and notes its CALLs."""

    def __init__(
        self,
        client: StationClient,
        *,
        max_entries: int = 100,
        per_message: int = 3,
        enabled: bool = True,
    ) -> None:
        self.client = client
        self.entries: dict[str, dict[str, Any]] = {}
        self.version = 0
        self.max_entries = max_entries
        self.per_message = per_message
        self.enabled = enabled
        self.calls: list[tuple[str, str, int]] = []
        self.answers: dict[str, Any] = {}
        """What to say instead, by Action; an error if it is a list."""
        self._answered = asyncio.Event()
        self.silent_about: set[str] = set()
        """Actions that are done, but not answered."""

    async def boot_again(self) -> None:
        """Boot on the same connection."""
        self._answered.clear()
        boot = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
        await self.client.send([CALL, "boot", "BootNotification", boot])
        await self._answered.wait()

    async def run(self) -> None:
        while True:
            frame = await self.client.receive()
            if frame[0] != CALL:
                self._answered.set()
                continue
            _, message_id, action, payload = frame
            answer = self._answer(action, payload)
            if action in self.answers:
                answer = self.answers[action]
            if action in self.silent_about:
                continue
            if isinstance(answer, list):
                await self.client.send([4, message_id, *answer, {}])
            else:
                await self.client.send([3, message_id, answer])

    def _answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        entries = payload.get("localAuthorizationList", [])
        self.calls.append((action, payload.get("updateType", ""), len(entries)))
        match action:
            case "GetLocalListVersion":
                # One that is empty has version 0, whatever it was sent with (§5.10).
                return {"listVersion": self.version if self.entries else 0}
            case "GetConfiguration":
                limits = {
                    "LocalAuthListMaxLength": str(self.max_entries),
                    "SendLocalListMaxLength": str(self.per_message),
                    "LocalAuthListEnabled": str(self.enabled).lower(),
                }
                return {
                    "configurationKey": [
                        {"key": key, "readonly": True, "value": limits[key]}
                        for key in payload["key"]
                    ]
                }
            case "ChangeConfiguration":
                self.enabled = payload["value"] == "true"
                return {"status": "Accepted"}
            case "SendLocalList":
                return {"status": "Accepted" if action in self.answers else self._take(payload)}
        raise AssertionError(action)

    def _take(self, payload: dict[str, Any]) -> str:
        entries = payload.get("localAuthorizationList", [])
        assert len(entries) <= self.per_message
        if payload["updateType"] == "Full":
            self.entries = {}
        elif payload["listVersion"] <= self.version:
            return "VersionMismatch"
        for entry in entries:
            info = entry.get("idTagInfo")
            if info is None:
                self.entries.pop(entry["idTag"])
            else:
                self.entries[entry["idTag"]] = info
        if len(self.entries) > self.max_entries:
            return "Failed"
        self.version = payload["listVersion"]
        return "Accepted"


@asynccontextmanager
async def playing(client: StationClient, **limits: Any) -> AsyncIterator[ListStation]:
    station = ListStation(client, **limits)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(station.run())
        yield station
        running.cancel()
