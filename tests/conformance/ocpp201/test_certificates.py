"""Certificates that stations of OCPP 2.0.1 ask for (A02), from their request to their answer."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.store.pool import Database
from tests.integration.control.players import Api
from tests.support.ocpp201 import booted_station
from tests.support.pods import Pod
from tests.support.signing import root, signing_request
from tests.support.stations import register
from tests.support.transcript import Play

REQUESTS = "/v1/certificate-signing-requests"


@pytest.fixture
async def play(db: Database, gateway: Pod, api: Api) -> AsyncIterator[Play]:
    await register(db)
    async with booted_station(gateway.url) as station:
        yield Play(station, "CP-1", api.client)


async def asked(api: Api) -> dict[str, Any]:
    (request,) = (await api.client.get(REQUESTS, params={"station_id": "CP-1"})).json()["items"]
    found: dict[str, Any] = request
    return found


@pytest.mark.parametrize("use", [None, "ChargingStationCertificate", "V2GCertificate"])
@pytest.mark.parametrize(("status", "state"), [("Accepted", "accepted"), ("Rejected", "rejected")])
async def test_a_certificate_comes_back_for_the_use_that_it_was_asked_for(
    play: Play, api: Api, use: str | None, status: str, state: str
) -> None:
    """A02.FR.14: without a type it is for the connection and for vehicles (§1.4.1, §1.58.1)."""
    csr = signing_request("CP-1")
    named = {} if use is None else {"certificateType": use}
    await play(f"""
        > SignCertificate {json.dumps({"csr": csr} | named)}
        < {{"status": "Accepted"}}
    """)
    request = await asked(api)
    assert (request["certificate_type"], request["state"]) == (use, "pending")
    chain = root().answer(csr)
    url = f"{REQUESTS}/{request['signing_request_id']}/certificate"
    signed = await api.client.post(url, json={"certificate_chain": chain})
    assert signed.status_code == 200, signed.text
    await play(f"""
        < CertificateSigned {json.dumps({"certificateChain": chain} | named)}
        > {{"status": "{status}"}}
        ! ClearCache
        < ClearCache {{}}
        > {{"status": "Accepted"}}
        = accepted
    """)
    assert (await asked(api))["state"] == state


async def test_a_request_that_is_told_again_without_its_type_is_for_both_uses(
    play: Play, api: Api
) -> None:
    csr = signing_request("CP-1")
    typed = {"csr": csr, "certificateType": "ChargingStationCertificate"}
    await play(f"""
        > SignCertificate {json.dumps(typed)}
        < {{"status": "Accepted"}}
        > SignCertificate {json.dumps({"csr": csr})}
        < {{"status": "Accepted"}}
    """)
    assert (await asked(api))["certificate_type"] is None


async def test_without_a_type_it_needs_the_name_of_its_station(play: Play, api: Api) -> None:
    """As a certificate for vehicles alone it could have any; this one is for the door as well."""
    await play(f"""
        > SignCertificate {json.dumps({"csr": signing_request("CP-2")})}
        < {{"status": "Rejected"}}
    """)
    request = await asked(api)
    assert (request["certificate_type"], request["state"]) == (None, "refused")
