from pathlib import Path

from cli.up.logs import bound, last_lines, open_log, rotate


def test_a_log_that_grows_too_large_is_put_aside_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    with open_log(path) as log:
        log.write(b"x" * 100)
        log.flush()
        bound(path, max_bytes=99)
        log.write(b"after\n")
        log.flush()
    assert path.read_bytes() == b"after\n"
    assert (tmp_path / "gateway.log.1").read_bytes() == b"x" * 100


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    path.write_text("short\n", encoding="utf-8")
    bound(path, max_bytes=99)
    assert path.read_text(encoding="utf-8") == "short\n"


def test_one_earlier_log_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    for content in ("first", "second"):
        path.write_text(content, encoding="utf-8")
        rotate(path)
    rotate(path)
    assert [file.name for file in tmp_path.iterdir()] == ["gateway.log.1"]
    assert (tmp_path / "gateway.log.1").read_text(encoding="utf-8") == "second"


def test_a_log_is_private(tmp_path: Path) -> None:
    with open_log(tmp_path / "gateway.log"):
        assert (tmp_path / "gateway.log").stat().st_mode & 0o777 == 0o600


def test_last_lines_of_a_large_log_with_broken_characters(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    path.write_bytes(b"\xff line\n" * 10_000 + b"the end\n")
    assert last_lines(path, 2) == "� line\nthe end"


def test_last_lines_of_no_log(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none.log") == ""
