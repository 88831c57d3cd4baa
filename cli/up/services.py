"""Our own processes, as programs of the local cluster."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from cli.up.account import account_of, as_account
from cli.up.layout import Gateway, Layout
from cli.up.ports import LOOPBACK
from cli.up.probes import has_station_online, is_ready
from cli.up.program import Program

# Longer than the processes themselves allow: VOLTARO_DRAIN_TIMEOUT_S and
# VOLTARO_SHUTDOWN_TIMEOUT_S.
_GATEWAY_STOP_TIMEOUT_S = 25.0
_CONTROL_STOP_TIMEOUT_S = 15.0
_WORKER_STOP_TIMEOUT_S = 25.0  # longer than running jobs may take (queue_shutdown_timeout_s)
_ORPHAN_SIGNAL = signal.SIGKILL
# What they read: the interpreter, the packages, and our own modules.
_PYTHON = (Path(sys.executable), Path(sys.prefix, "lib"), Path(__file__))


class Services:
    """Makes the programs of one cluster that are ours, all told of the same Postgres and Redis."""

    def __init__(
        self,
        layout: Layout,
        *,
        database_url: str,
        redis_url: str,
        files: Path,
        files_signing_key: str,
        accounts_encryption_key: str,
    ) -> None:
        """Take what they share.

        Args:
            layout: Where they listen.
            database_url: Of the cluster's Postgres.
            redis_url: Of the cluster's Redis.
            files: Directory for firmware and logs; made if missing. Its owner runs them all.
            files_signing_key: Signs the URLs that stations are given.
            accounts_encryption_key: Encrypts the secrets of second factors and of webhooks.
        """
        self._layout = layout
        files.mkdir(mode=0o700, exist_ok=True)
        self._files = files
        self._account = account_of(files)
        # The user's own environment is passed on, so that `VOLTARO_LOG_LEVEL=DEBUG voltaro up`
        # does what it says; what we decide comes after it.
        self._environment = {
            "VOLTARO_LOG_FORMAT": "console",
            # When all stop together, there is no other gateway to go to.
            "VOLTARO_DRAIN_DELAY_S": "0",
            # A receiver of webhooks that is being tried out stands on this machine as well.
            "VOLTARO_WEBHOOK_ALLOW_HTTP": "true",
            "VOLTARO_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8, ::1/128",
            **os.environ,
            "VOLTARO_DATABASE_URL": database_url,
            "VOLTARO_REDIS_URL": redis_url,
        }
        # Where the links of invitations lead; those of mails stand in the worker's as well.
        self._environment.setdefault("VOLTARO_DASHBOARD_URL", layout.http_url)

        # A bucket of the user's takes the directory's place.
        if not os.environ.get("VOLTARO_FILES_S3_BUCKET"):
            self._environment["VOLTARO_FILES_DIRECTORY"] = str(files)
        self._files_signing_key = files_signing_key
        self._accounts_encryption_key = accounts_encryption_key

    def migrate(self) -> Program:
        """Describe the process that brings the schema up to date, and then ends."""
        return Program(
            name="migrate",
            argv=self._voltaro("migrate"),
            env=self._environment,
            is_ready=lambda _pid: True,
            orphan_signal=_ORPHAN_SIGNAL,
        )

    def gateway(self, gateway: Gateway) -> Program:
        """Describe a gateway pod."""
        return self._service(
            gateway.name,
            "gateway",
            {
                "VOLTARO_OCPP_HOST": LOOPBACK,
                "VOLTARO_OCPP_PORT": str(gateway.ocpp_port),
                "VOLTARO_MANAGEMENT_HOST": LOOPBACK,
                "VOLTARO_MANAGEMENT_PORT": str(gateway.management_port),
            },
            stop_timeout_s=_GATEWAY_STOP_TIMEOUT_S,
        )

    def control(self, api_key: str) -> Program:
        """Describe the control plane; `api_key` opens it."""
        return self._service(
            "control",
            "control",
            {
                "VOLTARO_HTTP_HOST": self._layout.host,
                "VOLTARO_HTTP_PORT": str(self._layout.http_port),
                "VOLTARO_MANAGEMENT_HOST": LOOPBACK,
                "VOLTARO_MANAGEMENT_PORT": str(self._layout.control_port),
                "VOLTARO_API_KEYS": api_key,
                # Stations on other machines need another address than ours: the user's goes first.
                "VOLTARO_PUBLIC_URL": os.environ.get("VOLTARO_PUBLIC_URL", self._layout.http_url),
                "VOLTARO_FILES_SIGNING_KEY": self._files_signing_key,
                "VOLTARO_ACCOUNTS_ENCRYPTION_KEYS": self._accounts_encryption_key,
            },
            stop_timeout_s=_CONTROL_STOP_TIMEOUT_S,
            ports=(self._layout.http_port,),
        )

    def worker(self) -> Program:
        """Describe the process of the background jobs."""
        return self._service(
            "worker",
            "worker",
            {
                "VOLTARO_MANAGEMENT_HOST": LOOPBACK,
                "VOLTARO_MANAGEMENT_PORT": str(self._layout.worker_port),
                # That of the user's is another cluster's, and there is no pooler here.
                "VOLTARO_QUEUE_DATABASE_URL": self._environment["VOLTARO_DATABASE_URL"],
                "VOLTARO_ACCOUNTS_ENCRYPTION_KEYS": self._accounts_encryption_key,
            },
            stop_timeout_s=_WORKER_STOP_TIMEOUT_S,
        )

    def simulator(self, station_count: int, password: str, api_key: str) -> Program:
        """Describe the process of the simulated stations; ready when the first is connected.

        Args:
            station_count: How many stations it runs.
            password: Of every one of them; in the environment, as everybody may read arguments.
            api_key: For asking the control plane who is connected.
        """
        http_url = self._layout.http_url
        return Program(
            name="sim",
            argv=self._voltaro(
                "sim",
                *("--url", self._layout.ocpp_url, "--stations", str(station_count)),
                # In turns, so that both are there from two stations on.
                *("--version", "1.6", "--version", "2.0.1"),
            ),
            env={**self._environment, "VOLTARO_SIM_PASSWORD": password},
            is_ready=lambda _pid: has_station_online(http_url, api_key),
            orphan_signal=_ORPHAN_SIGNAL,
        )

    def _service(
        self,
        name: str,
        command: str,
        own: Mapping[str, str],
        *,
        stop_timeout_s: float,
        ports: tuple[int, ...] = (),
    ) -> Program:
        management_url = self._layout.management_urls[name]
        return Program(
            name=name,
            argv=self._voltaro(command, ports=ports),
            env={**self._environment, "VOLTARO_POD_NAME": name, **own},
            is_ready=lambda _pid: is_ready(management_url),
            stop_timeout_s=stop_timeout_s,
            orphan_signal=_ORPHAN_SIGNAL,
        )

    def _voltaro(self, command: str, *options: str, ports: tuple[int, ...] = ()) -> tuple[str, ...]:
        # -P: a directory called `control` where the user happens to stand is not ours.
        argv = (sys.executable, "-P", "-m", "cli", command, *options)
        paths = (*_PYTHON, self._files)
        return as_account(self._account, argv, paths, _ORPHAN_SIGNAL, ports=ports)
