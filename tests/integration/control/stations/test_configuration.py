"""What stations have told of their configuration, in one list for every version."""

from datetime import UTC, datetime
from typing import Any

import httpx

from shared.domain.stations.configuration import (
    ConfigurationChanged,
    ConfigurationKey,
    ConfigurationReported,
)
from shared.domain.stations.device_model import (
    ComponentVariable,
    VariableAttribute,
    VariablesReported,
)
from shared.store import facts
from shared.store.pool import Database
from tests.integration.control.players import assert_problem, register

NOW = datetime.now(UTC)
SECRET = "0123456789ABCDEF"


def report(*keys: ConfigurationKey, unknown: tuple[str, ...] = ()) -> ConfigurationReported:
    return ConfigurationReported(
        station_id="CS-1", keys=list(keys), unknown_keys=list(unknown), told_at=NOW
    )


def change(key: str, value: str | None, **members: Any) -> ConfigurationChanged:
    return ConfigurationChanged(
        **{
            "station_id": "CS-1",
            "key": key,
            "value": value,
            "known": True,
            "reboot_required": False,
            "changed_at": NOW,
            **members,
        }
    )


async def listed(client: httpx.AsyncClient, **params: Any) -> dict[str, dict[str, Any]]:
    response = await client.get("/v1/stations/CS-1/configuration", params=params)
    assert response.status_code == 200, response.text
    return {item["name"]: item for item in response.json()["items"]}


async def test_keys_are_shown_as_last_told(client: httpx.AsyncClient, db: Database) -> None:
    await register(db, "CS-1")
    reported = report(
        ConfigurationKey("HeartbeatInterval", "300", read_only=False),
        ConfigurationKey("NumberOfConnectors", "2", read_only=True),
        ConfigurationKey("Empty", None, read_only=False),
        unknown=("Nonsense",),
    )
    await facts.write(db, [reported])
    items = await listed(client)
    assert list(items) == ["Empty", "HeartbeatInterval", "Nonsense", "NumberOfConnectors"]
    assert items["HeartbeatInterval"] == {
        "name": "HeartbeatInterval",
        "value": "300",
        "mutability": "ReadWrite",
        "known": True,
        "secret": False,
        "reboot_required": False,
        "unit": None,
        "data_type": None,
        "told_at": NOW.isoformat().replace("+00:00", "Z"),
    }
    assert items["NumberOfConnectors"]["mutability"] == "ReadOnly"
    assert (items["Nonsense"]["known"], items["Nonsense"]["mutability"]) == (False, None)


async def test_letter_case_makes_no_second_key_and_what_is_unknown_can_become_known(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    await facts.write(db, [report(unknown=("heartbeatinterval",))])
    await facts.write(db, [report(ConfigurationKey("HeartbeatInterval", "60", read_only=False))])
    items = await listed(client)
    assert {name: item["value"] for name, item in items.items()} == {"HeartbeatInterval": "60"}
    await facts.write(db, [change("HEARTBEATINTERVAL", "90"), change("New", None, known=False)])
    items = await listed(client)
    assert items["HeartbeatInterval"]["value"] == "90"
    assert items["New"]["known"] is False


async def test_a_reboot_is_required_until_there_was_one(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    await facts.write(db, [change("A", "1", reboot_required=True)])
    await facts.write(db, [report(ConfigurationKey("A", "1", read_only=False))])
    assert (await listed(client))["A"]["reboot_required"] is True
    await db.execute("UPDATE stations SET booted_at = now() - interval '1 hour'")
    assert (await listed(client))["A"]["reboot_required"] is True
    await db.execute("UPDATE stations SET booted_at = now()")
    assert (await listed(client))["A"]["reboot_required"] is False


async def test_the_value_of_a_secret_is_nowhere(client: httpx.AsyncClient, db: Database) -> None:
    await register(db, "CS-1")
    await facts.write(
        db,
        [
            report(ConfigurationKey("AuthorizationKey", SECRET, read_only=False)),
            change("WifiPassword", SECRET),
        ],
    )
    items = await listed(client)
    assert SECRET not in str(items)
    assert [item["secret"] for item in items.values()] == [True, True]
    assert not [
        row for row in await db.fetch("SELECT * FROM configuration_keys") if SECRET in str(row)
    ]


async def test_the_variables_of_a_201_station_are_named_as_commands_name_them(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")

    def attribute(value: str, kind: str = "Actual", **name: Any) -> VariableAttribute:
        return VariableAttribute(
            name=ComponentVariable(**name),
            type=kind,
            value=value,
            mutability="ReadWrite",
            persistent=True,
            constant=False,
            unit="W",
            data_type="integer",
            min_limit=None,
            max_limit=None,
            values_list=None,
            supports_monitoring=None,
        )

    attributes = [
        attribute("60", component="OCPPCommCtrlr", variable="HeartbeatInterval"),
        attribute("1", component="EVSE", evse_id=2, variable="Power"),
        attribute("2", "MaxSet", component="EVSE", evse_id=2, variable="Power"),
        attribute("x", component="Connector", evse_id=2, connector_id=1, variable="State"),
        attribute("20", component="A", component_instance="L", variable="B", variable_instance="R"),
        attribute(SECRET, component="SecurityCtrlr", variable="BasicAuthPassword"),
    ]
    await facts.write(
        db,
        [
            VariablesReported(
                station_id="CS-1", epoch=1, request_id=1, generated_at=NOW, attributes=attributes
            )
        ],
    )
    items = await listed(client)
    assert {name: item["value"] for name, item in items.items()} == {
        "A[L].B[R]": "20",
        "Connector(2,1).State": "x",
        "EVSE(2).Power": "1",
        "EVSE(2).Power/MaxSet": "2",
        "OCPPCommCtrlr.HeartbeatInterval": "60",
        "SecurityCtrlr.BasicAuthPassword": None,
    }
    assert items["EVSE(2).Power"]["unit"] == "W"


async def test_it_comes_in_pages(client: httpx.AsyncClient, db: Database) -> None:
    await register(db, "CS-1")
    names = ["a", "B", "c", "Ä"]
    await facts.write(db, [report(*(ConfigurationKey(n, None, read_only=True) for n in names))])
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 1}
    while params.get("cursor", "") is not None:
        page = (await client.get("/v1/stations/CS-1/configuration", params=params)).json()
        seen += [item["name"] for item in page["items"]]
        params["cursor"] = page["next_cursor"]
    assert seen == ["B", "a", "c", "Ä"]
    assert_problem(await client.get("/v1/stations/CS-9/configuration"), 404, "not-found")
