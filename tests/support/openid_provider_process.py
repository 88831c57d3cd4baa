"""A real OpenID provider, Django OAuth Toolkit, on loopback: the process `openid_provider.py` runs.

Reads what it shall be from the first line of stdin, and the keys that it shall sign with from each
further one; says "ready" to each, and ends when stdin does. What it knows stands in memory.
"""

import json
import sys
import threading
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

HOST = "127.0.0.1"
_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "oauth2_provider",
]
# Where Django looks for addresses: this module. Known once Django is set up.
urlpatterns: list[Any] = []


def main() -> None:
    """Serve until stdin ends."""
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    settings.configure(
        SECRET_KEY=plan["secret_key"],
        ALLOWED_HOSTS=[HOST],
        ROOT_URLCONF=__name__,
        LOGIN_URL="/login/",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=_APPS,
        # Tables are made as they are now, at a tenth of what it takes to follow their history.
        MIGRATION_MODULES={name.rpartition(".")[2]: None for name in _APPS},
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "context_processors": ["django.template.context_processors.request"],
                    "loaders": [
                        (
                            "django.template.loaders.locmem.Loader",
                            {"login.html": "<form method=post>{% csrf_token %}{{ form }}</form>"},
                        )
                    ],
                },
            }
        ],
        OAUTH2_PROVIDER=_keys(plan)
        | {
            "OIDC_ENABLED": True,
            "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
            "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
            "SCOPES": {"openid": "", "profile": "", "email": "", "groups": ""},
            "OAUTH2_VALIDATOR_CLASS": _with_groups,
        },
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    _fill(plan)
    from django.contrib.auth.views import LoginView  # noqa: PLC0415 - stands on the settings

    urlpatterns.extend(
        [
            path("login/", LoginView.as_view(template_name="login.html")),
            path("", include("oauth2_provider.urls", namespace="oauth2_provider")),
        ]
    )
    # One thread: a database in memory belongs to its connection.
    server = make_server(HOST, plan["port"], get_wsgi_application(), handler_class=_Silent)
    threading.Thread(target=_follow_stdin, args=(server.shutdown,), daemon=True).start()
    _say_ready()
    server.serve_forever(poll_interval=0.05)


def _follow_stdin(shutdown: Callable[[], None]) -> None:
    from oauth2_provider.settings import oauth2_settings  # noqa: PLC0415 - likewise

    for line in sys.stdin:
        settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | _keys(json.loads(line))
        oauth2_settings.reload()
        _say_ready()
    shutdown()


def _say_ready() -> None:
    print("ready", flush=True)  # noqa: T201 - who asked waits for this line


def _keys(plan: dict[str, Any]) -> dict[str, Any]:
    return {
        "OIDC_RSA_PRIVATE_KEY": plan["signing_key"],
        "OIDC_RSA_PRIVATE_KEYS_INACTIVE": plan["former_keys"],
    }


def _with_groups() -> Any:
    """Return what tells claims: Django OAuth Toolkit leaves it to each installation."""
    from oauth2_provider.oauth2_validators import OAuth2Validator  # noqa: PLC0415 - likewise

    class Validator(OAuth2Validator):  # type: ignore[misc]  # it has no types
        oidc_claim_scope = OAuth2Validator.oidc_claim_scope | {"groups": "groups"}

        def get_additional_claims(self, request: Any) -> dict[str, Any]:
            user = request.user
            return {
                "name": user.get_full_name(),
                "preferred_username": user.username,
                "email": user.email,
                "email_verified": True,
                "groups": list(user.groups.values_list("name", flat=True)),
            }

    return Validator()


def _fill(plan: dict[str, Any]) -> None:
    from django.contrib.auth.models import Group, User  # noqa: PLC0415 - likewise
    from oauth2_provider.models import Application  # noqa: PLC0415 - likewise

    for each in plan["users"]:
        user = User.objects.create_user(
            each["name"],
            email=f"{each['name']}@example.com",
            password=each["password"],
            first_name=each["name"].title(),
            last_name="Example",
        )
        user.groups.set(Group.objects.get_or_create(name=name)[0] for name in each["groups"])
    Application.objects.create(
        client_id=plan["client_id"],
        client_secret=plan["client_secret"],
        name="Voltaro",
        client_type="confidential",
        authorization_grant_type="authorization-code",
        redirect_uris=plan["redirect_url"],
        post_logout_redirect_uris=plan["logged_out_url"],
        algorithm="RS256",
        skip_authorization=True,
    )


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    main()
