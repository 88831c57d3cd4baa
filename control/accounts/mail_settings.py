"""Settings of mail: the API says whether there is any, the worker sends it."""

from enum import StrEnum
from typing import Self

from pydantic import Field, PositiveFloat, SecretStr, model_validator

from shared.settings import ServiceSettings


class MailSecurity(StrEnum):
    """How the way to the mail server is secured."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class MailSettings(ServiceSettings):
    """Where mail is handed over."""

    smtp_host: str | None = Field(
        default=None,
        description="mail server; the same for the control plane and the worker. Without one "
        "nothing is mailed, and links are handed to the administrator who asks for them",
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="465 for `tls`, mostly")
    smtp_security: MailSecurity = Field(
        default=MailSecurity.STARTTLS,
        description="starttls, tls, or none, which is for a server on the same machine: links that "
        "open accounts go this way",
    )
    smtp_username: str | None = Field(default=None, description="unset, nobody logs in there")
    smtp_password: SecretStr | None = Field(default=None, description="and the password")
    smtp_timeout_s: PositiveFloat = Field(
        default=20.0, description="one mail; longer counts as a failure, and is tried again"
    )
    mail_from: str | None = Field(
        default=None, description="whom mail is from, such as `Voltaro <voltaro@example.com>`"
    )
    dashboard_url: str | None = Field(
        default=None,
        description="where people reach this API with a browser, such as https://api.example.com; "
        "first part of the links that they are mailed",
    )

    @property
    def can_mail(self) -> bool:
        """Whether there is a mail server."""
        return self.smtp_host is not None

    @model_validator(mode="after")
    def _check_mail(self) -> Self:
        if self.smtp_host is not None and (self.mail_from is None or self.dashboard_url is None):
            raise ValueError(
                "VOLTARO_SMTP_HOST needs VOLTARO_MAIL_FROM and VOLTARO_DASHBOARD_URL as well: "
                "whom mail is from, and where its links lead"
            )
        return self
