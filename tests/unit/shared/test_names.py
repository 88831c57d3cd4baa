"""What a station and a file may be called, in URLs, headers and paths."""

import pytest

from shared.domain.errors import InvalidInputError
from shared.domain.stations.stations import check_station_id
from shared.domain.upkeep.files import clean_name


@pytest.mark.parametrize("station_id", ["A", "X", "CP-1", "*-_=+|@.", "a" * 48, ".a", "0"])
def test_an_id_of_letters_digits_and_some_signs_is_a_stations(station_id: str) -> None:
    check_station_id(station_id)


@pytest.mark.parametrize(
    ("station_id", "message"),
    [
        ("", "has 1 to 48 characters, not 0"),
        ("a" * 49, "has 1 to 48 characters, not 49"),
        ("a b", "'a b' may hold only letters, digits"),
        ("a/b", "may hold only letters, digits"),
        ("ä", "may hold only letters, digits"),
        (".", "cannot be made of dots alone"),
        ("..", "cannot be made of dots alone"),
    ],
)
def test_what_would_be_another_path_is_no_id(station_id: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check_station_id(station_id)


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("log.zip", "log.zip"),
        ("/var/log/station.log", "station.log"),
        ("C:\\logs\\station.log", "station.log"),
        ("a/b\\c.txt", "c.txt"),
        ("../../etc/passwd", "passwd"),
        (".hidden", "hidden"),
        ("._-a", "-a"),
        ("a b\r\nc.txt", "a_b__c.txt"),
        ("größe.log", "gr__e.log"),
        ("name._", "name._"),
        ("", "file"),
        ("...", "file"),
        ("folder/", "file"),
    ],
)
def test_of_a_name_its_last_part_is_kept_in_characters_that_mean_nothing(
    name: str, clean: str
) -> None:
    assert clean_name(name, otherwise="file") == clean


def test_of_a_long_name_the_middle_goes() -> None:
    longest = "a" * 50 + "z" * 50
    assert clean_name(longest, otherwise="file") == longest
    assert clean_name("a" * 50 + "-" + "z" * 50, otherwise="file") == longest
    assert clean_name("a" * 900 + ".log", otherwise="file") == "a" * 96 + ".log"
