"""Migrations run while the code before them still does, so they only add, and lock nobody out.

A pod of the version before reads and writes through a migration and after it. So nothing that it
knows may go, be renamed or become stricter, and no statement may hold a lock for as long as it
takes to read a big table. An exception needs its reason here.
"""

import hashlib
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from shared.store.migrations import queue_scripts
from shared.store.schema import newest_revision

VERSIONS = Path(__file__).parents[2] / "shared/store/migrations/versions"
SPINE = "0001_spine"

# Rows here grow with what stations say. Building an index locks out who writes until it is done.
BIG_TABLES = frozenset({"sessions", "meter_values", "commands", "ocpp_log", "dead_letters"})

REASONS = {
    # Every version up to 0009 came before the first release: no fleet has run without them, so
    # their tables were empty.
    **dict.fromkeys(
        (
            "sessions_unsettled",
            "sessions_to_review",
            "sessions_by_evse",
            "sessions_without_end",
            "sessions_open_by_token",
            "sessions_of_reservations",
            "dead_letters_by_station",
            "dead_letters_of_sessions",
            "dead_letters_stray",
            "security_event_id",
        ),
        "before the first release",
    ),
    "commands_of_batches": "partial: no row has a batch yet, so it is one quick pass",
    "dead_letters_refused": "partial: no row is of that kind yet; one quick pass",
    "dead_letters_to_replay": "partial: no row is to be replayed yet; one quick pass",
    "dead_letters_to_deliver": "partial: no row has anything to deliver yet; one quick pass",
    "commands_queued": "partial: few commands are queued at a time; one quick pass",
    "commands_to_route": "partial: few commands are queued at a time; one quick pass",
    "commands_unrouted": "partial: few commands are queued at a time; one quick pass",
    "sessions_beside_others": "partial: no row has such a transaction yet; one quick pass",
    "stations_by_certificate_serial_number": "older code leaves the column empty",
    "users_by_oidc_subject": "older code leaves the columns empty",
}
"""Why an index or a column may be added against the rules, by its name."""

FORBIDDEN = {
    "takes away what older code uses": re.compile(
        r"\bDROP\s+(TABLE|COLUMN|TYPE|FUNCTION|TRIGGER|INDEX|VIEW|SEQUENCE|CONSTRAINT)\b"
    ),
    "renames what older code uses": re.compile(r"\bRENAME\b"),
    "changes a type, and writes the table anew": re.compile(
        r"\bALTER\s+COLUMN\s+\w+\s+(SET\s+DATA\s+)?TYPE\b"
    ),
    "makes stricter what older code writes": re.compile(
        r"\bSET\s+NOT\s+NULL\b|\bADD\s+(CONSTRAINT\s+\w+\s+)?(CHECK|UNIQUE|FOREIGN|PRIMARY|EXCLUDE)\b"
    ),
    "takes away a default that older code counts on": re.compile(r"\bDROP\s+DEFAULT\b"),
    "locks out everybody": re.compile(
        r"\bLOCK\s+TABLE\b|(?:^|;)\s*TRUNCATE\b|\bVACUUM\s+FULL\b|\bCLUSTER\b"
    ),
}
_FUNCTION_BODY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_CREATED_TABLE = re.compile(r"\bCREATE\s+TABLE\s+(\w+)", re.IGNORECASE)
_ADDED_COLUMN = re.compile(r"\bADD\s+COLUMN\s+(\w+)([^,]*(?:\([^)]*\)[^,]*)*)", re.IGNORECASE)
_DIFFERS_PER_ROW = re.compile(
    r"\b(RANDOM|CLOCK_TIMESTAMP|NEXTVAL|UUIDV7|GEN_RANDOM_UUID)\(|\bGENERATED\b"
)
_INDEX = re.compile(r"\bCREATE\s+(UNIQUE\s+)?INDEX\s+(\w+)\s+ON\s+(\w+)", re.IGNORECASE)


def problems(statements: tuple[str, ...]) -> Iterator[str]:
    """Say what is wrong with a migration; tables that it makes itself are its own affair."""
    made: set[str] = set()
    for statement in statements:
        text = _FUNCTION_BODY.sub("", statement)
        made.update(_CREATED_TABLE.findall(text))
        for why, pattern in FORBIDDEN.items():
            if found := pattern.search(text.upper()):
                yield f"{found.group(0)!r} {why}"
        yield from _column_problems(text)
        yield from _index_problems(text, made)


def _column_problems(text: str) -> Iterator[str]:
    for name, definition in _ADDED_COLUMN.findall(text):
        words = definition.upper()
        if "NOT NULL" in words and "DEFAULT" not in words:
            yield f"column {name} is NOT NULL without a default, and older code leaves it out"
        if _DIFFERS_PER_ROW.search(words) and name not in REASONS:
            yield f"column {name} has a default that differs per row: the table is written anew"


