"""Read proxies and certificates from the environment; lists, files and CRDS all use them."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.request import getproxies

from wfc3tvb.errors import BadArgumentError

#: Variables of requests, curl and OpenSSL that name a file or folder of certificates; the first one set counts.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


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
    """Return the proxy that the environment names for an address (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""
    if not getproxies():
        return None
    from requests.utils import get_environ_proxies, select_proxy  # handle networks in NO_PROXY

    proxy = select_proxy(url, get_environ_proxies(url))
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _ca_bundle() -> tuple[str, str] | None:
    return next(((name, value) for name in CA_VARIABLES if (value := os.environ.get(name))), None)
