"""Problem details as the OpenAPI document has them (RFC 9457)."""

from pydantic import BaseModel, ConfigDict, Field

ERRORS_MAX = 20
"""A person mends twenty fields and asks again; a list of them is 9 kB at most, mostly 2."""


class InvalidField(BaseModel):
    """One part of a request that cannot be."""

    location: str = Field(description="`body`, `query`, `path` or `header`")
    field: str = Field(description="name of the field, with dots where it is nested")
    detail: str = Field(description="what is wrong with it")


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:voltaro:problem:not-found",
                    "title": "There is no such thing",
                    "status": 404,
                    "code": "station_not_found",
                    "detail": "there is no station 'CS-0042'",
                    "request_id": "5c1f1d6e-3a51-4a52-9a6d-1d3c1e0f7a10",
                }
            ]
        }
    )

    type: str = Field(description="kind of problem; the same kind always has the same name")
    title: str = Field(description="the kind of problem in words")
    status: int = Field(description="HTTP status of this answer")
    code: str = Field(
        pattern="^[a-z0-9_]+$",
        description="what it is, for programs: each operation lists its codes, a code keeps its "
        "meaning, and there may be new ones",
    )
    detail: str = Field(description="what happened, to what, and what to do")
    request_id: str | None = Field(
        default=None, description="of the request, as X-Request-ID and the server's log tell it"
    )
    errors: list[InvalidField] | None = Field(
        default=None,
        max_length=ERRORS_MAX,
        description="with `invalid-input`: the fields that are wrong, or the first of many",
    )
