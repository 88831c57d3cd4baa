"""The file in a form (RFC 7578), given on as it comes: nothing of it is kept in memory or on disk.

Starlette's own parser writes the whole form to a temporary file before anybody sees it.
"""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from shared.domain.errors import InvalidInputError

_MEDIA_TYPE = b"multipart/form-data"


class FormError(InvalidInputError):
    """The form cannot be read, or holds no file."""


@dataclass(frozen=True, slots=True)
class FormFile:
    """The first file of a form."""

    name: str
    content_type: str | None
    content: AsyncIterator[bytes]


def find_boundary(content_type: str | None) -> bytes | None:
    """Return what separates the parts of a form, or None if the body is no form.

    Raises:
        FormError: it is one, and does not say it.
    """
    media_type, options = parse_options_header(content_type)
    if media_type != _MEDIA_TYPE:
        return None
    boundary = options.get(b"boundary")
    if not boundary:
        raise FormError("the header Content-Type of the form names no boundary")
    return boundary


async def read_form(body: AsyncIterator[bytes], boundary: bytes) -> FormFile:
    """Read a form up to where its first file begins. Its other fields are passed over.

    Raises:
        FormError: it cannot be read, or has no file.
    """
    reader = _Reader(boundary)
    async for chunk in body:
        reader.feed(chunk)
        if reader.file is not None:
            break
    if reader.file is None:
        raise FormError("the form holds no file: send one part with a filename")
    return FormFile(reader.file.name, reader.file.content_type, _content(reader, body))


async def _content(reader: "_Reader", body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while reader.content:
        yield reader.content.popleft()
    async for chunk in body:
        reader.feed(chunk)
        while reader.content:
            yield reader.content.popleft()
    if not reader.complete:
        raise FormError("the form ends before its file does")


@dataclass(slots=True)
class _Part:
    headers: dict[str, bytes] = field(default_factory=dict)
    header_name: bytes = b""
    header_value: bytes = b""


@dataclass(frozen=True, slots=True)
class _FilePart:
    name: str
    content_type: str | None


class _Reader:
    """Takes the body in, and gives out the content of the first part that has a filename."""

    def __init__(self, boundary: bytes) -> None:
        self.file: _FilePart | None = None
        self.content: deque[bytes] = deque()
        self.complete = False
        self._in_file = False
        self._part = _Part()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._data,
                    "on_part_end": self._end_part,
                },
            )
        except FormParserError as error:
            raise FormError(f"the form cannot be read: {error}") from error

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise FormError(f"the form cannot be read: {error}") from error

    def _begin_part(self) -> None:
        self._part = _Part()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _end_header(self) -> None:
        part = self._part
        part.headers[part.header_name.decode("latin-1").lower()] = part.header_value
        part.header_name = part.header_value = b""

    def _end_headers(self) -> None:
        if self.file is not None:
            return
        _, options = parse_options_header(self._part.headers.get("content-disposition"))
        name = options.get(b"filename")
        if name is not None:
            content_type = self._part.headers.get("content-type")
            self.file = _FilePart(
                name.decode("utf-8", "replace"),
                None if content_type is None else content_type.decode("latin-1"),
            )
            self._in_file = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.content.append(data[start:end])

    def _end_part(self) -> None:
        if self._in_file:
            self._in_file = False
            self.complete = True
