"""Forms, read as they come."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.files.multipart import FormError, find_boundary, read_form

CONTENT = b"first line\r\n--not the boundary\r\n\x00\xff" * 20
FORM = (
    b'--b0\r\nContent-Disposition: form-data; name="type"\r\n\r\ndiagnostics\r\n'
    b'--b0\r\nContent-Disposition: form-data; name="file"; filename="C:\\\\logs\\\\d.zip"\r\n'
    b"Content-Type: application/zip\r\n\r\n" + CONTENT + b"\r\n"
    b'--b0\r\nContent-Disposition: form-data; name="more"; filename="other"\r\n\r\nno\r\n--b0--\r\n'
)


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(st.lists(st.integers(1, len(FORM) - 1), max_size=12, unique=True).map(sorted))
async def test_the_first_file_is_given_however_the_form_is_cut(cuts: list[int]) -> None:
    edges = [0, *cuts, len(FORM)]
    chunks = [FORM[a:b] for a, b in pairwise(edges)]
    form = await read_form(stream(*chunks), b"b0")
    assert form.name.endswith("d.zip")
    assert form.content_type == "application/zip"
    assert b"".join([chunk async for chunk in form.content]) == CONTENT


async def test_a_form_that_ends_in_the_middle_of_its_file_is_refused() -> None:
    form = await read_form(stream(FORM[: len(FORM) // 2]), b"b0")
    with pytest.raises(FormError, match="ends before its file"):
        assert [chunk async for chunk in form.content]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b'--b0\r\nContent-Disposition: form-data; name="type"\r\n\r\ntext\r\n--b0--\r\n',
        b"--b0\r\n" + b"X-Long: " + b"x" * 100_000,
    ],
)
async def test_what_holds_no_file_is_refused(body: bytes) -> None:
    with pytest.raises(FormError):
        await read_form(stream(body), b"b0")


def test_the_boundary_is_found_where_there_is_a_form() -> None:
    assert find_boundary('multipart/form-data; boundary="a b"') == b"a b"
    assert find_boundary("application/octet-stream") is None
    assert find_boundary(None) is None
    with pytest.raises(FormError, match="boundary"):
        find_boundary("multipart/form-data")
