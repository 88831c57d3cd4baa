"""What gets into the OCPP log, and what never does; how it is written is tested with Postgres."""

import msgspec
import pytest

from gateway.exchange_log import ExchangeLog
from gateway.ocpp_log import Exchange, OcppLog
from gateway.settings import GatewaySettings
from shared.domain.stations.ocpp_log import Direction, LogLevel, NoAnswer
from shared.telemetry import metrics

SECRET = "s3cret"


def log(**settings: object) -> OcppLog:
    return OcppLog(
        None,  # type: ignore[arg-type]  # nothing is written
        GatewaySettings(**{"database_url": "", "redis_url": "", **settings}),
        pod_id="pod",
        grant_kib=lambda _station_id, kib: kib,
    )


def exchange(
    action: str = "Heartbeat",
    request: bytes = b"[]",
    response: bytes | None = b"[]",
    outcome: str = "CallResult",
) -> Exchange:
    return Exchange(
        "CS-1", "1.6", Direction.FROM_STATION, action, "1", outcome, request, response, 1.0, 2.0
    )


def kept(log: OcppLog) -> Exchange:
    ((exchange, _, _, _),) = log._waiting
    return exchange


@pytest.mark.parametrize(
    ("level", "wanted"),
    [
        (LogLevel.OFF, []),
        (LogLevel.ERRORS, ["refused Heartbeat", "refused", "ignored"]),
        (LogLevel.EVENTS, ["refused Heartbeat", "refused", "ignored", "answered"]),
        (
            LogLevel.ALL,
            ["refused Heartbeat", "refused", "ignored", "answered", "Heartbeat", "MeterValues"],
        ),
    ],
)
def test_each_level_holds_what_the_ones_before_it_hold(level: LogLevel, wanted: list[str]) -> None:
    cases = {
        "refused Heartbeat": ("Heartbeat", "FormatViolation"),
        "refused": ("StartTransaction", "InternalError"),
        "ignored": ("", NoAnswer.IGNORED),
        "answered": ("StartTransaction", "CallResult"),
        "Heartbeat": ("Heartbeat", "CallResult"),
        "MeterValues": ("MeterValues", "CallResult"),
    }
    its = log(ocpp_log_level=level)
    assert [name for name, case in cases.items() if its.wants(*case)] == wanted


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": SECRET}),
        ("ChangeConfiguration", {"key": "WifiPassword", "value": SECRET}),
        (
            "GetConfiguration",
            {"configurationKey": [{"key": "authorizationkey", "readonly": False, "value": SECRET}]},
        ),
        (
            "SetVariables",
            {
                "setVariableData": [
                    {
                        "component": {"name": "SecurityCtrlr"},
                        "variable": {"name": "BasicAuthPassword"},
                        "attributeValue": SECRET,
                    }
                ]
            },
        ),
        ("SetNetworkProfile", {"connectionData": {"apn": {"apnPassword": SECRET}}}),
        ("UpdateFirmware", {"location": f"ftp://me:{SECRET}@files.example/1.bin"}),
        ("GetDiagnostics", {"location": f"https://files.example/?signature={SECRET}"}),
        ("GetLog", {"log": {"remoteLocation": f"https://x.example/u?sig={SECRET}&e=1"}}),
    ],
)
def test_a_secret_is_in_no_frame(action: str, payload: dict[str, object]) -> None:
    its = log()
    request = msgspec.json.encode([2, "1", action, payload])
    its.add(exchange(action, request, msgspec.json.encode([3, "1", payload])))
    frames = kept(its)
    assert SECRET not in str(frames)
    assert msgspec.json.decode(frames.request)[:3] == [2, "1", action]


def test_a_frame_without_a_secret_stays_as_it_was_on_the_wire() -> None:
    its = log()
    frame = b'[2, "1", "ChangeConfiguration",\n{"value": "300", "key": "HeartbeatInterval"}]'
    its.add(exchange("ChangeConfiguration", frame))
    assert kept(its).request == frame


