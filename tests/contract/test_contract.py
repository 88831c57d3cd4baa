"""schemathesis holds the running API against its document, whoever asks, and without a key.

`make test` sends a few requests to each operation. `make contract` sends many, takes minutes, and
prints what was sent.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.contract.principals import PRINCIPALS, headers_of
from tests.contract.report import Report, read_report
from tests.integration.control.players import API_KEY, DOCUMENT, Api

LONG = os.environ.get("VOLTARO_TEST_CONTRACT") == "long"


async def checked(api: Api, folder: Path, *options: str, headers: Sequence[str] = ()) -> Report:
    """Have schemathesis send what it finds to try, and return what came of it."""
    document, report = folder / "openapi.json", folder / "report.ndjson"
    document.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        str(document),
        f"--url={api.url}",
        *(part for header in headers for part in ("--header", header)),
        "--report=ndjson",
        f"--report-ndjson-path={report}",
        "--checks=all",
        "--seed=1",
        "--generation-database=none",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--request-timeout=20",
        # An answer without an end, which tests/integration/control/notices holds to its form.
        "--exclude-path=/v1/events/stream",
        *options,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode in {0, 1}, output.decode()
    return read_report(report, output.decode())


@pytest.mark.timeout(3600 if LONG else 300)
async def test_with_a_key_every_answer_is_in_the_document(api: Api, tmp_path: Path) -> None:
    amount = ("--phases=examples,coverage,fuzzing", "--max-examples=10") if LONG else (
        "--phases=examples,fuzzing", "--max-examples=1", "--mode=positive")  # fmt: skip
    report = await checked(api, tmp_path, *amount, headers=[f"Authorization: Bearer {API_KEY}"])
    print(report.table("with the root key"))  # noqa: T201 - what `make contract` is asked for
    assert not report.failures, "\n\n".join(report.failures)


@pytest.mark.timeout(3600 if LONG else 300)
@pytest.mark.parametrize("who", PRINCIPALS if LONG else PRINCIPALS[-1:])
async def test_whoever_asks_every_answer_is_in_the_document(
    api: Api, tmp_path: Path, who: str
) -> None:
    headers = await headers_of(api, who)
    amount = ("--phases=examples,fuzzing", "--max-examples=2") if LONG else (
        "--phases=examples", "--mode=positive")  # fmt: skip
    report = await checked(
        api,
        tmp_path,
        *amount,
        headers=[f"{name}: {value}" for name, value in headers.items()],
    )
    print(report.table(f"as {who}"))  # noqa: T201 - as above
    assert not report.failures, "\n\n".join(report.failures)
    # Some requests leave the key out, to see that it is missed.
    assert report.statuses[401] < sum(report.statuses.values()) / 2
    assert report.statuses[200] > 0


@pytest.mark.timeout(3600 if LONG else 300)
async def test_without_a_key_nothing_is_said_but_that(api: Api, tmp_path: Path) -> None:
    amount = ("--phases=examples,fuzzing", "--max-examples=10") if LONG else ("--phases=examples",)
    report = await checked(api, tmp_path, *amount)
    print(report.table("without a key"))  # noqa: T201 - as above
    assert not report.failures, "\n\n".join(report.failures)
    # Setting a password by a link, and signing in at a provider, are for who has no key.
    assert set(report.statuses) <= {401, 404, 409}
    assert report.statuses[401] > sum(report.statuses.values()) / 2
