"""/set-password: where the link of an invitation leads, before and beside any dashboard.

The token stands behind the # of the address, which no browser sends to a server, and which is taken
out of the address as soon as the page has read it.
"""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

router = APIRouter(prefix="/set-password", include_in_schema=False)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# Addresses are relative, so that the page also works behind a proxy that adds a path.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Set a password: Voltaro</title>
<link rel="stylesheet" href="set-password/page.css">
</head>
<body>
<main>
<h1>Set a password</h1>
<form id="form">
<label for="password">New password, at least 12 characters</label>
<input id="password" type="password" autocomplete="new-password" minlength="12" maxlength="256"
 required autofocus>
<label for="again">Once more</label>
<input id="again" type="password" autocomplete="new-password" required>
<button>Set it</button>
</form>
<p id="told" role="status"></p>
</main>
<script src="set-password/page.js"></script>
</body>
</html>
"""
_STYLE = """body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 }
main { max-width: 24rem; margin: 10vh auto; padding: 0 1rem }
label, input, button { display: block; width: 100%; box-sizing: border-box }
input, button { font: inherit; padding: .5rem; margin: .25rem 0 1rem }
"""
_SCRIPT = """"use strict";
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
const form = document.getElementById("form");
const told = document.getElementById("told");
if (!token) {
  form.hidden = true;
  told.textContent = "This page needs the link of an invitation, whole.";
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = form.password.value;
  if (password !== form.again.value) {
    told.textContent = "The two are not the same.";
    return;
  }
  told.textContent = "…";
  try {
    const response = await fetch("v1/password-links/use", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, password }),
    });
    if (response.ok) {
      form.hidden = true;
      told.textContent = "Done. Sign in with your e-mail address and this password.";
    } else {
      told.textContent = (await response.json()).detail;
    }
  } catch {
    told.textContent = "The server does not answer: try again in a moment.";
  }
});
"""


@router.get("")
async def password_page() -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


@router.get("/page.js")
async def script() -> Response:
    """Return what it does."""
    return Response(_SCRIPT, media_type="text/javascript", headers=_HEADERS)


@router.get("/page.css")
async def style_sheet() -> Response:
    """Return how it looks."""
    return Response(_STYLE, media_type="text/css", headers=_HEADERS)
