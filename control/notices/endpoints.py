"""What a webhook endpoint's url may be, and the secrets that it is given."""

import re
from ipaddress import ip_address

from control.accounts.encryption import Encryption, NoEncryptionKeyError
from control.errors import InvalidFieldError
from control.files.urls import AmbiguousUrlError, read_origin
from control.notices.addresses import AddressPolicy
from control.notices.signing import new_secret
from control.notices.webhook_settings import WebhookUrlSettings
from shared.domain.error_codes import ConflictCode
from shared.domain.errors import ConflictError

_QUERY = re.compile(r"[!\"$-\[\]-~]*")


def check_url(url: str, settings: WebhookUrlSettings) -> None:
    """Make sure that a url may be one of an endpoint, as far as it says so itself.

    What address a name has is looked at when it is connected to, and not before: it may have
    another one by then.

    Raises:
        InvalidFieldError: it may not; the message says why.
    """
    before_query, _, query = url.partition("?")
    try:
        origin = read_origin(before_query)
    except AmbiguousUrlError as error:
        raise InvalidFieldError("body", "url", str(error)) from None
    if not _QUERY.fullmatch(query):
        raise InvalidFieldError(
            "body", "url", "its query holds what has to be written with %, such as a blank or a #"
        )
    if "@" in before_query:
        raise InvalidFieldError(
            "body", "url", "a url with a user name is not taken: check the signature instead"
        )
    if origin.scheme != "https" and not (origin.scheme == "http" and settings.webhook_allow_http):
        raise InvalidFieldError(
            "body",
            "url",
            "it has to be https: whoever runs this installation can allow http with "
            "VOLTARO_WEBHOOK_ALLOW_HTTP",
        )
    try:
        ip_address(origin.host)
    except ValueError:
        return
    if not AddressPolicy(settings.allowed_networks).allows(origin.host):
        raise InvalidFieldError(
            "body",
            "url",
            f"{origin.host} is no address of the public internet: whoever runs this installation "
            "can allow it with VOLTARO_WEBHOOK_ALLOWED_NETWORKS",
        )


def make_secret(encryption: Encryption) -> tuple[str, str]:
    """Return a new secret, and how it is stored.

    Raises:
        ConflictError: there is nothing to encrypt it with.
    """
    secret = new_secret()
    try:
        return secret, encryption.encrypt(secret)
    except NoEncryptionKeyError:
        raise ConflictError(
            "there are no webhooks here: whoever runs this installation has to set "
            "VOLTARO_ACCOUNTS_ENCRYPTION_KEYS before, which their secrets are encrypted with",
            code=ConflictCode.WEBHOOKS_NOT_SET_UP,
        ) from None
