"""Where a name may lead, and where not."""

import pytest

from voicechat.adapters.toolbox import addresses

LINK_LOCAL = ("169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254")
METADATA = ("fd00:ec2::254", "100.100.100.200")
OTHERS = ("127.0.0.1", "192.168.1.7", "10.0.0.1", "8.8.8.8", "::1", "fd00::1", "2001:db8::1")


@pytest.mark.parametrize("address", [*LINK_LOCAL, *METADATA])
def test_link_local_addresses_and_metadata_are_forbidden(address: str) -> None:
    with pytest.raises(OSError, match="no name may stand for"):
        addresses.check("name.test", ["192.0.2.1", address])


@pytest.mark.parametrize("address", OTHERS)
def test_others_are_not(address: str) -> None:
    assert not addresses.is_forbidden(address)


async def test_an_address_that_is_written_as_it_is_is_meant() -> None:
    await addresses.look_up("http://169.254.169.254/latest")
    await addresses.look_up("http://[fe80::1]:8080/mcp")


@pytest.mark.parametrize(
    ("url", "here"),
    [("http://localhost:1/mcp", True), ("https://[::1]/", True), ("http://127.0.0.1", True), ("http://x.test", False)],
)
def test_this_machine_is_known(url: str, here: bool) -> None:
    assert addresses.is_here(url) is here
