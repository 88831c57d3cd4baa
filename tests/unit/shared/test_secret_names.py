"""What is a secret is told by the words in a name, and nothing that OCPP names is taken for one."""

from collections.abc import Iterator
from dataclasses import fields
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from shared.domain import commands
from shared.domain.commands import Command
from shared.domain.secret_names import (
    hide_also,
    is_secret,
    is_secret_member,
    is_secret_parameter,
    mentions_a_secret,
)
from tests.support.standard_names import KEYS_16, VARIABLES_201, words

SECRETS = words(
    """
AuthorizationKey authorizationkey BasicAuthPassword SecurityCtrlr.BasicAuthPassword
SecurityCtrlr[a.b].BasicAuthPassword[c.d]/Actual NetworkConfiguration[1].ApnSimPin
NetworkConfiguration(1).VpnKey/MaxSet WiFiPSK WIFI_PSK wifipsk wlan.psk Wifi.Key WPA2Key ApnPwd
apn_pwd apnpwd FtpPass FTPPASS ftp-pass ModemPin ModemPIN SimPIN simpin SIM_PIN SimPinCode
SIMPINCode ApiToken api-token ApiKey X-Api-Key apikey ApiKeys MqttPass MQTTPassword mqttpass
AuthKey authkey AuthToken OAuth2Token OAuthClientSecret Passcode PassCode PassWord PassPhrase PUK
PukCode PIN1 PinLed
PINs Secret SharedSecret SecretAccessKey AccessKey2 PrivateKey PrivateKeyPem TlsPrivateKeyHex
WifiPassword[1] Custom.Value[FtpPass] Password.Value PasswordNew HttpBasicAuth AuthorizationHeader
ConnectionString SnmpCommunity Credentials LoginCredential BearerToken SessionCookie
WifiPasswort \N{FULLWIDTH LATIN CAPITAL LETTER P}assword
"""
)
READABLE = words(
    """
AuthorizeRemoteTxRequests LocalAuthListEnabled AuthorizationCacheEnabled MaxKeys
GetConfigurationMaxKeys PublicKeyWithSignedMeterValue PublicKey PubKey KeepAlive PinCodeLength
MinPinLength TokenType TokenExpiry IdToken id_token idTagToken PasswordLength PasswordPolicy
UsePassword SupportsPin PassThrough BypassMode bypass compass Passenger MasterPass LowPass Keyboard
Monkey turkey Spinning Mapping ShippingMode Pinned GpioPin RelayPin AuthMode WifiAuth Keys keys
IdempotencyKey ConfigurationKey SecretName CredentialId ApiKeyId
"""
)


@pytest.mark.parametrize("name", SECRETS)
def test_a_name_says_that_it_is_a_secret(name: str) -> None:
    assert is_secret(name)
    assert is_secret_parameter(name)


@pytest.mark.parametrize("name", READABLE)
def test_what_only_speaks_of_secrets_is_none(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize("name", [*KEYS_16, *VARIABLES_201])
def test_what_the_specifications_name_stays_readable(name: str) -> None:
    assert not is_secret(name)


def members(schema: object) -> Iterator[str]:
    match schema:
        case dict():
            for name, each in schema.items():
                if name == "properties" and isinstance(each, dict):
                    yield from each
                yield from members(each)
        case list():
            for each in schema:
                yield from members(each)


@pytest.mark.parametrize(
    ("version", "secret"),
    [("v16", set()), ("v201", {"password", "apnPassword", "simPin"})],
)
def test_no_other_member_of_a_message_is_taken_for_a_secret(version: str, secret: set[str]) -> None:
    found: set[str] = set()
    for schema in (files("ocpp") / version / "schemas").iterdir():
        content: Any = msgspec.json.decode(schema.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        found.update(name for name in members(content) if is_secret_member(name))
    assert found == secret


def test_no_member_of_our_commands_is_taken_for_a_secret() -> None:
    kinds = [kind for kind in vars(commands).values() if isinstance(kind, type)]
    names = {
        field.name
        for kind in kinds
        if issubclass(kind, Command) and kind is not Command
        for field in fields(kind)
    }
    assert {"id_token", "key", "keys"} <= names
    assert [name for name in names if is_secret_member(name)] == []


def test_operators_can_add_names() -> None:
    names = ("Gateway", "VendorCtrlr.Blob", "Wartung[1]")
    assert not any(map(is_secret, names))
    try:
        hide_also([" gateway", "vendorctrlr.blob", "wartung", ""])
        assert all(map(is_secret, names))
        assert is_secret("ModemCtrlr(1)[a].Gateway/Target")
        assert not is_secret("GatewayPort")
    finally:
        hide_also([])
    assert not any(map(is_secret, names))


@pytest.mark.parametrize("name", ["", "é" * 600, "_-.[]()/", "httpsftp" * 5000, "a" * 100_000])
def test_any_name_is_looked_at_in_no_time(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize("name", ["sig", "X-Amz-Signature", "token", "access_key", "auth", "code"])
def test_a_signature_in_a_url_is_a_secret(name: str) -> None:
    assert is_secret_parameter(name)


@pytest.mark.parametrize("name", ["expires", "file", "station_id", "version", "signed"])
def test_other_parameters_of_urls_are_not(name: str) -> None:
    assert not is_secret_parameter(name)


def test_a_message_that_cannot_be_read_may_mention_a_secret() -> None:
    assert mentions_a_secret('[2,"1","DataTransfer",{"data":"{wifiPsk:abc')
    assert mentions_a_secret("ftp://me:word@files.example/")
    assert not mentions_a_secret('[2,"1","Heartbeat",{')
