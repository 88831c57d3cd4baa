"""`python -m loadtest.locust`: the load test, against the `voltaro up` of this checkout.

Takes locust's options and those of the load test. What they leave open is taken from the
environment, and then from a running `voltaro up`. Everything listens on the loopback address unless
told otherwise.
"""

import json
import os
import sys
from pathlib import Path

# First of all that is not in the standard library: it makes blocking calls cooperative.
from locust.main import main as locust_main

_STATE = Path(".voltaro/up.json")
_FROM_STATE = {
    "LOCUST_HOST": "ocpp_url",
    "VOLTARO_LOAD_API_URL": "http_url",
    "VOLTARO_LOAD_API_KEY": "api_key",
    "VOLTARO_DATABASE_URL": "database_url",
}
_METRICS = "VOLTARO_LOAD_METRICS_URL"
_DEFAULTS = {"LOCUST_WEB_HOST": "127.0.0.1", "LOCUST_MASTER_BIND_HOST": "127.0.0.1"}


def main() -> None:
    """Run locust with our locustfile."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    # A cluster whose address was given is another one, so nothing of ours belongs to it.
    if not {"-H", "--host"} & {each.partition("=")[0] for each in sys.argv}:
        _take_from_running_cluster()
    locustfile = str(Path(__file__).with_name("locustfile.py"))
    sys.argv[:1] = ["loadtest.locust", "-f", locustfile]
    locust_main()


def _take_from_running_cluster() -> None:
    try:
        state = json.loads(_STATE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    if "LOCUST_HOST" in os.environ:
        return
    for name, key in _FROM_STATE.items():
        os.environ.setdefault(name, state[key])
    # HAProxy's metrics do not tell its memory.
    urls = [url for name, url in state["management_urls"].items() if name != "haproxy"]
    os.environ.setdefault(_METRICS, f"[{','.join(urls)}]")


if __name__ == "__main__":
    main()
