"""Settings of what handles files: the control plane serves them, the worker removes them."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from control.files.urls import AmbiguousUrlError, read_origin, read_pattern
from shared.settings import ServiceSettings

_SIGNING_KEY_MIN_LENGTH = 32
_MIB = 1024 * 1024


class FileStorageSettings(ServiceSettings):
    """Where the content of files stands; all replicas need the same place."""

    files_directory: Path | None = Field(
        default=None,
        description="directory of the files' content; with several replicas a volume that all of "
        "them mount. Without it and without a bucket no files are served",
    )
    files_s3_bucket: str | None = Field(
        default=None,
        description="bucket of an S3-compatible storage, in place of the directory. Give it a "
        "life-cycle rule that aborts uploads left half done",
    )
    files_s3_endpoint: str | None = Field(
        default=None, description="its URL, unless it is that of AWS"
    )
    files_s3_region: str = Field(default="us-east-1", description="its region")
    files_s3_access_key_id: str | None = Field(
        default=None, description="unset, credentials are found as AWS's tools find them"
    )
    files_s3_secret_access_key: SecretStr | None = Field(default=None, description="and its secret")
    files_s3_prefix: str = Field(default="", description="first part of every key in the bucket")
    files_storage_timeout_s: PositiveFloat = Field(
        default=30.0, description="one request to the bucket; longer counts as it being away"
    )

    @model_validator(mode="after")
    def _check_storage(self) -> Self:
        if self.files_directory is not None and self.files_s3_bucket is not None:
            raise ValueError(
                "VOLTARO_FILES_DIRECTORY and VOLTARO_FILES_S3_BUCKET are both set: files stand in "
                "one of them, so unset the other"
            )
        return self


class FileSettings(FileStorageSettings):
    """How files are served."""

    public_url: str | None = Field(
        default=None,
        description="where stations reach this API, such as https://api.example.com; first part "
        "of the URLs they are given for firmware and logs",
    )
    files_signing_key: SecretStr | None = Field(
        default=None,
        description="signs those URLs; the same for every replica, at least 32 characters, such as "
        "`openssl rand -hex 32`. A new one makes the URLs that are out invalid",
    )
    files_max_bytes: PositiveInt = Field(
        default=512 * _MIB,
        description="a longer file is refused with 413; firmware images of Linux-based stations "
        "have some hundred megabytes",
    )
    files_quota_bytes: PositiveInt = Field(
        default=20 * 1024 * _MIB, description="all files together; more is refused with 507"
    )
    files_idle_timeout_s: PositiveFloat = Field(
        default=60.0,
        description="an upload that brings nothing for so long is given up; modems lose the "
        "network for some seconds",
    )
    files_max_attempts: PositiveInt = Field(
        default=20, description="tries to upload one log; a station that needs more is broken"
    )
    files_upload_lease_s: PositiveFloat = Field(
        default=240.0,
        description="an upload that has brought nothing for so long is dead: its process is gone. "
        "Its room is given back then, and the file may be uploaded again. Longer than "
        "files_idle_timeout_s and three tries of files_storage_timeout_s",
    )
    files_station_link_s: PositiveInt = Field(
        default=7 * 86_400,
        description="how long a station may use its URL, counted from when it may begin: it may "
        "wait for a charge to end, and try again",
    )
    files_operator_link_s: PositiveInt = Field(
        default=3600, description="how long a download link in an answer of the API works"
    )
    files_log_retention_days: PositiveInt = Field(
        default=90, description="logs are removed after that; firmware stays until it is deleted"
    )
    files_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="comma separated hosts, with or without a port, that stations may be sent to "
        "for firmware and logs, to show something, or to connect to (SetNetworkProfile), such as "
        "`ftp.example.com,*.vendor.com`; our own always",
    )
    files_allowed_schemes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("https",), description="comma separated: https, http, ftps, ftp, sftp"
    )

    @field_validator("files_allowed_hosts", "files_allowed_schemes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip().lower() for word in value.split(",") if word.strip())
        return value

    @field_validator("files_allowed_hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            try:
                read_pattern(host)
            except ValueError as error:
                raise ValueError(
                    f"{host!r} is no host such as ftp.example.com, *.example.com or "
                    f"192.0.2.1:2121 ({error})"
                ) from error
        return hosts

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        try:
            read_origin(value)
        except AmbiguousUrlError as error:
            raise ValueError(f"{error}; it has to be one such as https://api.example.com") from None
        if parts.scheme not in {"http", "https"} or parts.query:
            raise ValueError("it has to be a URL such as https://api.example.com")
        return value.rstrip("/")

    @field_validator("files_signing_key")
    @classmethod
    def _check_signing_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < _SIGNING_KEY_MIN_LENGTH:
            raise ValueError(f"it has at least {_SIGNING_KEY_MIN_LENGTH} characters")
        return key
