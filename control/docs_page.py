"""/docs: the OpenAPI document in Swagger UI, with nothing from another host.

FastAPI's own page loads Swagger UI from a CDN and starts it with a script inside the page. This one
takes the files of a package, whose hashes are pinned with all others, and lets the browser run
nothing else.
"""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

router = APIRouter(prefix="/docs", include_in_schema=False)

_ASSETS = Path(str(files("fastapi_offline") / "static"))
# Pictures inside the style sheet are data: URLs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# Addresses are relative, so that the page also works behind a proxy that adds a path.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Voltaro API</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
# Without a validator: by default the document's address is sent to one of Swagger UI's makers.
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  validatorUrl: null,
});
"""


@router.get("")
async def docs_page() -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


@router.get("/start.js")
async def start_script() -> Response:
    """Return what starts Swagger UI."""
    return Response(_START, media_type="text/javascript", headers=_HEADERS)


@router.get("/swagger-ui.css")
async def style_sheet() -> FileResponse:
    """Return Swagger UI's style sheet."""
    return _asset("swagger-ui.css", "text/css")


@router.get("/swagger-ui-bundle.js")
async def script() -> FileResponse:
    """Return Swagger UI."""
    return _asset("swagger-ui-bundle.js", "text/javascript")


@router.get("/favicon.png")
async def icon() -> FileResponse:
    """Return the picture in the browser's tab."""
    return _asset("favicon.png", "image/png")


def _asset(name: str, media_type: str) -> FileResponse:
    headers = {**_HEADERS, "Cache-Control": "public, max-age=86400"}
    return FileResponse(_ASSETS / name, media_type=media_type, headers=headers)
