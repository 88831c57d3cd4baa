"""Writes the OpenAPI document into docs/reference/ from the code.

    python -m docs.render_openapi            write it
    python -m docs.render_openapi --check    fail if it is not current
    python -m docs.render_openapi --release  keep it as what the next ones are compared with

With each release the last is run once, by who releases. From then on every change of the document
has to add to what was released, and to take nothing away (tests/unit/control/test_released.py).
"""

import argparse
import json
import sys
from pathlib import Path

from control.app import create_api

_REFERENCE = Path(__file__).parent / "reference"
CURRENT = _REFERENCE / "openapi.json"
RELEASED = _REFERENCE / "openapi-released.json"


def render() -> str:
    """Return the document, one member a line, so that a change of it is read as a change."""
    return json.dumps(create_api().openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the document, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--release", action="store_true")
    asked = parser.parse_args()
    text = render()
    if asked.check:
        if not CURRENT.exists() or CURRENT.read_text(encoding="utf-8") != text:
            sys.exit(f"not current: {CURRENT}; run `make docs`")
        return
    CURRENT.write_text(text, encoding="utf-8")
    if asked.release:
        RELEASED.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
