import os
import pwd
import shutil
import signal
from pathlib import Path

import pytest

from cli.up import account as account_module
from cli.up.account import Account, account_of, as_account, may_own, named_account
from cli.up.errors import UpError

NOBODY = Account(uid=65_534, gid=65_534)


@pytest.fixture(autouse=True)
def setpriv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


@pytest.fixture
def open_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A path that everybody reaches, wherever pytest keeps its directories."""
    monkeypatch.setattr(Account, "_reaches", lambda _self, path: "closed" not in path.parts)
    return tmp_path


def bounding_set(monkeypatch: pytest.MonkeyPatch, capabilities: int) -> None:
    status = f"Name:\tpython\nCapBnd:\t{capabilities:016x}\n"
    monkeypatch.setattr(Path, "read_text", lambda _self, **_: status)


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[Path, int]:
    """Who owns what by the changes that root would make; nobody else may make them."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    owners: dict[Path, int] = {}

    def chown(path: Path, uid: int, gid: int, *, follow_symlinks: bool) -> None:
        assert uid == gid
        assert not follow_symlinks
        owners[path] = uid

    monkeypatch.setattr(os, "chown", chown)
    return owners


def test_an_ordinary_user_runs_servers_as_himself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account_of(tmp_path) is None
    assert as_account(None, ["postgres"], [tmp_path], signal.SIGQUIT) == ("postgres",)
    assert may_own(1000)
    assert not may_own(65_534)


def test_root_runs_each_server_as_a_user_without_a_name(
    owners: dict[Path, int], tmp_path: Path
) -> None:
    for name in ("postgres", "redis"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "below" / "file").touch()
        (tmp_path / name / "link").symlink_to("/etc/passwd")
    accounts = [account_of(tmp_path / name) for name in ("postgres", "redis")]
    for account, name in zip(accounts, ("postgres", "redis"), strict=True):
        assert account is not None
        assert may_own(account.uid)
        with pytest.raises(KeyError):
            pwd.getpwuid(account.uid)
        directory = tmp_path / name
        paths = [directory, directory / "below", directory / "below/file", directory / "link"]
        assert [owners[path] for path in paths] == [account.uid] * 4
        assert list(owners)[-1 if name == "redis" else 3] == directory  # the last of all


def test_two_servers_of_one_cluster_are_different_users(
    owners: dict[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del owners
    mine = tmp_path.stat().st_uid
    monkeypatch.setattr(account_module, "_UIDS", range(mine, mine + 1))
    (tmp_path / "redis").mkdir()
    (tmp_path / "haproxy").mkdir()
    kept = account_of(tmp_path / "redis")
    assert kept is not None
    assert kept.uid == mine  # whose it is already
    monkeypatch.setattr(account_module, "_UIDS", range(4_200_000, 4_200_001))
    monkeypatch.setattr(account_module, "_is_known", lambda _uid: True)
    with pytest.raises(UpError, match=r"are taken: run as an ordinary user"):
        account_of(tmp_path / "haproxy")


def test_a_machine_without_nobody_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account_module, "_NAME", "no-such-user")
    with pytest.raises(UpError, match="no user `no-such-user`"):
        named_account()


@pytest.mark.parametrize(("port", "may_bind"), [(443, True), (0, False), (9000, False)])
def test_a_port_of_roots_needs_a_capability(
    monkeypatch: pytest.MonkeyPatch, open_path: Path, port: int, *, may_bind: bool
) -> None:
    monkeypatch.setattr(account_module, "_UNPRIVILEGED_PORTS", open_path / "missing")
    command = NOBODY.wrap(["haproxy"], [open_path], signal.SIGKILL, ports=[port])
    assert ("--ambient-caps=-all,+net_bind_service" in command) == may_bind


def test_no_capability_where_none_is_needed(open_path: Path) -> None:
    command = NOBODY.wrap(["postgres"], [open_path], signal.SIGQUIT)
    assert "--reuid=65534" in command
    assert "--ambient-caps=-all" in command
    assert not any(argument.startswith("--securebits") for argument in command)
    assert "--pdeathsig=QUIT" in command
    assert command[-2:] == ("--", "postgres")


@pytest.mark.parametrize(
    ("held", "given"), [(1 << 2 | 1 << 1, "dac_read_search"), (1 << 1, "dac_override")]
)
def test_the_weakest_capability_for_a_closed_directory(
    monkeypatch: pytest.MonkeyPatch, open_path: Path, held: int, given: str
) -> None:
    bounding_set(monkeypatch, held)
    command = NOBODY.wrap(["postgres"], [open_path, open_path / "closed"], signal.SIGQUIT)
    assert f"--ambient-caps=-all,+{given}" in command
    assert "--securebits=+no_setuid_fixup" in command


def test_a_closed_directory_without_capabilities_is_explained(
    monkeypatch: pytest.MonkeyPatch, open_path: Path
) -> None:
    bounding_set(monkeypatch, 0)
    with pytest.raises(UpError, match=r"cannot reach .*/closed: put it below"):
        NOBODY.wrap(["postgres"], [open_path / "closed"], signal.SIGQUIT)


def test_a_machine_without_setpriv_is_explained(
    monkeypatch: pytest.MonkeyPatch, open_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(UpError, match=r"`setpriv`.*not on PATH: install util-linux"):
        NOBODY.wrap(["postgres"], [open_path], signal.SIGQUIT)


class TestReach:
    def test_every_directory_above_counts(self, tmp_path: Path) -> None:
        stranger = Account(uid=tmp_path.stat().st_uid + 1, gid=tmp_path.stat().st_gid + 1)
        inner = tmp_path / "inner"
        inner.mkdir(mode=0o755)
        tmp_path.chmod(0o700)
        assert not stranger._reaches(inner / "file")

    def test_the_owners_bit_counts_for_the_owner(self, tmp_path: Path) -> None:
        status = tmp_path.stat()
        tmp_path.chmod(0o077)
        assert not Account(uid=status.st_uid, gid=status.st_gid + 1)._reaches(tmp_path / "file")
        tmp_path.chmod(0o700)
