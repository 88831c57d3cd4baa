"""A real OpenID provider that tests start, end, and give other keys; and a browser that goes there.

It is Django OAuth Toolkit: docs/adr/0018-oidc.md.
"""

import json
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from joserfc.jwk import RSAKey

from cli.up.ports import free_ports

_PROGRAM = Path(__file__).with_name("openid_provider_process.py")
PASSWORD = "correct horse battery staple"
# The providers' users, and their groups there.
USERS = {"ada": ["csms-admins", "everybody"], "bo": ["everybody"], "cy": ["hotel-desk"]}


def new_key() -> str:
    """Return a private key that a provider may sign with."""
    return RSAKey.generate_key(2048).as_pem(private=True).decode()


@dataclass
class OpenIdProvider:
    """A provider that knows `USERS`, all with `PASSWORD`, and one client.

    Attributes:
        redirect_url: where it sends browsers back to.
        logged_out_url: likewise, once they have logged out.
    """

    redirect_url: str = "http://127.0.0.1:9/v1/oidc/callback"
    logged_out_url: str = "http://127.0.0.1:9/logged-out"
    client_id: str = "voltaro"
    client_secret: str = "a secret/with+what% has to be encoded"
    signing_key: str = field(default_factory=new_key)
    port: int = field(default_factory=lambda: free_ports(1)[0])
    groups: dict[str, list[str]] = field(default_factory=lambda: dict(USERS))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **changes: object) -> dict[str, object]:
        """Return what our side has to be told of it."""
        return {
            "oidc_issuer": self.issuer,
            "oidc_client_id": self.client_id,
            "oidc_client_secret": self.client_secret,
            "oidc_redirect_url": self.redirect_url,
            "oidc_logged_out_url": self.logged_out_url,
            "oidc_scopes": "openid profile email groups",
            "oidc_roles": json.dumps(
                {
                    "csms-admins": "admin",
                    "hotel-desk": {"role": "viewer", "organization_id": "hotel"},
                }
            ),
            **changes,
        }

    def start(self) -> None:
        """Start it."""
        plan = {
            "port": self.port,
            "secret_key": secrets.token_hex(),
            "signing_key": self.signing_key,
            "former_keys": [],
            "users": [
                {"name": name, "password": PASSWORD, "groups": groups}
                for name, groups in self.groups.items()
            ],
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "redirect_url": self.redirect_url,
            "logged_out_url": self.logged_out_url,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._tell(plan)

    def rotate(self, *, publish_former: bool) -> None:
        """Sign with a new key from now on, and tell the former one as well or no more."""
        former, self.signing_key = self.signing_key, new_key()
        self._tell(
            {
                "signing_key": self.signing_key,
                "former_keys": [former] if publish_former else [],
            }
        )

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Take connections and say nothing, for as long as the context lasts."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End it, if it runs."""
        if self._process is None:
            return
        with self._process as process:
            self._process = None
            process.kill()  # nothing of it is kept

    def _tell(self, plan: dict[str, Any]) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(plan).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"


@contextmanager
def running_provider(**attributes: Any) -> Iterator[OpenIdProvider]:
    """Run a provider for as long as the context lasts."""
    provider = OpenIdProvider(**attributes)
    try:
        provider.start()
        yield provider
    finally:
        provider.end()


async def visit(browser: httpx.AsyncClient, url: str, *, user: str, until: str) -> str:
    """Follow the provider's pages as `user`, and return the first address that begins with `until`.

    Args:
        browser: keeps cookies, and follows no redirects by itself.
        url: of the provider.
        user: who logs in there when asked.
        until: which address is not visited any more.
    """
    for _ in range(10):
        if url.startswith(until):
            return url
        answer = await browser.get(url)
        if answer.status_code == httpx.codes.OK:
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.text)
            assert token is not None, answer.text
            answer = await browser.post(
                url,
                data={
                    "csrfmiddlewaretoken": token[1],
                    "username": user,
                    "password": PASSWORD,
                },
                headers={"Referer": url},
            )
        assert answer.is_redirect, answer.text
        url = str(answer.url.join(answer.headers["location"]))
    raise AssertionError(f"the provider leads nowhere: {url}")
