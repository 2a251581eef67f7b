"""Proxies and certificates of the environment, which lists, files and CRDS all take from here."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.request import getproxies

from wfc3tvb.errors import BadArgumentError

#: Variables that name a file or folder of certificates, the first one set counts: of requests, curl and OpenSSL.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def tls_context() -> ssl.SSLContext:
    """Return a context that trusts the certificates of the environment; without any, those of certifi.

    Raises
    ------
    BadArgumentError
        If the environment names a file that holds no certificates.
    """
    import certifi
    from urllib3.util import create_urllib3_context

    name, bundle = _ca_bundle() or ("certifi", certifi.where())
    context = create_urllib3_context()
    try:
        context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
    except OSError as error:  # ssl.SSLError is one
        raise BadArgumentError(f"{name}={bundle}: there are no certificates; correct the variable") from error
    return context


def ca_environment() -> dict[str, str]:
    """Return the variables by which a child process that knows OpenSSL's alone trusts the same certificates."""
    found = _ca_bundle()
    return {"SSL_CERT_DIR" if Path(found[1]).is_dir() else "SSL_CERT_FILE": found[1]} if found else {}


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for an address (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""
    if not getproxies():
        return None
    from requests.utils import get_environ_proxies, select_proxy  # the rules, NO_PROXY with networks included

    proxy = select_proxy(url, get_environ_proxies(url))
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _ca_bundle() -> tuple[str, str] | None:
    return next(((name, value) for name in CA_VARIABLES if (value := os.environ.get(name))), None)
