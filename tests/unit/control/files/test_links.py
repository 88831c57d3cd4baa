"""Signed URLs: each allows one thing with one file for a time, and nothing else."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from control.files.links import Allows, LinkError, Links

KEY = "k" * 32
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LINKS = Links("https://api.example.com", KEY)
FILE = "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11"


def parts(url: str) -> dict[str, str]:
    _, _, file_id, name = urlsplit(url).path.split("/")
    query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    return {"file_id": file_id, "name": name, **query}


def made(allows: Allows = Allows.DOWNLOAD) -> dict[str, str]:
    link = LINKS.make(allows, FILE, "cs.bin", NOW + timedelta(hours=1))
    assert link.expires_at == NOW + timedelta(hours=1)
    return parts(link.url)


def test_a_url_allows_what_it_was_made_for_until_it_expires() -> None:
    LINKS.check(Allows.DOWNLOAD, **made(), now=NOW)
    LINKS.check(Allows.DOWNLOAD, **made(), now=NOW + timedelta(minutes=59))
    with pytest.raises(LinkError, match="expired"):
        LINKS.check(Allows.DOWNLOAD, **made(), now=NOW + timedelta(hours=1))


def test_a_url_fits_into_what_ocpp_gives_a_location() -> None:
    long = Links("https://a-rather-long-name.of-a-host.example.com/and/a/path", KEY)
    link = long.make(Allows.UPLOAD, FILE, "n" * 100, NOW)
    assert len(link.url) <= 512


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other.bin"},
        {"name": ".."},
        {"file_id": FILE.replace("0197", "0198")},
        {"expires": "99999999999"},
        {"expires": ""},
        {"expires": "-1"},
        {"expires": "1e9"},
        {"expires": "\u0661"},
        {"expires": "9" * 400},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "é" * 64},
    ],
)
def test_what_was_changed_allows_nothing(change: dict[str, str]) -> None:
    with pytest.raises(LinkError):
        LINKS.check(Allows.DOWNLOAD, **{**made(), **change}, now=NOW)


def test_a_url_for_one_thing_does_not_allow_the_other() -> None:
    with pytest.raises(LinkError, match="something else"):
        LINKS.check(Allows.UPLOAD, **made(Allows.DOWNLOAD), now=NOW)
    with pytest.raises(LinkError, match="something else"):
        LINKS.check(Allows.DOWNLOAD, **made(Allows.UPLOAD), now=NOW)


def test_another_key_made_another_url() -> None:
    with pytest.raises(LinkError):
        Links("https://api.example.com", "o" * 32).check(Allows.DOWNLOAD, **made(), now=NOW)


def test_a_station_may_append_its_files_name_and_nothing_else() -> None:
    given = made(Allows.UPLOAD)
    LINKS.check(Allows.UPLOAD, **{**given, "signature": given["signature"] + "/diag.zip"}, now=NOW)
    for appended in ("0", "?x", "diag.zip"):
        with pytest.raises(LinkError):
            LINKS.check(
                Allows.UPLOAD, **{**given, "signature": given["signature"] + appended}, now=NOW
            )
