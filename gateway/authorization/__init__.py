"""Who may charge: from the database and what is remembered of it, or from an external HTTP API."""

from gateway.authorization.database import DatabaseAuthorizer
from gateway.authorization.external import ExternalAuthorizer, external_api
from gateway.authorization.log import DecisionLog
from gateway.authorization.tokens import Tokens

__all__ = ["DatabaseAuthorizer", "DecisionLog", "ExternalAuthorizer", "Tokens", "external_api"]
