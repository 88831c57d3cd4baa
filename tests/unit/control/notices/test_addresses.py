"""Webhooks go to addresses of the public internet, in whatever form others are written."""

import socket
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.notices.addresses import AddressPolicy, read_networks

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "100.63.255.255",
    "100.128.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]
SPECIAL = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:1::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert AddressPolicy().allows(address)


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_are_not(address: str) -> None:
    assert not AddressPolicy().allows(address)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]"])
def test_what_is_no_address_is_not(text: str) -> None:
    assert not AddressPolicy().allows(text)


def test_a_setting_allows_a_network_and_no_more() -> None:
    policy = AddressPolicy(read_networks("10.1.0.0/16, ::1/128"))
    assert policy.allows("10.1.2.3")
    assert policy.allows("::ffff:10.1.2.3")
    assert policy.allows("::1")
    assert not policy.allows("10.2.0.1")
    assert not policy.allows("127.0.0.1")
    assert policy.allows("8.8.8.8")


@pytest.mark.parametrize("text", ["10.1.0.1/16", "anywhere", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_networks(text)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_alike_in_all_clothes(number: int) -> None:
    policy, address = AddressPolicy(), socket.inet_ntoa(number.to_bytes(4, "big"))
    assert policy.allows(f"::ffff:{address}") is policy.allows(address)
    assert policy.allows(f"64:ff9b::{address}") is policy.allows(address)


@given(st.ip_addresses())
def test_what_the_standard_library_calls_private_is_never_allowed(address: object) -> None:
    text = str(address)
    if AddressPolicy().allows(text) and ":" not in text:
        assert not ip_network(text).is_private
        assert not ip_network(text).is_multicast
