"""Every error of the domain, in one tree.

The edges translate: the API into RFC 9457 problem details, the gateway into CALLERROR codes, the
command line into an exit code with a sentence::

    VoltaroError
    ├── InvalidInputError    the caller said something that cannot be
    ├── ForbiddenError       the caller has not the permission for it
    ├── NotFoundError        there is no such station, session, id token or command
    ├── ConflictError        it exists already, or its state does not allow this
    │   └── CommandQueueFullError
    └── UnavailableError     something we stand on is away; trying again later may work
        └── StationOfflineError
"""

from shared.domain.error_codes import ConflictCode, ErrorCode, NotFoundCode


class VoltaroError(Exception):
    """The root. Its message says what happened, to what, and what to do.

    Its code tells programs what the error is, more closely than its class; None adds nothing to it.
    """

    code: ErrorCode | None = None


class InvalidInputError(VoltaroError):
    """The caller said something that cannot be; saying it again will not help."""


class ForbiddenError(VoltaroError):
    """The caller has not the permission that this needs."""


class NotFoundError(VoltaroError):
    """There is no such thing.

    Args:
        message: what is not there.
        code: which kind of thing that is.
    """

    def __init__(self, message: str, *, code: NotFoundCode | None = None) -> None:
        super().__init__(message)
        self.code = code


class ConflictError(VoltaroError):
    """It exists already, or the state it is in does not allow this.

    Args:
        message: what is in the way, and what to do.
        code: which kind of obstacle that is.
    """

    def __init__(self, message: str, *, code: ConflictCode | None = None) -> None:
        super().__init__(message)
        self.code = code


class CommandQueueFullError(ConflictError):
    """As many commands wait for the station as may."""


class UnavailableError(VoltaroError):
    """Postgres, Redis or a station is away; trying again later may work."""


class StationOfflineError(UnavailableError):
    """No gateway pod with a live lease holds this station's connection."""
