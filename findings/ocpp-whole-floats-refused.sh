#!/usr/bin/env bash
# ocpp 2.1.0 (PyPI), which brings the schemas of OCPP 1.6, 2.0.1 and 2.1, and checks messages by them.
#
# Guessed: each message is checked by the draft of JSON Schema that its schema names. 1.6's name
# draft 04, in which 1.0 is no integer; 2.0.1's name draft 06, in which it is one. So a station that
# writes 1.0 for 1, as some JSON writers do, is refused in 1.6 and understood in 2.0.1.
#
# Seen: whatever a schema names, it is compiled as draft 04. A message of 2.0.1 that is right by its
# own schema, and that another checker takes, is refused as a TypeConstraintViolation.
#
# Output seen:
#   1.6: http://json-schema.org/draft-04/schema# -> by its draft False, by ocpp False
#   2.0.1: http://json-schema.org/draft-06/schema# -> by its draft True, by ocpp False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ocpp==2.1.0 jsonschema==4.26.0

cat >"$folder/look.py" <<'PYTHON'
import asyncio
import json
from pathlib import Path

import ocpp
from jsonschema.validators import validator_for
from ocpp.exceptions import TypeConstraintViolationError
from ocpp.messages import unpack, validate_payload

FILES = {"1.6": "v16/schemas/UnlockConnector.json", "2.0.1": "v201/schemas/UnlockConnectorRequest.json"}
PAYLOADS = {"1.6": {"connectorId": 1.0}, "2.0.1": {"evseId": 1.0, "connectorId": 1.0}}


def is_taken(version):
    message = unpack(json.dumps([2, "1", "UnlockConnector", PAYLOADS[version]]))
    try:
        asyncio.run(validate_payload(message, version))
    except TypeConstraintViolationError:
        return False
    return True


found = {}
for version, file in FILES.items():
    schema = json.loads((Path(ocpp.__file__).parent / file).read_text("utf-8-sig"))
    by_draft = validator_for(schema)(schema).is_valid(PAYLOADS[version])
    found[version] = by_draft, is_taken(version)
    print(f"{version}: {schema['$schema']} -> by its draft {by_draft}, by ocpp {found[version][1]}")
assert found == {"1.6": (False, False), "2.0.1": (True, False)}
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
