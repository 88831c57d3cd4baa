#!/usr/bin/env bash
# ocpp 2.1.0 (PyPI), OCPP 2.0.1 DataTransfer.
#
# Guessed: DataTransfer.data is of any type, length and format (OCPP 2.0.1 part 2, 1.13.1), so
# that what a vendor puts there arrives and leaves as it is.
#
# Seen: the members inside it are renamed as if they were OCPP's own, in both directions and at any
# depth. userId reaches the handler as user_id, and SoC as soc. What goes out comes back changed for
# good: user_id as userId, csms as CSMS, base_url as baseURL, and "soc" at any place of a name as
# "SoC", so that `society` leaves as `SoCiety` and `socket_no` as `SoCketNo`.
#
# Output seen:
#   received: {'kWh': 'k_wh', 'meterSerial': 'meter_serial', 'SoC': 'soc', 'userId': 'user_id'}
#   sent: {'base_url': 'baseURL', 'csms': 'CSMS', 'society': 'SoCiety', 'socket_no': 'SoCketNo', 'user_id': 'userId'}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ocpp==2.1.0

cat >"$folder/look.py" <<'PYTHON'
import asyncio
import json

from ocpp.routing import on
from ocpp.v201 import ChargePoint, call, call_result

RECEIVED = {"kWh": 1, "meterSerial": 2, "SoC": 3, "userId": 4}
SENT = {"base_url": 1, "csms": 2, "society": 3, "socket_no": 4, "user_id": 5}


class Wire:
    def __init__(self):
        self.frames = []

    async def send(self, frame):
        self.frames.append(json.loads(frame))


class Station(ChargePoint):
    @on("DataTransfer")
    def data_transfer(self, vendor_id, data):
        self.got = data
        return call_result.DataTransfer(status="Accepted", data=SENT)


async def main():
    wire = Wire()
    station = Station("CS-1", wire)
    await station.route_message(
        json.dumps([2, "1", "DataTransfer", {"vendorId": "com.example", "data": RECEIVED}])
    )
    by_value = {value: name for name, value in station.got.items()}
    received = {name: by_value[value] for name, value in RECEIVED.items()}
    by_value = {value: name for name, value in wire.frames[0][2]["data"].items()}
    sent = {name: by_value[value] for name, value in SENT.items()}
    print("received:", received)
    print("sent:", sent)
    assert received == {
        "kWh": "k_wh", "meterSerial": "meter_serial", "SoC": "soc", "userId": "user_id"
    }
    assert sent == {
        "base_url": "baseURL", "csms": "CSMS", "society": "SoCiety", "socket_no": "SoCketNo",
        "user_id": "userId",
    }


asyncio.run(main())
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
