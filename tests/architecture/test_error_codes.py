"""Each operation lists the codes of the errors that it may answer with, and no others."""

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from control import problems
from control.app import create_api
from control.openapi import operation_id
from control.problems import CODES
from shared.domain.error_codes import ConflictCode, ErrorCode, LimitCode, NotFoundCode
from tests.support.raised_errors import ROOT, codes_of

APP = create_api()
DOCUMENT = APP.openapi()

# What can be read in the code and does not come to pass, by operation, with the reason.
NEVER = {
    "answerSigningRequest": {
        "command_queue_full": "what is in the way of a delivery is caught where it is sent",
        "idempotency_key_reused": "sent without one",
        "station_not_found": "caught where it is sent",
        "station_offline": "caught where it is sent",
    },
    "cancelReservation": {"idempotency_key_reused": "sent without one"},
    "createCommandBatch": {"command_batch_not_found": "it was made a moment ago"},
    "createFile": {"file_not_found": "it was made a moment ago"},
    "createFirmwareUpdate": {"firmware_update_not_found": "it was made a moment ago"},
    "createLog": {"log_not_found": "it was made a moment ago"},
    "createReservation": {"reservation_not_found": "it was made a moment ago"},
    "getLog": {"file_not_found": "a file that a log names stays known"},
    "updateStation": {"idempotency_key_reused": "sent without one"},
}


def routes() -> Iterator[APIRoute]:
    for context in iter_route_contexts(APP.routes):
        route = getattr(context, "original_route", context)
        if isinstance(route, APIRoute) and route.include_in_schema:
            yield route


def operations() -> dict[str, tuple[APIRoute, set[str]]]:
    """Return each operation's route, and the codes that the document lists for it."""
    listed = {
        operation["operationId"]: {
            code for response in operation["responses"].values() for code in response.get(CODES, ())
        }
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
    }
    return {operation_id(route): (route, listed[operation_id(route)]) for route in routes()}


OPERATIONS = operations()
EVERYWHERE = {
    "body_too_large",
    "internal_error",
    "invalid_input",
    "malformed_json",
    "missing_csrf_token",
    "missing_permission",
    "rate_limited",
    "unauthorized",
    "unavailable",
    "unsupported_media_type",
}
"""What the machinery around the routes answers, whatever the operation."""


def written(code: str) -> str:
    """Return how a route names a code."""
    for codes in (NotFoundCode, ConflictCode):
        if code in set(codes):
            return f"{codes.__name__}.{codes(code).name}"  # type: ignore[call-arg]
    (name,) = (
        name
        for name, each in vars(problems).items()
        if isinstance(each, problems.ProblemType) and each.code == code
    )
    return f"problems.{name}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_lists_each_code_that_its_code_raises(name: str) -> None:
    route, listed = OPERATIONS[name]
    raised = codes_of(route.endpoint.__module__, route.endpoint.__name__)
    missing = raised.keys() - listed - NEVER.get(name, {}).keys()
    assert not missing, (
        f"{route.endpoint.__module__}.{route.endpoint.__name__} may raise "
        f"{', '.join(sorted(raised[code] for code in missing))}: add to its "
        f"responses=problems.responses(…): {', '.join(sorted(map(written, missing)))}"
    )


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_lists_no_code_that_nothing_raises(name: str) -> None:
    route, listed = OPERATIONS[name]
    raised = codes_of(route.endpoint.__module__, route.endpoint.__name__)
    idle = listed - raised.keys() - EVERYWHERE
    assert not idle, (
        f"nothing that {route.endpoint.__module__}.{route.endpoint.__name__} calls raises these: "
        f"take {', '.join(sorted(map(written, idle)))} out of its responses, or give the error "
        "this code where it is raised"
    )


def test_what_never_comes_to_pass_could_be_read_in_the_code() -> None:
    for name, codes in NEVER.items():
        route, _ = OPERATIONS[name]
        raised = codes_of(route.endpoint.__module__, route.endpoint.__name__)
        assert codes.keys() <= raised.keys(), f"take it out of NEVER: {name}"


def test_every_code_is_raised_somewhere() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("control", "shared")
        for path in (ROOT / folder).rglob("*.py")
    )
    for codes in (NotFoundCode, ConflictCode):
        for code in codes:
            raised = f"code={codes.__name__}.{code.name}"
            assert raised in sources, f"nothing is raised with {raised}: remove the code"


def test_codes_are_unique_names_and_say_what_kind_they_are() -> None:
    codes: list[ErrorCode] = [*NotFoundCode, *ConflictCode, *LimitCode]
    kinds = problems.kinds()
    plain = len({each.code for each in vars(problems).values()
                 if isinstance(each, problems.ProblemType)})  # fmt: skip
    assert len(kinds) == len(codes) + plain
    for code, kind in kinds.items():
        assert code.replace("_", "").isalnum()
        assert code == code.lower()
        assert kind.example, f"{kind.name} needs an example of its detail (control/problems.py)"
    for code in NotFoundCode:
        assert code.endswith("_not_found")
