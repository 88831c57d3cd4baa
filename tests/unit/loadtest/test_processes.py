import os
import subprocess
import sys

from loadtest.bench.processes import Bystanders, cpu_s, family_cpu_s, unique_memory_bytes

_BURN = "import time\nwhile time.process_time() < 0.3: pass"


def test_a_family_includes_the_children_that_have_ended() -> None:
    before = family_cpu_s(os.getpid())
    own_before = cpu_s(os.getpid())
    subprocess.run([sys.executable, "-S", "-c", _BURN], check=True)
    own = cpu_s(os.getpid()) - own_before
    assert family_cpu_s(os.getpid()) - before - own >= 0.25


def test_a_family_includes_grandchildren_that_still_run() -> None:
    script = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {_BURN + chr(10)!r} + "
        "'print(flush=True)\\ninput()'], stdin=subprocess.PIPE)\n"
        "input()\n"
        "child.communicate()"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert family_cpu_s(process.pid) >= 0.25
        process.communicate(b"\n")


def test_what_this_process_does_is_not_a_bystanders() -> None:
    # Others may be busy, so only the account of our own work is looked at.
    before = Bystanders._now()
    subprocess.run([sys.executable, "-S", "-c", _BURN], check=True)
    busy_s, total_s, ours_s = (
        now - then for now, then in zip(Bystanders._now(), before, strict=True)
    )
    assert ours_s >= 0.25
    assert ours_s <= busy_s + 0.1 <= total_s + 0.1


def test_a_share_is_a_share() -> None:
    bystanders = Bystanders()
    subprocess.run([sys.executable, "-S", "-c", _BURN], check=True)
    assert 0.0 <= bystanders.share() <= 1.0


def test_unique_memory_grows_with_what_is_held() -> None:
    before = unique_memory_bytes(os.getpid())
    held = bytearray(os.urandom(20_000_000))
    assert unique_memory_bytes(os.getpid()) - before > 15_000_000
    del held
