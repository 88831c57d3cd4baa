"""Files that a station asks its driver to download or upload.

The station only says what it wants; whoever drives it does it, and tells how it ended. The schemes
and methods are the driver's.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from simulator.context import Context
from simulator.events import CancelTransfer, Download, Upload


class TransferStatus(StrEnum):
    """How a transfer ended."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "the server refuses the file"
    DENIED = "the server denies access"
    UNSUPPORTED = "no such protocol"


class TransferResult(NamedTuple):
    """What came of a transfer.

    Attributes:
        status: How it ended.
        content: Of a download that is done.
        problem: For people, if it is not done.
    """

    status: TransferStatus
    content: bytes = b""
    problem: str = ""


#: Told how a transfer ended.
Ended: TypeAlias = Callable[[TransferResult], None]

#: What a driver without file transfer says to every wish.
UNSUPPORTED = TransferResult(TransferStatus.UNSUPPORTED, problem="this driver transfers no files")


class Transfers:
    """The open transfers of one station."""

    __slots__ = ("_context", "_count", "_open")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._count = 0
        self._open: dict[int, Ended] = {}

    def download(self, url: str, ended: Ended) -> int:
        """Ask for a file; returns a number to cancel it by."""
        number = self._begin(ended)
        self._context.emit(Download(transfer_id=number, url=url))
        return number

    def upload(self, url: str, name: str, content: bytes, ended: Ended) -> int:
        """Ask to have a file uploaded; returns a number to cancel it by."""
        number = self._begin(ended)
        self._context.emit(Upload(transfer_id=number, url=url, name=name, content=content))
        return number

    def cancel(self, number: int) -> None:
        """Give a transfer up; nobody is told how it ends."""
        if self._open.pop(number, None) is not None:
            self._context.emit(CancelTransfer(transfer_id=number))

    def cancel_all(self) -> None:
        """Give all up, as losing power does."""
        for number in tuple(self._open):
            self.cancel(number)

    def end(self, number: int, result: TransferResult) -> None:
        """Take the driver's word on how a transfer ended."""
        ended = self._open.pop(number, None)
        if ended is not None:
            ended(result)

    def _begin(self, ended: Ended) -> int:
        self._count += 1
        self._open[self._count] = ended
        return self._count
