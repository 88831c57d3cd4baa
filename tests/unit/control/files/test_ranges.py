"""The header Range (RFC 9110 §14)."""

import pytest

from control.files.ranges import ByteRange, UnsatisfiableRangeError, parse_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("", None),
        ("bytes=0-", ByteRange(0, 10)),
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=3-5", ByteRange(3, 6)),
        ("bytes=3-500", ByteRange(3, 10)),
        ("bytes = 3 - 5", ByteRange(3, 6)),
        ("bytes=-4", ByteRange(6, 10)),
        ("bytes=-400", ByteRange(0, 10)),
        ("BYTES=9-", ByteRange(9, 10)),
        ("bytes=0-1,3-4", None),  # a server may give the whole instead
        ("lines=0-1", None),
        ("bytes=5-3", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1", None),
        ("bytes=\u0663-", None),
        (f"bytes={'9' * 5000}-", None),
    ],
)
def test_one_part_is_given_and_what_is_not_understood_is_the_whole(
    header: str | None, part: ByteRange | None
) -> None:
    assert parse_range(header, 10) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_part_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, 10)
