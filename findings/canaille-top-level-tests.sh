#!/usr/bin/env bash
# canaille 0.3.6 (PyPI), an OpenID provider, as one would take for tests of a login.
#
# Guessed: its wheel has the package `canaille`, and its tests are in the source archive alone, or
# within that package.
#
# Seen: the wheel has a top-level package `tests`, and `dev`, `doc` and README.md, which go beside all
# others into site-packages.
# `import tests.support` of one's own is then found or not by the order of sys.path: where the working
# folder is not first (`python -P`, a console script, a worker of pytest-xdist) it is canaille's.
#
# Output seen:
#   top level: CHANGES.rst, CONTRIBUTING.rst, README.md, canaille, canaille-0.3.6.dist-info, dev, doc, tests
#   import tests: site-packages/tests/__init__.py
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps canaille==0.3.6
mkdir -p "$folder/project/tests/support"
touch "$folder/project/tests/__init__.py" "$folder/project/tests/support/__init__.py"
cd "$folder/project"

cat >"$folder/look.py" <<'PYTHON'
import importlib.metadata
import importlib.util
from pathlib import Path

files = importlib.metadata.files("canaille")
top = sorted({file.parts[0] for file in files if file.parts[0] != ".."} - {"__pycache__"})
print("top level:", ", ".join(top))
assert "tests" in top
found = importlib.util.find_spec("tests").origin
print("import tests:", "/".join(Path(found).parts[-3:]))
assert "site-packages" in found
PYTHON
"$folder/venv/bin/python" -P "$folder/look.py"