def _index_problems(text: str, made: set[str]) -> Iterator[str]:
    for unique, name, table in _INDEX.findall(text):
        if table in made or name in REASONS:
            continue
        if unique:
            yield f"index {name} makes {table} stricter than older code knows"
        if table in BIG_TABLES:
            yield f"index {name} locks out who writes {table} while it is built"


def statements_of(name: str) -> tuple[str, ...]:
    statements = import_module(f"shared.store.migrations.versions.{name}").STATEMENTS
    assert isinstance(statements, tuple)
    return statements


NAMES = sorted(path.stem for path in VERSIONS.glob("[0-9]*.py"))


@pytest.mark.parametrize("name", [name for name in NAMES if name != SPINE])
def test_a_migration_is_safe_while_older_code_runs(name: str) -> None:
    assert list(problems(statements_of(name))) == []


def test_migrations_follow_one_another() -> None:
    before = None
    for name in NAMES:
        module = import_module(f"shared.store.migrations.versions.{name}")
        assert module.revision == name[:4]
        assert module.down_revision == before
        before = module.revision


def test_no_reason_is_left_over() -> None:
    statements = [statement for name in NAMES for statement in statements_of(name)]
    made = {index for each in statements for _, index, _ in _INDEX.findall(each)}
    made |= {column for each in statements for column, _ in _ADDED_COLUMN.findall(each)}
    assert REASONS.keys() <= made


def test_the_newest_migration_is_known_by_the_number_of_its_file() -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    assert ScriptDirectory.from_config(config).get_heads() == [newest_revision()]


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE sessions",
        "ALTER TABLE sessions DROP COLUMN id_token",
        "ALTER TABLE sessions RENAME COLUMN id_token TO token",
        "ALTER TABLE sessions ALTER COLUMN evse_id TYPE bigint",
        "ALTER TABLE sessions ALTER COLUMN evse_id SET DATA TYPE bigint",
        "ALTER TABLE sessions ALTER COLUMN id_token SET NOT NULL",
        "ALTER TABLE sessions ADD CONSTRAINT short CHECK (length(id_token) < 20)",
        "ALTER TABLE sessions ADD COLUMN note text NOT NULL",
        "ALTER TABLE sessions ADD COLUMN a text, ADD COLUMN note varchar(20) NOT NULL",
        "ALTER TABLE sessions ADD COLUMN key uuid NOT NULL DEFAULT uuidv7()",
        "CREATE INDEX anew ON sessions (id_token)",
        "CREATE UNIQUE INDEX anew ON stations (name)",
        "LOCK TABLE sessions",
        " TRUNCATE sessions",
    ],
)
def test_what_is_not_safe_is_noticed(statement: str) -> None:
    assert list(problems((statement,)))


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE sessions ADD COLUMN note text, ADD COLUMN n integer NOT NULL DEFAULT 0",
        "CREATE TABLE new (id uuid PRIMARY KEY DEFAULT uuidv7(), name text NOT NULL UNIQUE)",
        "CREATE INDEX anew ON stations (name)",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE t; END $$",
    ],
)
def test_what_is_safe_is_let_through(statement: str) -> None:
    assert list(problems((statement,))) == []


def queue_steps() -> list[tuple[str, str]]:
    """Return behind which of procrastinate's scripts our migrations begin, and where they end."""
    modules = (import_module(f"shared.store.migrations.versions.{name}") for name in NAMES)
    return [module.QUEUE_SCRIPTS for module in modules if hasattr(module, "QUEUE_SCRIPTS")]


def test_the_schema_of_the_queue_is_that_of_the_installed_version() -> None:
    reached = ""
    for after, up_to in queue_steps():
        assert after == reached
        reached = up_to
    assert reached == queue_scripts.newest(), (
        "procrastinate has scripts that no migration runs: those named `pre` belong into a "
        "migration beside the new version, those named `post` into one of the release after it"
    )


def test_scripts_of_the_queue_stay_as_they_were_when_a_migration_ran_them() -> None:
    (_, up_to), *_ = queue_steps()
    text = "".join(queue_scripts.scripts(up_to=up_to))
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "365a817fc5b91914e3de242e8a7c26462f8fe863e4db9b47ccd0055dd22d40cd"
    )


def test_a_script_that_is_not_there_is_named() -> None:
    with pytest.raises(RuntimeError, match=r"99\.00\.00_01_none"):
        queue_scripts.scripts(up_to="99.00.00_01_none")
