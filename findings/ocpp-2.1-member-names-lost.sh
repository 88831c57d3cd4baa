#!/usr/bin/env bash
# ocpp 2.1.0 (PyPI), which brings the schemas of OCPP 1.6, 2.0.1 and 2.1.
#
# Guessed: its conversion between the wire's camelCase and Python's snake_case gives each member
# name of its own schemas back, since every message takes that way.
#
# Seen: it does for all names of 1.6 and 2.0.1, but not for 43 of the 555 of OCPP 2.1. Limits per
# phase (limit_L2) and all that is in capitals (fixedPFInject) leave under a name that its own
# schema refuses.
#
# Output seen:
#   v16: 96 names, 0 come back changed
#   v201: 244 names, 0 come back changed
#   v21: 555 names, 43 come back changed, such as limit_L2 -> limitL2, fixedPFInject -> fixedPfInject
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ocpp==2.1.0

cat >"$folder/look.py" <<'PYTHON'
import json
from pathlib import Path

import ocpp
from ocpp.charge_point import camel_to_snake_case, snake_to_camel_case


def names_of(schema):
    if isinstance(schema, list):
        for each in schema:
            yield from names_of(each)
    elif isinstance(schema, dict):
        yield from schema.get("properties", {})
        for each in schema.values():
            yield from names_of(each)


def look(version):
    folder = Path(ocpp.__file__).parent / version / "schemas"
    names = set()
    for path in folder.glob("*.json"):
        names.update(names_of(json.loads(path.read_text(encoding="utf-8-sig"))))
    changed = {}
    for name in names:
        (back,) = snake_to_camel_case(camel_to_snake_case({name: 0}))
        if back != name:
            changed[name] = back
    return len(names), changed


counts = {}
for version in ("v16", "v201", "v21"):
    count, changed = look(version)
    counts[version] = (count, len(changed))
    examples = [f"{name} -> {changed[name]}" for name in ("limit_L2", "fixedPFInject") if name in changed]
    such_as = f", such as {', '.join(examples)}" if examples else ""
    print(f"{version}: {count} names, {len(changed)} come back changed{such_as}")
assert counts == {"v16": (96, 0), "v201": (244, 0), "v21": (555, 43)}, counts
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
