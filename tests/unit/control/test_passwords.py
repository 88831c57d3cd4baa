"""Passwords made for stations, and their hashes."""

from argon2 import PasswordHasher, extract_parameters

from control.passwords import StationPasswords, generate_password
from control.settings import ControlSettings


def test_no_password_is_made_twice() -> None:
    assert len({generate_password() for _ in range(1000)}) == 1000


async def test_a_hash_says_how_it_was_made_so_that_any_verifier_can_check_it() -> None:
    settings = ControlSettings(
        database_url="postgresql://",
        redis_url="redis://",
        api_keys="a-key-that-only-tests-use",
        password_hash_time_cost=3,
        password_hash_memory_kib=64,
        password_hash_parallelism=2,
    )
    hashed = await StationPasswords(settings).hash("a-password-of-a-station")
    parameters = extract_parameters(hashed)
    assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (3, 64, 2)
    assert PasswordHasher().verify(hashed, "a-password-of-a-station")
