import pytest
import typer
from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.settings_errors import explained_settings_errors


class ExampleSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="EXAMPLE_")

    database_url: str = Field(description="postgresql://user:password@host:port/database")
    pool_size: int = 8
    api_key: SecretStr = Field(default=SecretStr("x" * 16), min_length=16)
    hosts: list[str] = Field(default_factory=list)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_DATABASE_URL", "postgresql://localhost/voltaro")


def said(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(typer.Exit) as exit_, explained_settings_errors():
        ExampleSettings()
    assert exit_.value.exit_code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_valid_settings_are_not_talked_about(capsys: pytest.CaptureFixture[str]) -> None:
    with explained_settings_errors():
        ExampleSettings()
    assert capsys.readouterr().err == ""


def test_a_missing_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("EXAMPLE_DATABASE_URL")
    assert said(capsys) == (
        "EXAMPLE_DATABASE_URL is not set (postgresql://user:password@host:port/database): "
        "set it in the environment.\n"
    )


def test_one_sentence_for_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EXAMPLE_DATABASE_URL")
    monkeypatch.setenv("EXAMPLE_POOL_SIZE", "many")
    lines = said(capsys).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("EXAMPLE_POOL_SIZE=many is not valid: input should be a valid")


def test_secrets_are_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXAMPLE_API_KEY", "hunter2")
    sentence = said(capsys)
    assert sentence.startswith("EXAMPLE_API_KEY is not valid: ")
    assert "hunter2" not in sentence


def test_a_list_that_is_not_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXAMPLE_HOSTS", "a,b")
    assert "hosts" in said(capsys)


def test_wrong_data_is_not_taken_for_wrong_settings() -> None:
    class Message(BaseModel):
        text: str

    with pytest.raises(ValidationError), explained_settings_errors():
        Message.model_validate({})
