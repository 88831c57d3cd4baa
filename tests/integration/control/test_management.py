"""What Kubernetes and Prometheus are answered."""

import re

import structlog

from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, running
from tests.support.http import http_client
from tests.support.relay import relay


async def test_health_readiness_and_metrics_need_no_key(api: Api) -> None:
    assert (await api.management.get("/healthz")).status_code == 200
    ready = await api.management.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "dependencies": {"postgres": "ok", "redis": "ok"}}
    metrics = await api.management.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=")


async def test_the_port_of_the_api_tells_strangers_only_that_it_lives(api: Api) -> None:
    async with http_client(base_url=api.url) as stranger:
        assert (await stranger.get("/healthz")).json() == {"status": "ok"}
        for path in ("/metrics", "/readyz"):
            assert (await stranger.get(path)).status_code == 404
            assert (await api.client.get(path)).status_code == 404
    assert (await api.management.get("/v1/stations")).status_code == 404


async def test_without_postgres_the_api_is_alive_but_not_ready(
    make_settings: MakeSettings, database_url: str
) -> None:
    async with relay(database_url) as wire, running(make_settings(database_url=wire.url)) as api:
        await wire.cut()
        with structlog.testing.capture_logs():
            assert (await api.client.get("/healthz")).status_code == 200
            assert (await api.management.get("/healthz")).status_code == 200
            ready = await api.management.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["dependencies"] == {"postgres": "away", "redis": "ok"}
        await wire.mend()
        assert (await api.management.get("/readyz")).status_code == 200


async def test_requests_are_counted_by_their_routes_template(
    api: Api,
) -> None:
    await api.client.get("/v1/stations/CS-4711")
    await api.client.get("/v1/no/such/path")
    await api.client.request("BREW", "/v1/stations")
    page = (await api.management.get("/metrics")).text
    name = "voltaro_control_http_requests_total"
    assert f'{name}{{method="GET",route="/v1/stations/{{station_id}}",status="404"}}' in page
    assert f'{name}{{method="GET",route="(none)",status="404"}}' in page
    assert f'{name}{{method="other",route="/v1/stations",status="405"}}' in page
    assert "CS-4711" not in page
    assert "no/such/path" not in page
    assert (
        'voltaro_control_http_request_seconds_count{method="GET",route="/v1/stations/{station_id}"}'
        in page
    )


async def test_the_openapi_document_and_its_page_need_no_key(api: Api) -> None:
    async with http_client(base_url=api.url) as stranger:
        document = (await stranger.get("/openapi.json")).json()
        assert "/v1/stations" in document["paths"]
        assert not [path for path in document["paths"] if not path.startswith("/v1/")]
        assert (await stranger.get("/docs")).status_code == 200


async def test_the_page_of_the_document_needs_nothing_from_another_host(api: Api) -> None:
    async with http_client(base_url=api.url) as browser:
        page = await browser.get("/docs")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "<script>" not in page.text
        assert " style=" not in page.text
        references = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(references) == 4
        for reference in references:
            address = page.url.join(reference)
            assert address.host == page.url.host
            asset = await browser.get(address)
            assert asset.status_code == 200
            assert asset.headers["x-content-type-options"] == "nosniff"
            if reference.endswith(".css"):
                others = re.findall(rb"url\(([^)]{1,20})", asset.content)
                assert others
                assert all(each.strip(b"\"'").startswith(b"data:") for each in others)
                assert b"@import" not in asset.content
        start = (await browser.get("/docs/start.js")).text
        assert "http" not in start
        assert "validatorUrl: null" in start
