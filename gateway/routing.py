"""From an Action to its handler and from a command to its CALL, worked out once per class.

Handlers are written with `@on`, commands with `@sends` beside them::

    class Core(Handlers):
        @on(Action.heartbeat)
        def on_heartbeat(self) -> call_result.Heartbeat: ...

        @sends(commands.ClearCache)
        def clear_cache(self, command: commands.ClearCache) -> call.ClearCache: ...

A handler gets the members of the payload as keyword arguments in snake_case. What is nested in them
stays as it was on the wire. A plain method answers at once; a coroutine may wait, for a commit or a
look-up, but never for a CALL of ours: the station's next message would wait for it.

What a station's answer to a CALL of ours tells is translated by a method with `@answered`; its
facts are committed before the command ends::

        @answered(Action.get_configuration)
        def configuration_answered(self, call: AnsweredCall) -> Iterable[Fact]: ...
"""

import copy
import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, TypeAlias, TypeVar, cast

import ocpp.routing
from ocpp.charge_point import camel_to_snake_case, snake_to_camel_case

from gateway import leniency, schemas
from gateway.errors import CallRefusedError, CannotBeSaidError, ErrorCode
from gateway.leniency import Note
from gateway.schemas import Schema
from shared.domain.commands import Call, Command
from shared.domain.redaction import find_secrets
from shared.store.facts import Fact

_TRIGGERS = frozenset({"TriggerMessage", "ExtendedTriggerMessage"})
# What a trigger makes a station send, where that has another name.
_SENT_FOR = {
    ("ExtendedTriggerMessage", "SignChargePointCertificate"): "SignCertificate",
    ("ExtendedTriggerMessage", "FirmwareStatusNotification"): "SignedFirmwareStatusNotification",
    ("TriggerMessage", "SignChargingStationCertificate"): "SignCertificate",
    ("TriggerMessage", "SignV2GCertificate"): "SignCertificate",
    ("TriggerMessage", "SignCombinedCertificate"): "SignCertificate",
}

Handler: TypeAlias = Callable[..., Any]
Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Route:
    """Where a CALL of one Action goes.

    `handler` is the function of the class, called with the instance first. `waits` says that it is
    a coroutine. `names` maps the payload's members to arguments.
    """

    action: str
    handler: Handler
    waits: bool
    request: Schema
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """A CALL of ours and the station's CALLRESULT, as they were on the wire."""

    command_id: str
    request: dict[str, Any]
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One version of OCPP-J: what it is called, what it routes, how it spells errors.

    `handlers` makes the object that answers one connection. `actions` are all that the version
    knows, whoever sends them; `not_supported` those that a station may send and nobody here
    answers. `item_statuses` are the Actions of ours whose answer tells a status
    per item: the list, and the member of its items. `reports` are those that a station answers once
    more, with CALLs of its own: the Action of these.
    """

    subprotocol: str
    version: str
    schema_folder: str
    request_suffix: str
    handlers: Callable[..., Any]
    routes: Mapping[str, Route]
    senders: Mapping[type[Command], Handler]
    answer_readers: Mapping[str, Handler]
    actions: frozenset[str]
    error_spelling: Mapping[ErrorCode, str]
    answers_broken_frames: bool
    not_supported: frozenset[str] = frozenset()
    item_statuses: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    reports: Mapping[str, str] = field(default_factory=dict)

    def encode_command(self, handlers: object, command: Command) -> tuple[str, dict[str, Any]]:
        """Return action and payload of the CALL that carries out a command.

        Raises:
            CannotBeSaidError: this version has no words for it, or not with these values.
        """
        if isinstance(command, Call):
            action, payload = command.action, command.payload
        else:
            sender = self.senders.get(type(command))
            if sender is None:
                raise CannotBeSaidError(f"OCPP {self.version} has no {type(command).__name__}")
            message = sender(handlers, command)
            action, payload = type(message).__name__, to_payload(message)
        if action not in self.actions:
            raise CannotBeSaidError(f"OCPP {self.version} has no action {action!r}")
        try:
            schemas.load(self.schema_folder, action + self.request_suffix).validate(payload)
        except CallRefusedError as error:
            # The words of a violation repeat the value, perhaps only its beginning.
            where = error.member or "its members"
            reason = f"{error.code} of {where}" if find_secrets(payload) else error
            raise CannotBeSaidError(
                f"the payload does not fit the schema of {action} in OCPP {self.version}: {reason}"
            ) from error
        return action, payload

    def validate_answer(
        self, action: str, payload: dict[str, Any], note: Note | None = None
    ) -> dict[str, Any]:
        """Return a CALLRESULT that fits its schema.

        Args:
            action: of the CALL.
            payload: as the station sent it; it stays as it is.
            note: told how it deviates; with it, what is harmless is mended.

        Raises:
            CallRefusedError: it does not fit.
        """
        name = f"{action}Response"
        schema = schemas.load(self.schema_folder, name)
        try:
            schema.validate(payload)
        except CallRefusedError:
            if note is None:
                raise
            payload = copy.deepcopy(payload)
            leniency.mend_and_note(name, schema, payload, note)
        return payload

    def read_answer(self, handlers: object, action: str, call: AnsweredCall) -> list[Fact]:
        """Return the facts that a valid CALLRESULT tells.

        Raises:
            CallRefusedError: it says what cannot be, such as a time that is none.
        """
        reader = self.answer_readers.get(action)
        return [] if reader is None else list(reader(handlers, call))

    def find_status(self, action: str, answer: dict[str, Any]) -> str | None:
        """Return the station's word for yes or no, or None if its answer has no single one."""
        items_in = self.item_statuses.get(action)
        if items_in is None:
            words = {answer.get("status")}
        else:
            items, member = answer.get(items_in[0]), items_in[1]
            words = {
                item.get(member) if isinstance(item, dict) else None
                for item in (items if isinstance(items, list) else [])
            }
        word = words.pop() if len(words) == 1 else None
        return word if isinstance(word, str) else None

    def find_asked_for(self, action: str, payload: dict[str, Any]) -> str | None:
        """Return the Action that the station sends because of this CALL of ours, if any."""
        if action in _TRIGGERS:
            trigger = str(payload.get("requestedMessage"))
            return _SENT_FOR.get((action, trigger), trigger)
        return self.reports.get(action)


