"""Types of users that several resources share."""

from typing import Annotated

from pydantic import Field, SecretStr

from control.api.types import ONE_LINE

_EMAIL_PATTERN = (
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@"
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"
)

Email = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        pattern=_EMAIL_PATTERN,
        description="e-mail address; letter case does not count",
        examples=["ada@example.com"],
    ),
]
NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=12,
        max_length=256,
        description="at least 12 characters, of any kind: a few words are better than signs",
        examples=["correct horse battery staple"],
    ),
]
Password = Annotated[
    SecretStr, Field(max_length=256, description="their password", examples=["correct horse …"])
]
Code = Annotated[
    str,
    Field(
        max_length=32,
        description="six digits of the authenticator app, or a recovery code",
        examples=["123456"],
    ),
    ONE_LINE,
]
UserName = Annotated[
    str,
    Field(min_length=1, max_length=100, description="for people", examples=["Ada Lovelace"]),
    ONE_LINE,
]
