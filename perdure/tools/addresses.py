"""Which addresses a model may have called: those of the public Internet, and no other unless the worker allows it.

An address is judged where the socket to it is made, so that what was looked up is what is connected to: a name that
leads elsewhere at the second look (DNS rebinding) gains nothing, and a redirect is judged like a first request.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_NEVER = tuple(
    IPv4Network(block)
    for block in (
        "169.254.0.0/16",  # link-local; nearly every cloud answers with credentials somewhere in it
        "168.63.129.16/32",  # Azure's platform channel, on a public address
        "100.100.100.200/32",  # Alibaba Cloud's metadata
        "192.0.0.192/32",  # Oracle Cloud's, the former generation
    )
)
_NEVER_V6 = tuple(
    IPv6Network(block)
    for block in (
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # AWS's metadata
        "fd20:ce::254/128",  # Google Cloud's
        "fd00:42::42/128",  # Scaleway's
    )
)

# What IANA lists as special and Python's older tables take for public.
_NOT_PUBLIC = tuple(IPv4Network(block) for block in ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"))
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(block)
    for block in (
        "64:ff9b:1::/48",  # NAT64 within a network
        "2001::/23",  # Teredo and others
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local, deprecated
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


def is_refused(host: str, *, allow_private: bool) -> bool:
    """Whether a connection to this IP address is refused; a zone (`fe80::1%eth0`) is looked past.

    Clouds' metadata services and link-local addresses always are; `allow_private` lets in the rest that is not public.
    """
    address = _inner(ip_address(host.partition("%")[0]))
    if isinstance(address, IPv4Address):
        if any(address in block for block in _NEVER):
            return True
        special = any(address in block for block in _NOT_PUBLIC)
    else:
        if any(address in block for block in _NEVER_V6):
            return True
        special = any(address in block for block in _NOT_PUBLIC_V6)
    if allow_private:
        return address.is_multicast
    return special or not address.is_global or address.is_multicast or address.is_reserved


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for: mapped, compatible, 6to4 or NAT64."""
    if isinstance(address, IPv4Address):
        return address
    within = address.ipv4_mapped or address.sixtofour
    if within is not None:
        return within
    # `::1` and `::` are addresses of their own; the rest of ::/96 was once IPv4 written differently.
    if address in _NAT64 or (address.packed[:12] == bytes(12) and int(address) > 1):
        return IPv4Address(address.packed[12:])
    return address
