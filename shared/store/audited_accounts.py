"""What the audit log shows of organizations and of those who use the API."""

from shared.store.audited import ITS_OWN_TIMES, TIMES, Audited, each

ACCOUNTS: dict[str, Audited] = {
    "organizations": Audited(
        resource="organizations",
        key=("organization_id",),
        shown=("organization_id", "parent_id", "name"),
        left_out=TIMES,
    ),
    "api_keys": Audited(
        resource="api-keys",
        key=("api_key_id",),
        shown=("organization_id", "name", "prefix", "scopes", "expires_at"),
        secret=("key_hash",),
        left_out={
            **TIMES,
            "api_key_id": "is the entry's resource_id",
            "last_used_at": "is no change of the key",
            "created_by": "the entry tells who",
            "created_by_user_id": "the entry tells who",
        },
    ),
    "users": Audited(
        resource="users",
        key=("user_id",),
        shown=(
            *("organization_id", "email", "name", "role", "disabled", "totp_confirmed"),
            *("oidc_issuer", "oidc_subject"),
        ),
        secret=("password_hash", "totp_secret", "recovery_code_hashes"),
        left_out={
            **TIMES,
            "user_id": "is the entry's resource_id",
            "email_key": "is the address as it is looked for",
            "totp_last_step": "is no change of the user",
            "last_login_at": "is no change of the user",
        },
    ),
    "user_sessions": Audited(
        resource="user-sessions",
        key=("user_session_id",),
        shown=("user_id", "organization_id", "address", "user_agent", "expires_at"),
        secret=("token_hash",),
        left_out={
            "user_session_id": "is the entry's resource_id",
            "created_at": ITS_OWN_TIMES,
            "last_used_at": "is no change of the session",
            "oidc_session_id": "is what the provider calls it",
            "oidc_id_token": "is a token, and never changed",
        },
    ),
    # Of a link its token alone is a secret; that one was made is told of the user it is for.
    "account_links": Audited(
        resource="account-links",
        key=("account_link_id",),
        shown=("user_id", "organization_id", "purpose", "expires_at"),
        secret=("token_hash",),
        left_out={
            "account_link_id": "is the entry's resource_id",
            "created_at": ITS_OWN_TIMES,
            **each("is how its mail goes on", "mail_at mail_failures mail_error mailed_at"),
        },
    ),
}
"""By table."""
