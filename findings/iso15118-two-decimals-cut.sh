#!/usr/bin/env bash
# iso15118 0.31.2 (PyPI), ISO 15118-20 RationalNumber.
#
# Guessed: RationalNumber exists so that currents, powers and prices travel exactly, as value times
# ten to the exponent; get_rational_repr of a number with two decimals is that number.
#
# Seen: the float is scaled in binary and cut, not rounded. 0.57 becomes 569 with exponent -3, which
# is 0.569. Of the numbers from 0.01 to 100.00, 773 are wrong by one in the last digit, always below.
#
# Output seen:
#   0.57 -> 569e-3
#   773 of 10000 are not what was given, such as 0.47, 0.57, 0.59
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check iso15118==0.31.2

cat >"$folder/look.py" <<'PYTHON'
from decimal import Decimal

from iso15118.shared.messages.iso15118_20.common_types import RationalNumber


def exact(number):
    return Decimal(number.value).scaleb(number.exponent)


given = [Decimal(hundredths).scaleb(-2) for hundredths in range(1, 10001)]
wrong = [each for each in given if exact(RationalNumber.get_rational_repr(float(each))) != each]
example = RationalNumber.get_rational_repr(0.57)
print(f"0.57 -> {example.value}e{example.exponent}")
print(f"{len(wrong)} of {len(given)} are not what was given, such as {', '.join(map(str, wrong[:3]))}")
assert (example.value, example.exponent) == (569, -3)
assert len(wrong) == 773
assert all(exact(RationalNumber.get_rational_repr(float(each))) < each for each in wrong)
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
