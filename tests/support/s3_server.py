"""A real S3-compatible server: SeaweedFS, whose binary comes from the package registry."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import obstore.store
from obstore.exceptions import BaseError

from cli.up.ports import free_ports

BUCKET = "voltaro"
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class S3Server:
    url: str
    access_key_id: str
    secret_access_key: str


def _binary() -> str | None:
    beside_python = Path(sys.executable).with_name("weed")
    return str(beside_python) if beside_python.exists() else shutil.which("weed")


def has_s3_server() -> bool:
    """Tell whether the binary is installed."""
    return _binary() is not None


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """Run a server with an empty bucket on free ports of the loopback address."""
    binary = _binary()
    assert binary is not None
    # Each service also takes its port plus 10,000 for gRPC unless told otherwise.
    ports = free_ports(8)
    server = S3Server(f"http://127.0.0.1:{ports[0]}", "an-access-key", "a-secret-key")
    credentials = {"accessKey": server.access_key_id, "secretKey": server.secret_access_key}
    config = folder / "s3.json"
    config.write_text(
        json.dumps(
            {"identities": [{"name": "t", "credentials": [credentials], "actions": ["Admin"]}]}
        )
    )
    names = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc")
    names += ("volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
    argv = [binary, "-logtostderr", "server", f"-dir={folder}", "-ip=127.0.0.1"]
    argv += ["-ip.bind=127.0.0.1", "-s3", f"-s3.config={config}", "-volume.max=20"]
    argv += ["-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
    argv += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    argv += [f"-{name}.localSocket={folder}/{name}.sock" for name in ("s3", "filer")]
    argv += [f"-{name}={port}" for name, port in zip(names, ports, strict=True)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        _make_bucket(server)
        yield server
    finally:
        process.kill()  # an orderly end takes 20 s, and nothing of it is kept
        process.wait()


def _make_bucket(server: S3Server) -> None:
    """Put an object, which makes SeaweedFS make its bucket, until that works."""
    store = obstore.store.S3Store(
        BUCKET,
        endpoint=server.url,
        region="us-east-1",
        access_key_id=server.access_key_id,
        secret_access_key=server.secret_access_key,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            store.put("ready", b"yes")
        except (BaseError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
