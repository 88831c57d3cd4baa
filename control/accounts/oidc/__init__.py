"""Login by an OpenID provider; docs/how-to/oidc.md is its manual."""
