"""May this address be dialled? Public ones; private ones where a person allowed it; the rest never."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

LOOPBACK = ("127.0.0.0/8", "::1/128")
PRIVATE = (*LOOPBACK, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
NEVER = (
    "0.0.0.0/8",  # this host, by another name
    "100.100.100.200/32",  # metadata of a cloud, in the shared range
    "169.254.0.0/16",  # link-local, with the metadata of most clouds
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "2001::/23",  # Teredo and others that carry an IPv4 address
    "2001:db8::/32",
    "2002::/16",  # 6to4 carries an IPv4 address
    "3fff::/20",
    "fd00:ec2::254/128",  # metadata of a cloud
)
PUBLIC = ("0.0.0.0/0", "2000::/3")  # of IPv6 one eighth is given out; the rest translates, or is nobody's


def why_forbidden(text: str, *, allow_private: bool, encrypted: bool) -> str | None:
    """Why this address must not be dialled; None if it may.

    Python's own `is_global` and `is_private` are not asked alone: they take NAT64, 6to4 and multicast for public.

    >>> why_forbidden("::ffff:127.0.0.1", allow_private=False, encrypted=True)
    'a private address, and allow_private is not set'
    >>> why_forbidden("64:ff9b::7f00:1", allow_private=True, encrypted=True)
    'an address that is never dialled'
    """
    address = _unwrapped(text)
    if _within(address, NEVER) or not _within(address, (*PUBLIC, *PRIVATE)):
        return "an address that is never dialled"
    if _within(address, PRIVATE) and not allow_private:
        return "a private address, and allow_private is not set"
    if not encrypted and not _within(address, LOOPBACK):
        return "http:// beyond this host; use https://"
    return None


def _unwrapped(text: str) -> Address:
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _within(address: Address, networks: Sequence[str]) -> bool:
    return any(address in network for network in map(ip_network, networks) if network.version == address.version)
