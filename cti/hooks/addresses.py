"""Where a web hook may go. Pure.

Admins make hooks, and city systems live in the government's own network: private addresses are
let through. What is refused are places that only this machine or its cloud can reach, because
there a POST of ours means something else than news: loopback, link-local and metadata addresses.
A name is judged each time by what it resolves to (`cti.hooks.sender`), never by how it is spelt.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from schemas.errors import Invalid

METADATA = frozenset(
    map(ip_address, ("100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
"""Where clouds tell machines their secrets, beside the link-local ones."""
NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
Address = IPv4Address | IPv6Address


def check_url(url: str, *, loopback: bool = False) -> None:
    """Let *url* pass if a hook may have it; its name is not resolved here.

    Args:
        loopback: whether this machine itself is a place to send to.

    Raises:
        Invalid: it may not; the message says why.
    """
    if not url.isascii() or not url.isprintable() or any(c in url for c in " \\"):
        raise Invalid("地址只能用可见的 ASCII 字符")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Invalid("这不是一个网址") from None
    if parts.scheme not in ("http", "https"):
        raise Invalid("只接受 http 或 https 地址")
    if not host or port == 0:
        raise Invalid("地址里没有主机")
    if parts.username is not None or parts.password is not None:
        raise Invalid("地址里不能带用户名和密码：签名已说明来自何处")
    if parts.fragment:
        raise Invalid("地址里不能带 #")
    check_host(host, loopback=loopback)


def check_host(host: str, *, loopback: bool = False) -> None:
    """Let *host*, a name or an address, pass if it does not name a refused place by itself.

    Raises:
        Invalid: it does.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        if host.rstrip(".").lower() == "localhost" and not loopback:
            raise Invalid("不能发往本机") from None
        return
    if (why := refused(address, loopback=loopback)) is not None:
        raise Invalid(why)


def refused(address: Address, *, loopback: bool = False) -> str | None:
    """Return why nothing may be sent to *address*, None when it may."""
    address = _inside(address)
    if address.is_loopback:
        return None if loopback else "不能发往本机"
    if address.is_link_local or address in METADATA:
        return "不能发往链路本地或云主机元数据地址"
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        return "这不是一台主机的地址"
    return None


def _inside(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one carries to, or *address* itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if any(address in network for network in NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
