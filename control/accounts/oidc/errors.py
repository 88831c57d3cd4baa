"""Why nobody was logged in by the provider."""

from shared.domain.errors import UnavailableError, VoltaroError


class ProviderAwayError(UnavailableError):
    """The provider gives no answer, or none that can be used; passwords work all the same."""


class LoginFailedError(VoltaroError):
    """What came back from the provider proves nothing; beginning again may help."""


class UnknownKeyError(LoginFailedError):
    """A token is not signed by any key that we know: the provider may have a new one."""


class NoRoleError(VoltaroError):
    """The provider says who it is, but nothing that comes to a role here."""
