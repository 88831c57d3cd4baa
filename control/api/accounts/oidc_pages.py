"""What people see in their browser when a provider did not log them in."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from control.problems import ProblemType, problem_response

NO_STORE = {"Cache-Control": "no-store"}
_HEADERS = {
    **NO_STORE,
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# The address is relative, so that the page also works behind a proxy that adds a path.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
<p>{detail}</p>
<p><a href="login">Log in again</a></p>
</body>
</html>
"""


def refusal(request: Request, problem: ProblemType, detail: str) -> Response:
    """Return the answer for a problem: a page to a browser, problem details to all others.

    Args:
        request: that is refused; browsers say in it that they take pages.
        problem: which kind.
        detail: what happened, to what, and what to do.
    """
    challenge = {"WWW-Authenticate": 'Bearer realm="voltaro"'} if problem.status == 401 else {}  # noqa: PLR2004
    if "text/html" not in request.headers.get("accept", ""):
        return problem_response(problem, detail, headers={**NO_STORE, **challenge})
    page = _PAGE.format(title=escape(problem.title), detail=escape(detail))
    return HTMLResponse(page, status_code=problem.status, headers={**_HEADERS, **challenge})