def on(action: str) -> Callable[[Method], Method]:
    """Mark the method that answers an Action: the `ocpp` package's `@on`, with types."""
    return cast("Callable[[Method], Method]", ocpp.routing.on(action))


def sends(command: type[Command]) -> Callable[[Method], Method]:
    """Mark the method that turns a command into a `call` dataclass."""

    def mark(method: Method) -> Method:
        method._sends = command  # type: ignore[attr-defined]  # noqa: SLF001 - as `@on` does
        return method

    return mark


def answered(
    action: str,
) -> Callable[
    [Callable[[Any, AnsweredCall], Iterable[Fact]]], Callable[[Any, AnsweredCall], Iterable[Fact]]
]:
    """Mark the method that translates a station's answer to a CALL of ours into facts."""

    def mark(
        method: Callable[[Any, AnsweredCall], Iterable[Fact]],
    ) -> Callable[[Any, AnsweredCall], Iterable[Fact]]:
        method._answered = action  # type: ignore[attr-defined]  # noqa: SLF001 - as `@on` does
        return method

    return mark


def find_routes(handlers: type, schema_folder: str, request_suffix: str) -> dict[str, Route]:
    """Collect the `@on` methods of a class."""
    routes = {}
    for _, method in inspect.getmembers(handlers, inspect.isfunction):
        action = getattr(method, "_on_action", None)
        if action is None:
            continue
        handler = inspect.unwrap(method)
        request = schemas.load(schema_folder, action + request_suffix)
        routes[str(action)] = Route(
            action=str(action),
            handler=handler,
            waits=inspect.iscoroutinefunction(handler),
            request=request,
            names={name: next(iter(camel_to_snake_case({name: 0}))) for name in request.properties},
        )
    return routes


def find_senders(handlers: type) -> dict[type[Command], Handler]:
    """Collect the `@sends` methods of a class."""
    return {
        method._sends: method  # noqa: SLF001 - set above
        for _, method in inspect.getmembers(handlers, inspect.isfunction)
        if hasattr(method, "_sends")
    }


def find_answer_readers(handlers: type) -> dict[str, Handler]:
    """Collect the `@answered` methods of a class."""
    return {
        str(method._answered): method  # noqa: SLF001 - set above
        for _, method in inspect.getmembers(handlers, inspect.isfunction)
        if hasattr(method, "_answered")
    }


def to_payload(message: object) -> dict[str, Any]:
    """Return a `call` or `call_result` dataclass as its payload; what is None is left out."""
    kind: Any = type(message)
    return {
        wire_name: _to_json(value)
        for name, wire_name in _wire_names(kind)
        if (value := getattr(message, name)) is not None
    }


def _to_json(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str | int):  # nearly always
        return value
    if is_dataclass(value):
        return to_payload(value)
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    return value


@cache
def _wire_names(message: Hashable) -> tuple[tuple[str, str], ...]:
    return tuple(
        (field.name, next(iter(snake_to_camel_case({field.name: 0}))))
        for field in fields(cast("Any", message))
    )
