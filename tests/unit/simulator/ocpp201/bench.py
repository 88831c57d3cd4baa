"""The bench for a station of OCPP 2.0.1."""

from collections.abc import Callable

from simulator.profile import OcppVersion
from tests.unit.simulator.bench import Bench, Frame, Payload

ACCEPTED: Payload = {"idTokenInfo": {"status": "Accepted"}}
BLOCKED: Payload = {"idTokenInfo": {"status": "Blocked"}}


class Bench201(Bench):
    version = OcppVersion.V2_0_1
    schemas = "v201"
    request_suffix = "Request"

    def friendly_answers(self) -> dict[str, Callable[[Payload], Payload]]:
        return {
            "BootNotification": lambda _: self.ACCEPTED,
            "Heartbeat": lambda _: {"currentTime": "2026-02-02T00:00:00Z"},
            "Authorize": lambda _: ACCEPTED,
            "TransactionEvent": lambda event: ACCEPTED if "idToken" in event else {},
        }

    def begin(self, *, connector_id: int = 1) -> str:
        """Start a charge and confirm all of it; returns the transaction's id."""
        self.plug_in(connector_id=connector_id)
        events = self.events_in(self.settle())
        assert [event["eventType"] for event in events] == ["Started", "Updated"]
        return str(events[0]["transactionInfo"]["transactionId"])

    @staticmethod
    def events_in(said: list[Frame]) -> list[Payload]:
        """Return the TransactionEvents among what was said."""
        return [frame.payload for frame in said if frame.action == "TransactionEvent"]

    @staticmethod
    def statuses_in(said: list[Frame]) -> list[tuple[int, str]]:
        """Return EVSE and status of the StatusNotifications among what was said."""
        return [
            (frame.payload["evseId"], frame.payload["connectorStatus"])
            for frame in said
            if frame.action == "StatusNotification"
        ]

    def set(self, component: str, variable: str, value: str, *, instance: str = "") -> str:
        """Set a variable and return the status."""
        named: Payload = {"name": variable, **({"instance": instance} if instance else {})}
        data = {"component": {"name": component}, "variable": named, "attributeValue": value}
        answer = self.command("SetVariables", {"setVariableData": [data]})
        return str(answer["setVariableResult"][0]["attributeStatus"])

    def get(self, component: str, variable: str, *, instance: str = "") -> str:
        """Return the value of a variable that can be read."""
        named: Payload = {"name": variable, **({"instance": instance} if instance else {})}
        data = {"component": {"name": component}, "variable": named}
        answer = self.command("GetVariables", {"getVariableData": [data]})
        return str(answer["getVariableResult"][0]["attributeValue"])
