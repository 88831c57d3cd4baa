"""A bench for the station without I/O."""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from importlib.resources import files
from itertools import count
from typing import Any, ClassVar

import jsonschema

from simulator.events import CancelTransfer, Dial, Download, Event, HangUp, Send, Upload
from simulator.profile import OcppVersion, Range, Scenario, StationProfile
from simulator.station import Station
from simulator.transfers import TransferResult, TransferStatus
from simulator.versions import DIALECTS

START = 1_770_000_000.0
AT_ONCE: Range = (0.0, 0.0)

Payload = dict[str, Any]


@cache
def _validator(folder: str, name: str) -> Any:
    text = (files("ocpp") / folder / "schemas" / f"{name}.json").read_text("utf-8-sig")
    schema = json.loads(text, parse_float=Decimal)
    return jsonschema.validators.validator_for(schema)(schema)


class Frame(list[Any]):
    """A frame the station sent."""

    @property
    def id(self) -> str:
        return str(self[1])

    @property
    def action(self) -> str | None:
        return self[2] if self[0] == 2 else None

    @property
    def payload(self) -> Payload:
        return self[3] if self[0] == 2 else self[2]


class Bench:
    """A station of OCPP 1.6 whose clock is turned by hand and whose CSMS is played by the test.

    Every frame the station sends is checked against the schemas of the `ocpp` package.
    """

    version = OcppVersion.V1_6
    schemas = "v16"
    #: How the schema of a request is named after its action.
    request_suffix = ""
    ACCEPTED: ClassVar[Payload] = {
        "status": "Accepted",
        "currentTime": "2026-02-02T00:00:00Z",
        "interval": 300,
    }

    def __init__(self, *, seed: int = 1, password: bytes | None = None, **profile: Any) -> None:
        profile.setdefault("station_id", "SIM-1")
        profile.setdefault("meter_start_wh", 1000.0)
        profile.setdefault("reboot_s", (2.0, 2.0))
        profile.setdefault("scenario", Scenario(plug_in_s=AT_ONCE, unplug_s=(1.0, 1.0)))
        self.now = START
        self.strict = not profile.get("misbehaviours")
        self.station = Station(
            StationProfile(version=self.version, **profile),
            make_dialect=DIALECTS[self.version],
            rng=random.Random(seed),  # noqa: S311  # noise, no secret
            now=self.now,
            password=password,
        )
        self.sent: list[Frame] = []
        self.history: list[Frame] = []
        self.events: list[Event] = []
        self.dials = 0
        self.hang_ups: list[HangUp] = []
        self.asked: dict[str, str] = {}
        self.transfers: list[Download | Upload] = []
        self._command_ids = count(1)
        self._transaction_ids = count(1)
        self.answers = self.friendly_answers()

    def friendly_answers(self) -> dict[str, Callable[[Payload], Payload]]:
        """What a CSMS says to whom it knows, by action; an empty payload to all others."""
        return {
            "BootNotification": lambda _: self.ACCEPTED,
            "Heartbeat": lambda _: {"currentTime": "2026-02-02T00:00:00Z"},
            "Authorize": lambda _: {"idTagInfo": {"status": "Accepted"}},
            "StartTransaction": lambda _: {
                "transactionId": next(self._transaction_ids),
                "idTagInfo": {"status": "Accepted"},
            },
        }

    # Inputs

    def power_on(self) -> "Bench":
        self.station.power_on(self.now)
        self._collect()
        return self

    def connect(self) -> "Bench":
        assert self.dials, "the station has not dialled"
        self.dials = 0
        self.station.connection_opened(self.now)
        self._collect()
        return self

    def disconnect(self, reason: str = "gone") -> None:
        self.station.connection_lost(self.now, reason)
        self._collect()

    def tick(self, seconds: float) -> None:
        """Let time pass, waking the station whenever it wants to be woken."""
        until = self.now + seconds
        while (wake := self.station.next_wake) is not None and wake <= until:
            self.now = max(self.now, wake)
            self.station.advance(self.now)
            self._collect()
        self.now = until
        self.station.advance(self.now)
        self._collect()

    def receive(self, text: str) -> None:
        self.station.receive(text, self.now)
        self._collect()

    def booted(self, interval: int = 300) -> "Bench":
        """Power on, connect, be accepted, and answer the first status notifications."""
        self.power_on().connect()
        boot = self.expect("BootNotification")
        self.reply(boot, {**self.ACCEPTED, "interval": interval})
        self.skip("StatusNotification")
        assert not self.sent
        return self

    def plug_in(self, id_token: str | None = None, *, connector_id: int = 1) -> None:
        self.station.start_charging(
            self.now, connector_id=connector_id, id_token=id_token or "TOKEN"
        )
        self._collect()

    def charge(self, *, transaction_id: int = 7, connector_id: int = 1) -> Frame:
        """Start a charge and confirm it; returns the StartTransaction."""
        self.plug_in(connector_id=connector_id)
        self.reply(self.expect("StatusNotification"), {})
        self.reply(self.expect("Authorize"), {"idTagInfo": {"status": "Accepted"}})
        start = self.expect("StartTransaction")
        self.reply(start, {"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}})
        self.reply(self.expect("StatusNotification"), {})
        return start

    def stop(self, connector_id: int = 1) -> None:
        self.station.stop_charging(self.now, connector_id=connector_id)
        self._collect()

    # The CSMS

    def expect(self, action: str) -> Frame:
        """Take the next frame, which must be a CALL of this action."""
        assert self.sent, f"expected {action}, but the station said nothing"
        frame = self.sent.pop(0)
        assert frame.action == action, f"expected {action}, got {frame}"
        return frame

    def skip(self, action: str) -> None:
        """Answer CALLs of this action as long as they come."""
        while self.sent and self.sent[0].action == action:
            self.answer(self.sent.pop(0))

    def silent(self) -> None:
        assert self.sent == []

    def reply(self, call: Frame, payload: Payload) -> None:
        self.receive(json.dumps([3, call.id, payload]))

    def refuse(self, call: Frame, code: str = "InternalError") -> None:
        self.receive(json.dumps([4, call.id, code, "", {}]))

    def answer(self, call: Frame) -> None:
        """Answer as a friendly CSMS would."""
        assert call.action is not None
        self.reply(call, self.answers.get(call.action, lambda _: {})(call.payload))

    def settle(self) -> list[Frame]:
        """Answer everything the station says until it falls silent; returns what it said."""
        said = []
        while self.sent:
            frame = self.sent.pop(0)
            said.append(frame)
            if frame.action is not None:
                self.answer(frame)
        return said

    def live(self, seconds: float) -> list[Frame]:
        """Let time pass while a friendly CSMS answers at once; returns what the station said."""
        until = self.now + seconds
        said = self.settle()
        while (wake := self.station.next_wake) is not None and wake <= until:
            self.tick(max(0.0, wake - self.now))
            said += self.settle()
        self.tick(until - self.now)
        return said + self.settle()

    def command(self, action: str, payload: Payload) -> Payload:
        """Send a CALL and return the payload of its CALLRESULT, which must come first."""
        frame = self.ask(action, payload)
        assert frame[0] == 3, frame
        return frame.payload

    def ask(self, action: str, payload: Payload | None) -> Frame:
        message_id = f"csms-{next(self._command_ids)}"
        self.asked[message_id] = action
        before = len(self.sent)
        self.receive(json.dumps([2, message_id, action, payload]))
        assert len(self.sent) > before, f"{action} was not answered"
        frame = self.sent.pop(before)
        assert frame.id == message_id, frame
        return frame

    # Files

    def transfer_ends(
        self, status: TransferStatus = TransferStatus.DONE, content: bytes = b""
    ) -> Download | Upload:
        """End the oldest transfer that the station waits for, and return it."""
        transfer = self.transfers.pop(0)
        self.station.transfer_ended(self.now, transfer.transfer_id, TransferResult(status, content))
        self._collect()
        return transfer

    def events_of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    # Outputs

    def _collect(self) -> None:
        for output in self.station.take_outputs():
            match output:
                case Send(text=text):
                    frame = Frame(json.loads(text))
                    self._check(frame)
                    self.sent.append(frame)
                    self.history.append(frame)
                case Dial():
                    self.dials += 1
                case Download() | Upload():
                    self.transfers.append(output)
                case CancelTransfer(transfer_id=number):
                    self.transfers = [each for each in self.transfers if each.transfer_id != number]
                case HangUp():
                    self.hang_ups.append(output)
                    self.station.connection_lost(self.now, "hung up")
                    self._collect()
                case Event():
                    self.events.append(output)

    def _check(self, frame: Frame) -> None:
        if frame[0] == 2:
            assert len(frame) == 4
            assert len(frame.id) <= 36
            if self.strict:
                self._validate(f"{frame.action}{self.request_suffix}", frame.payload)
        elif frame[0] == 3:
            assert len(frame) == 3
            self._validate(f"{self.asked[frame.id]}Response", frame.payload)
        else:
            assert frame[0] == 4
            assert len(frame) == 5
            assert isinstance(frame[4], dict)

    def _validate(self, name: str, payload: Payload) -> None:
        # Decimals, or 8.1 would be no multiple of 0.1.
        exact = json.loads(json.dumps(payload), parse_float=Decimal)
        _validator(self.schemas, name).validate(exact)
