"""Read proxies and certificates from the environment; lists, files and CRDS all use them."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

from wfc3tvb.errors import BadArgumentError

#: Variables of requests, curl and OpenSSL that name a file or folder of certificates; the first one set counts.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
#: Kinds of SOCKS proxies; with the last letter a or h the proxy looks up the names of hosts.
SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
#: Variable that names a child process's SOCKS proxy.
_SOCKS_VARIABLE = "WFC3TVB_SOCKS_PROXY"


def tls_context() -> ssl.SSLContext:
    """Return a context that trusts the certificates of the environment, or those of certifi if it names none.

    Raises
    ------
    BadArgumentError
        If the environment names a file without certificates.
    """
    import certifi
    from urllib3.util import create_urllib3_context

    name, bundle = _ca_bundle() or ("certifi", certifi.where())
    context = create_urllib3_context()
    try:
        context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
    except OSError as error:  # ssl.SSLError is one
        raise BadArgumentError(f"{name}={bundle}: no certificates found there; correct the variable") from error
    return context


def ca_environment() -> dict[str, str]:
    """Return OpenSSL's variables, which make a child process trust the same certificates."""
    found = _ca_bundle()
    return {"SSL_CERT_DIR" if Path(found[1]).is_dir() else "SSL_CERT_FILE": found[1]} if found else {}


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for an address (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY).

    Raises
    ------
    BadArgumentError
        If it is of an unknown kind, or a SOCKS proxy without the package PySocks.
    """
    if not getproxies():
        return None
    from requests.utils import get_environ_proxies, select_proxy  # handle networks in NO_PROXY

    proxy = select_proxy(url, get_environ_proxies(url))
    if proxy is None:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    scheme = urlsplit(proxy).scheme
    if scheme not in ("http", "https", *SOCKS):
        raise BadArgumentError(f"proxy {_without_login(proxy)}: give http://, https://, socks5:// or socks5h://")
    if scheme in SOCKS and not _has_pysocks():
        raise BadArgumentError(f"proxy {_without_login(proxy)}: SOCKS proxies need PySocks: pip install pysocks")
    return proxy


def proxy_environment(url: str) -> dict[str, str]:
    """Return variables with which a child process that uses urllib, and talks to `url` alone, takes the same proxy.

    Of itself urllib ignores ALL_PROXY and networks in NO_PROXY, and knows no SOCKS; see `use_socks`.
    """
    proxy, chosen = proxy_of(url), {"NO_PROXY": "*", "no_proxy": "*", _SOCKS_VARIABLE: ""}
    if proxy and urlsplit(proxy).scheme in SOCKS:
        chosen[_SOCKS_VARIABLE] = proxy
    elif proxy:
        chosen |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), proxy)
        chosen |= {"NO_PROXY": "", "no_proxy": ""}
    return chosen


def use_socks() -> None:
    """Send all connections of this process through the SOCKS proxy of `proxy_environment`, if there is one."""
    if not (proxy := os.environ.get(_SOCKS_VARIABLE)):
        return
    import socks

    parts = urlsplit(proxy)
    login = {"username": unquote(parts.username), "password": unquote(parts.password or "")} if parts.username else {}
    remote = parts.scheme in ("socks4a", "socks5h")  # the proxy looks up the names of hosts
    kind = socks.SOCKS4 if parts.scheme.startswith("socks4") else socks.SOCKS5
    socks.set_default_proxy(kind, parts.hostname, parts.port or 1080, remote, **login)
    socket.socket = socks.socksocket  # type: ignore[misc]
    if remote:
        socket.getaddrinfo = _unresolved  # type: ignore[assignment]


def _unresolved(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
    """Return an address without looking the host up, which the proxy does."""
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]


def _has_pysocks() -> bool:
    try:
        import socks  # noqa: F401
    except ImportError:
        return False
    return True


def _without_login(proxy: str) -> str:
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _ca_bundle() -> tuple[str, str] | None:
    return next(((name, value) for name in CA_VARIABLES if (value := os.environ.get(name))), None)
