"""The local cluster: which programs there are, in which order they start and stop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cli.up import servers
from cli.up.data import DataDirectory
from cli.up.haproxy import haproxy
from cli.up.layout import choose_layout
from cli.up.report import Report
from cli.up.services import Services
from cli.up.supervisor import Supervisor


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line of `voltaro up`.

    Attributes:
        gateways: How many gateway processes.
        stations: How many simulated stations.
        host: The address that stations and API clients connect to.
        ocpp_port: Port for stations; 0 picks a free one.
        http_port: Port for the API; 0 picks a free one.
        data: The data directory.
        reset: Remove what is in it first.
        json: Print the report as one line of JSON.
    """

    gateways: int
    stations: int
    host: str
    ocpp_port: int
    http_port: int
    data: Path
    reset: bool
    json: bool


class Cluster:
    """One local cluster, from its first process to its last."""

    def __init__(
        self, options: Options, data: DataDirectory, *, say: Callable[[str], None]
    ) -> None:
        """Prepare a cluster. Needs a running event loop.

        Args:
            options: The command line.
            data: Holds its data, its secrets and its logs.
            say: Takes one line about what happens.

        Raises:
            UpError: A port is taken, or the data directory cannot be used.
        """
        data.check_postgres()
        self._station_count = options.stations
        self._data = data
        self._credentials = data.credentials()
        self._layout = choose_layout(
            data,
            host=options.host,
            ocpp_port=options.ocpp_port,
            http_port=options.http_port,
            gateway_count=options.gateways,
        )
        self._database_url = servers.postgres_url(
            self._layout.postgres_port,
            self._credentials.application_password,
            user=servers.POSTGRES_USER,
        )
        self._redis_url = servers.redis_url(
            self._layout.redis_port, self._credentials.redis_password
        )
        self._services = Services(
            self._layout,
            database_url=self._database_url,
            redis_url=self._redis_url,
            files=data.files,
            files_signing_key=self._credentials.files_signing_key,
            accounts_encryption_key=self._credentials.accounts_encryption_key,
        )
        self._supervisor = Supervisor(data.logs, say=say, restarted=self._write_state)

    @property
    def failure(self) -> "asyncio.Future[BaseException]":
        """Resolved with the reason once the cluster cannot go on."""
        return self._supervisor.failure

    @property
    def waiting_for(self) -> list[str]:
        """The names of the processes that were started and have not been ready yet."""
        return self._supervisor.waiting_for

    async def start(self) -> Report:
        """Start everything, as much at the same time as can be.

        Returns:
            Where everything is, once it serves.

        Raises:
            UpError: Something does not start; in an ExceptionGroup when it ran beside others.
        """
        start = self._supervisor.start
        async with asyncio.TaskGroup() as tasks:
            # Ready when the gateways are, so it may as well wait for them itself.
            tasks.create_task(start(haproxy(self._data.haproxy, self._layout)))
            async with asyncio.TaskGroup() as stores:
                stores.create_task(self._start_redis())
                stores.create_task(self._start_postgres())
            await self._supervisor.run_to_end(self._services.migrate())
            await self._give_audit_log_away()
            for gateway in self._layout.gateways:
                tasks.create_task(start(self._services.gateway(gateway)))
            tasks.create_task(start(self._services.worker()))
            tasks.create_task(self._start_control())
        if self._station_count:
            await start(
                self._services.simulator(
                    self._station_count,
                    self._credentials.station_password,
                    self._credentials.api_key,
                )
            )
        self._write_state()
        return self._report()

    async def stop(self) -> None:
        """Stop everything, those that depend on others first."""
        gateways = {gateway.name for gateway in self._layout.gateways}
        # HAProxy after the gateways: stations are to hear from them why the connection ends.
        for stage in ({"sim"}, gateways, {"haproxy"}, {"control", "worker"}, {"redis"}):
            await self._supervisor.stop(stage)
        await self._supervisor.close()
        self._data.remove_state()

    def kill(self) -> None:
        """End every process at once; `stop` then finishes quickly."""
        self._supervisor.kill()

    async def _start_redis(self) -> None:
        program = servers.redis(
            self._data.redis, self._layout.redis_port, self._credentials.redis_password
        )
        await self._supervisor.start(program)

    async def _start_postgres(self) -> None:
        directory = self._data.postgres
        if not directory.exists():
            await asyncio.to_thread(
                servers.create_postgres, directory, self._credentials.postgres_password
            )
        await self._supervisor.start(servers.postgres(directory, self._layout.postgres_port))
        # Here, as loading a driver takes time that the servers' start covers.
        from shared.store.roles import provide_owner

        await provide_owner(
            servers.postgres_url(self._layout.postgres_port, self._credentials.postgres_password),
            role=servers.POSTGRES_USER,
            password=self._credentials.application_password,
        )

    async def _give_audit_log_away(self) -> None:
        from shared.store.accounts.audit_ownership import give_away

        await give_away(
            servers.postgres_url(self._layout.postgres_port, self._credentials.postgres_password),
            login=servers.POSTGRES_USER,
        )

    async def _start_control(self) -> None:
        await self._supervisor.start(self._services.control(self._credentials.api_key))
        if self._station_count:
            # Here, as loading an HTTP client takes time that others need before.
            from cli.up.stations import register

            await register(
                self._layout.http_url,
                self._credentials.api_key,
                self._station_count,
                self._credentials.station_password,
            )

    def _write_state(self) -> None:
        self._data.write_state(self._report().as_dict())

    def _report(self) -> Report:
        return Report(
            ocpp_url=self._layout.ocpp_url,
            http_url=self._layout.http_url,
            api_key=self._credentials.api_key,
            database_url=self._database_url,
            redis_url=self._redis_url,
            gateway_urls=self._layout.gateway_urls,
            management_urls=self._layout.management_urls,
            pids=self._supervisor.pids,
            data=self._data.path,
            logs=self._data.logs,
        )
