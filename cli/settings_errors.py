"""Says what is wrong with the environment in sentences instead of a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from pydantic_settings import BaseSettings

_EXIT_CODE = 2  # as for a wrong option
_SECRET_WORDS = ("url", "key", "secret", "password")


@contextmanager
def explained_settings_errors() -> Iterator[None]:
    """Turn invalid settings into one sentence each on stderr and a non-zero exit.

    Raises:
        typer.Exit: Settings are missing or invalid.
    """
    from pydantic import ValidationError
    from pydantic_settings import BaseSettings, SettingsError

    try:
        yield
    except ValidationError as error:
        settings = _class_named(error.title, BaseSettings)
        if settings is None:
            raise  # data that is wrong, not the environment
        for problem in error.errors(include_url=False):
            print(_sentence(settings, problem), file=sys.stderr)
        raise typer.Exit(_EXIT_CODE) from None
    except SettingsError as error:
        # A list or an object that is not even JSON; the message names the field.
        print(f"The environment cannot be read: {error}.", file=sys.stderr)
        raise typer.Exit(_EXIT_CODE) from None


def _class_named(name: str, base: "type[BaseSettings]") -> "type[BaseSettings] | None":
    for subclass in base.__subclasses__():
        found = subclass if subclass.__name__ == name else _class_named(name, subclass)
        if found is not None:
            return found
    return None


def _sentence(settings: "type[BaseSettings]", problem: "ErrorDetails") -> str:
    if not problem["loc"]:
        return f"{problem['msg']}."  # several settings that do not go together
    field_name = str(problem["loc"][0])
    variable = f"{settings.model_config.get('env_prefix', '')}{field_name}".upper()
    field = settings.model_fields.get(field_name)
    meaning = f" ({field.description})" if field and field.description else ""
    if problem["type"] == "missing":
        return f"{variable} is not set{meaning}: set it in the environment."
    # What looks like a secret is not repeated where logs may keep it.
    secret = any(word in field_name for word in _SECRET_WORDS)
    value = "" if secret else f"={problem['input']}"
    reason = problem["msg"][:1].lower() + problem["msg"][1:]
    return f"{variable}{value} is not valid{meaning}: {reason}."
