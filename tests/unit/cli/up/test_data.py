import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.up.data import Credentials, open_data_directory
from cli.up.errors import UpError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def made(path: Path) -> Path:
    """A data directory as an earlier start left it."""
    with open_data_directory(path, reset=False) as data:
        data.credentials()
        (path / "postgres").mkdir()
        (path / "postgres" / "PG_VERSION").write_text("18\n", encoding="ascii")
    return path


class TestOpening:
    def test_a_new_directory_is_made_with_its_parents(self, tmp_path: Path) -> None:
        with open_data_directory(tmp_path / "a" / "b", reset=False) as data:
            assert data.logs.is_dir()

    def test_an_empty_directory_becomes_ours(self, path: Path) -> None:
        path.mkdir()
        with open_data_directory(path, reset=False):
            pass
        with open_data_directory(path, reset=False):
            pass

    def test_a_directory_with_other_files_is_refused_and_left_alone(self, path: Path) -> None:
        path.mkdir()
        (path / "thesis.txt").touch()
        with (
            pytest.raises(UpError, match=r"not made by `voltaro up` \(it holds thesis\.txt\)"),
            open_data_directory(path, reset=True),
        ):
            pass
        assert [entry.name for entry in path.iterdir()] == ["thesis.txt"]

    def test_a_file_is_refused(self, path: Path) -> None:
        path.touch()
        with (
            pytest.raises(UpError, match=r"is not a directory: choose another one with --data"),
            open_data_directory(path, reset=False),
        ):
            pass

    def test_what_cannot_be_written_is_refused(self) -> None:
        # Not even root can make a directory there.
        with (
            pytest.raises(UpError, match=r"/proc/voltaro cannot be used: .* with --data"),
            open_data_directory(Path("/proc/voltaro"), reset=False),
        ):
            pass

    def test_a_directory_of_another_version_is_refused(self, made: Path) -> None:
        (made / "voltaro-data").write_text("2\n", encoding="ascii")
        with (
            pytest.raises(UpError, match="made by another version of Voltaro"),
            open_data_directory(made, reset=True),
        ):
            pass

    def test_a_directory_in_use_is_refused_with_the_pid(self, made: Path) -> None:
        with (
            open_data_directory(made, reset=False),
            pytest.raises(UpError, match=rf"Another `voltaro up` \(pid {os.getpid()}\)"),
            open_data_directory(made, reset=False),
        ):
            pass

    def test_the_lock_ends_with_its_process(self, made: Path) -> None:
        script = (
            "import pathlib, sys; from cli.up.data import open_data_directory\n"
            "with open_data_directory(pathlib.Path(sys.argv[1]), reset=False):\n"
            "    print('locked', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            (sys.executable, "-c", script, str(made)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"locked\n"
            with (made / "lock").open("a") as lock, pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            other.kill()
            other.wait()
            with open_data_directory(made, reset=False):
                pass

    def test_reset_removes_everything_but_the_claim(self, made: Path) -> None:
        with open_data_directory(made, reset=True) as data:
            names = {entry.name for entry in data.path.iterdir()}
        assert names == {"voltaro-data", "lock", "logs"}

    def test_reset_does_not_follow_links(self, made: Path, tmp_path: Path) -> None:
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious" / "file").touch()
        (made / "link").symlink_to(tmp_path / "precious")
        with open_data_directory(made, reset=True):
            pass
        assert (tmp_path / "precious" / "file").exists()

    def test_the_pid_file_of_a_dead_postgres_is_removed(self, made: Path) -> None:
        # The pid is alive, but another program's by now: Postgres itself would refuse to start.
        (made / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
        with open_data_directory(made, reset=False):
            assert not (made / "postgres" / "postmaster.pid").exists()


class TestCredentials:
    def test_they_stay_the_same(self, made: Path) -> None:
        with open_data_directory(made, reset=False) as data:
            first = data.credentials()
        with open_data_directory(made, reset=False) as data:
            assert data.credentials() == first

    def test_they_are_different_everywhere(self) -> None:
        values = [*vars(Credentials.random()).values(), *vars(Credentials.random()).values()]
        assert len(set(values)) == len(values)

    def test_only_the_owner_reads_them(self, made: Path) -> None:
        assert (made / "credentials.json").stat().st_mode & 0o777 == 0o600

    def test_a_credential_of_a_later_version_is_made_and_kept(self, made: Path) -> None:
        with open_data_directory(made, reset=False) as data:
            first = data.credentials()
            file = made / "credentials.json"
            content = json.loads(file.read_text(encoding="utf-8"))
            del content["files_signing_key"]
            file.write_text(json.dumps(content), encoding="utf-8")
            second = data.credentials()
            assert second.api_key == first.api_key
            assert second.files_signing_key != first.files_signing_key
            assert data.credentials() == second
            assert file.stat().st_mode & 0o777 == 0o600

    def test_losing_them_is_said(self, made: Path) -> None:
        (made / "credentials.json").unlink()
        with (
            open_data_directory(made, reset=False) as data,
            pytest.raises(UpError, match=r"credentials\.json is gone.*--reset"),
        ):
            data.credentials()

    @pytest.mark.parametrize("content", ["", "[]", json.dumps({"api_key": "x"})])
    def test_damage_is_said(self, made: Path, content: str) -> None:
        (made / "credentials.json").write_text(content, encoding="utf-8")
        with (
            open_data_directory(made, reset=False) as data,
            pytest.raises(UpError, match=r"credentials\.json is damaged.*--reset"),
        ):
            data.credentials()


class TestPostgres:
    def test_none_yet_is_fine(self, path: Path) -> None:
        with open_data_directory(path, reset=False) as data:
            data.check_postgres()

    def test_another_major_version_is_refused(self, made: Path) -> None:
        (made / "postgres" / "PG_VERSION").write_text("17\n", encoding="ascii")
        with (
            open_data_directory(made, reset=False) as data,
            pytest.raises(UpError, match=r"written by Postgres 17, and this is Postgres 18"),
        ):
            data.check_postgres()

    def test_a_directory_that_is_no_database_is_refused(self, made: Path) -> None:
        (made / "postgres" / "PG_VERSION").unlink()
        with (
            open_data_directory(made, reset=False) as data,
            pytest.raises(UpError, match="not a whole database"),
        ):
            data.check_postgres()

    def test_another_users_database_is_refused(
        self, made: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 4_294_967)
        with (
            open_data_directory(made, reset=False) as data,
            pytest.raises(UpError, match=r"belongs to the user with uid"),
        ):
            data.check_postgres()


def test_state_is_replaced_whole_and_private(path: Path) -> None:
    with open_data_directory(path, reset=False) as data:
        data.write_state({"pids": {"redis": 1}})
        data.write_state({"pids": {"redis": 2}})
        file = path / "up.json"
        assert json.loads(file.read_text(encoding="utf-8")) == {"pids": {"redis": 2}}
        assert file.stat().st_mode & 0o777 == 0o600
        data.remove_state()
        assert not file.exists()