@pytest.mark.parametrize(
    "frame",
    [
        b'[3, "late", {"configurationKey": [{"key": "AuthorizationKey", "value": "s3cret"}]}]',
        b'[3, "late", {"configurationKey": [{"key": "AuthorizationKey", "value": "s3cret"',
        b"\xff AuthorizationKey s3cret",
    ],
)
def test_nor_is_it_in_a_frame_that_nobody_expected(frame: bytes) -> None:
    its = log()
    its.add(exchange("", frame, None, NoAnswer.IGNORED))
    assert SECRET not in str(kept(its))


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (b'[4,"1","PropertyConstraintViolation","s3cret is too short",{"was":"s3cret"}]', "P"),
        (b'[4,"1","s3cret","",{}]', "s3cret"),
        (b'[3,"1",{"status":"Rejected","reason":"s3cret"}]', "CallResult"),
    ],
)
def test_nor_is_what_was_sent_in_what_comes_back(response: bytes, outcome: str) -> None:
    its = log()
    request = b'[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"s3cret"}]'
    its.add(exchange("ChangeConfiguration", request, response, outcome))
    assert SECRET not in str(kept(its))


@pytest.mark.parametrize(
    "late", [b'[4,"1","GenericError","s3cret",{}]', b"s3cret is no password", b"[s3cret"]
)
def test_nor_in_what_comes_back_too_late(late: bytes) -> None:
    its = log()
    frames = ExchangeLog(its, station_id="CS-1", version="1.6")
    frames.to_station(
        "ChangeConfiguration",
        "1",
        NoAnswer.TIMED_OUT,
        b'[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"s3cret"}]',
        sent_at_s=1.0,
        answer=None,
        answered_at_s=0.0,
    )
    frames.unhandled(late, "", NoAnswer.IGNORED, received_at_s=2.0)
    assert len(its._waiting) == 2
    assert SECRET not in str(its._waiting)


def test_a_secret_is_masked_before_the_frame_is_cut() -> None:
    its = log(ocpp_log_max_frame_bytes=60)
    frame = b'[2,"1","ChangeConfiguration",{"value":"s3cret","key":"AuthorizationKey"}]'
    its.add(exchange("ChangeConfiguration", frame))
    assert SECRET not in str(kept(its))


def test_a_long_frame_is_cut_and_said_to_be() -> None:
    its = log(ocpp_log_max_frame_bytes=100)
    its.add(exchange("MeterValues", b"x" * 60, b"y" * 60))
    its.add(exchange("MeterValues", b"x" * 101, None))
    (whole, _, whole_cut, _), (cut, _, was_cut, _) = its._waiting
    assert (len(whole.request), whole_cut) == (60, False)
    assert (len(cut.request), was_cut, cut.response) == (100, True, None)


def test_of_garbage_only_an_excerpt_is_kept() -> None:
    its = log()
    its.add(exchange("", b"\x00" * 100_000, None, NoAnswer.IGNORED))
    ((garbage, _, was_cut, _),) = its._waiting
    assert (len(garbage.request), was_cut) == (1024, True)


def test_what_is_too_long_to_look_for_secrets_in_is_not_kept() -> None:
    secret = '[2,"1","SetVariables",{"password":"a-secret","x":"%s"}]' % ("x" * 70_000)
    for action in ("GetVariables", ""):
        its = log()
        its.add(exchange(action, secret.encode(), b'[4,"1","","a-secret",{}]', "FormatViolation"))
        assert b"a-secret" not in b"".join((kept(its).request, kept(its).response or b""))


def test_what_waits_is_bounded_and_what_is_dropped_is_counted() -> None:
    its = log(ocpp_log_max_waiting_bytes=10_000)
    dropped = metrics.ocpp_log_dropped.labels("too many wait")._value
    before = dropped.get()
    for _ in range(100):
        its.add(exchange("MeterValues", b"x" * 500))
    assert len(its._waiting) < 12
    assert len(its._waiting) + dropped.get() - before == 100
