"""The schema of the job queue, made by procrastinate's own scripts.

The package keeps every script that it ever had, in an order that their names give, so that a
migration of ours names the last one that it runs: a database that is made anew and one that has
grown with us come to the same schema, whatever version is installed. Scripts named `pre` come with
the version that needs them, scripts named `post` when no process of the version before is left:
they belong into the next release of ours.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from alembic import op


def scripts(*, after: str = "", up_to: str) -> tuple[str, ...]:
    """Return the text of procrastinate's scripts, in their order.

    Args:
        after: the name of the last one that was run before, without its suffix.
        up_to: the name of the last one to run.

    Raises:
        RuntimeError: the package has no script of that name.
    """
    names = sorted(path.stem for path in _folder().glob("*.sql"))
    if up_to not in names:
        raise RuntimeError(
            f"the installed procrastinate has no script {up_to}: install a later one"
        )
    return tuple(
        (_folder() / f"{name}.sql").read_text(encoding="utf-8")
        for name in names
        if after < name <= up_to
    )


def newest() -> str:
    """Return the name of the last script that the installed package has."""
    return max(path.stem for path in _folder().glob("*.sql"))


def execute(texts: tuple[str, ...]) -> None:
    """Run scripts of many statements each, in the transaction of the migration."""
    adapted = cast("Any", op.get_bind().connection.dbapi_connection)
    for text in texts:
        # SQLAlchemy prepares what it runs, and Postgres prepares one statement at a time.
        adapted.run_async(lambda driver, script=text: driver.execute(script))


def _folder() -> Path:
    spec = find_spec("procrastinate")  # found and not imported: that would load its driver
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("procrastinate is not installed, whose schema the job queue is")
    return Path(spec.submodule_search_locations[0]) / "sql" / "migrations"
