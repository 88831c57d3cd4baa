"""Which port each server of the local cluster listens on."""

from dataclasses import dataclass

from cli.up.data import DataDirectory
from cli.up.errors import UpError
from cli.up.ports import LOOPBACK, free_ports, is_free

_ANY_HOST = {"0.0.0.0": LOOPBACK, "::": "::1"}


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """One gateway, on 127.0.0.1.

    Attributes:
        name: Its name, and the name of its pod.
        ocpp_port: Takes connections of stations, which come through HAProxy.
        management_port: Answers `/readyz` and `/metrics`.
    """

    name: str
    ocpp_port: int
    management_port: int


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the servers listen: stations and API clients come to `host`, all else is on 127.0.0.1.

    Attributes:
        host: Address of `ocpp_port` and `http_port`.
        ocpp_port: HAProxy, for stations.
        http_port: The control plane.
        postgres_port: Postgres.
        redis_port: Redis.
        haproxy_port: HAProxy's own metrics.
        worker_port: The worker's metrics.
        control_port: The control plane's metrics.
        gateways: The gateways, behind HAProxy.
    """

    host: str
    ocpp_port: int
    http_port: int
    postgres_port: int
    redis_port: int
    haproxy_port: int
    worker_port: int
    control_port: int
    gateways: tuple[Gateway, ...]

    @property
    def ocpp_url(self) -> str:
        """Where stations connect, without their id."""
        return f"ws://{self._authority(self.ocpp_port)}/ocpp"

    @property
    def http_url(self) -> str:
        """Where the control plane answers."""
        return f"http://{self._authority(self.http_port)}"

    @property
    def gateway_urls(self) -> dict[str, str]:
        """Where each gateway takes connections, past the load balancer."""
        return {
            gateway.name: f"ws://{LOOPBACK}:{gateway.ocpp_port}/ocpp" for gateway in self.gateways
        }

    @property
    def management_urls(self) -> dict[str, str]:
        """Where each process answers `/metrics` and `/readyz`."""
        ports = {
            "haproxy": self.haproxy_port,
            **{gateway.name: gateway.management_port for gateway in self.gateways},
            "worker": self.worker_port,
            "control": self.control_port,
        }
        return {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()}

    def _authority(self, port: int) -> str:
        # A server that listens everywhere is reached here on the loopback address.
        host = _ANY_HOST.get(self.host, self.host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def choose_layout(
    data: DataDirectory, *, host: str, ocpp_port: int, http_port: int, gateway_count: int
) -> Layout:
    """Give every server a port, Postgres the one it had at the last start if that is free.

    Args:
        data: Remembers Postgres's port.
        host: The address that stations and API clients connect to.
        ocpp_port: As asked for by the user; 0 picks a free one.
        http_port: Likewise.
        gateway_count: How many gateways there are.

    Raises:
        UpError: A port the user asked for is taken.
    """
    if ocpp_port and ocpp_port == http_port:
        raise UpError(
            f"--ocpp-port and --http-port are both {ocpp_port}: give them different ports."
        )
    # Asked for first, so that none of the chosen ones is theirs.
    for option, port in (("--ocpp-port", ocpp_port), ("--http-port", http_port)):
        if port and not is_free(port, host):
            raise UpError(
                f"Port {port} on {host} is taken by another program: stop that one, or choose "
                f"another with {option} (0 picks a free one)."
            )
    remembered = data.remembered_port("postgres")
    taken = {port for port in (ocpp_port, http_port, remembered) if port}
    free = iter(free_ports(7 + 2 * gateway_count, host, excluded=taken))
    postgres_port = remembered if remembered and is_free(remembered) else next(free)
    data.remember_port("postgres", postgres_port)
    return Layout(
        host=host,
        ocpp_port=ocpp_port or next(free),
        http_port=http_port or next(free),
        postgres_port=postgres_port,
        redis_port=next(free),
        haproxy_port=next(free),
        worker_port=next(free),
        control_port=next(free),
        gateways=tuple(
            Gateway(name=f"gateway-{number}", ocpp_port=next(free), management_port=next(free))
            for number in range(1, gateway_count + 1)
        ),
    )
