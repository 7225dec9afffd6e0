"""The way to the server on this machine: proxies and certificates.

Worked out here for the one address that is asked, and not by the HTTP library, which sets up every
proxy that any variable names, needed or not, and fails if one of them cannot be.

    http_proxy, https_proxy, all_proxy   in lower or upper case; socks:// is socks5://
    no_proxy                             hosts, domains, networks: asked without a proxy
    SSL_CERT_FILE, SSL_CERT_DIR          the authorities to trust, instead of the system's
"""

import ipaddress
import os
import ssl
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import httpx2

_SOCKS = ("socks5", "socks5h")
_PROXIES = ("http", "https", *_SOCKS)
_SECURE = ("https", "wss")
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Unusable(Exception):
    """A setting of this machine cannot be used: one sentence, without passwords."""


@dataclass(frozen=True)
class Network:
    """`proxy` and `ca_file` stand in for what the environment says."""

    proxy: str | None = None
    ca_file: str | None = None

    def way_to(self, url: str) -> str:
        """For people: through which proxy `url` is asked, if through any."""
        setting, proxy = self._setting(urlsplit(url))
        return f" through the proxy of {setting}" if proxy else ""

    def _setting(self, target: SplitResult) -> tuple[str, str | None]:
        return ("proxy", self.proxy) if self.proxy else _from_environment(target)

    def proxy_for(self, url: str) -> str | None:
        """The proxy for `url` (http, https, ws, wss), or None: the server is asked directly."""
        target = urlsplit(url)
        setting, proxy = self._setting(target)
        if not proxy:
            return None
        if "://" not in proxy:
            proxy = f"http://{proxy}"
        scheme, rest = proxy.split("://", 1)
        scheme = "socks5" if scheme.lower() == "socks" else scheme.lower()
        proxy = f"{scheme}://{rest}"
        instead = f"or name {target.hostname} in NO_PROXY"
        if scheme not in _PROXIES or not _has_host(proxy):
            known = ", ".join(f"{each}://" for each in _PROXIES)
            raise Unusable(f"{setting} is no proxy's address ({known}): mend it, {instead}.")
        # HTTP and sockets each need a package of their own for it.
        package = "python_socks" if target.scheme in ("ws", "wss") else "socksio"
        if scheme in _SOCKS and find_spec(package) is None:
            raise Unusable(
                f"{setting} names a SOCKS proxy, and what speaks to one is not installed: "
                f'pip install "simmer-client[socks]", {instead}.'
            )
        return proxy

    def tls_for(self, url: str) -> ssl.SSLContext | None:
        """Whom to trust; None where nothing is encrypted."""
        return self._tls if urlsplit(url).scheme in _SECURE else None

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        setting, file = "ca_file", self.ca_file
        if not file:
            setting, file = "SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE")
        folder = None if self.ca_file else os.environ.get("SSL_CERT_DIR")
        if file:
            return _trusting(setting, file=file)
        if folder:
            return _trusting("SSL_CERT_DIR", folder=folder)
        return httpx2.create_ssl_context(trust_env=False)


def _trusting(setting: str, file: str | None = None, folder: str | None = None) -> ssl.SSLContext:
    path = file or folder or ""
    try:
        if folder and not all(Path(each).is_dir() for each in folder.split(os.pathsep)):
            raise NotADirectoryError(0, "no such folder")
        context = ssl.create_default_context(cafile=file, capath=folder)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        wrong = "it holds no certificate" if isinstance(error, ssl.SSLError) else ""
        wrong = wrong or (isinstance(error, OSError) and error.strerror) or "it cannot be read"
        raise Unusable(
            f"{setting} names {path}, which cannot be used ({wrong}): mend it, or unset it."
        ) from None
    # From Python 3.13 on a chain must have each extension of RFC 5280. Companies' authorities, and
    # what `openssl req` makes, lack some, and browsers and the system's own settings take them.
    # Names, dates and signatures are checked.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _from_environment(target: SplitResult) -> tuple[str, str | None]:
    """The name of the setting, and what it says; the pair of one that does not apply has None."""
    proxies = urllib.request.getproxies()
    scheme = "https" if target.scheme in _SECURE else "http"
    kind = scheme if proxies.get(scheme) else "all"
    proxy = proxies.get(kind, "").strip()
    if not proxy or _is_bypassed(target, proxies.get("no", "")):
        return "", None
    names = (f"{kind}_proxy", f"{kind.upper()}_PROXY")
    name = next((name for name in names if os.environ.get(name)), "the system's proxy setting")
    return name, proxy


def _is_bypassed(target: SplitResult, no_proxy: str) -> bool:
    host = target.hostname or ""
    try:
        port = target.port or _PORTS[target.scheme]
        if urllib.request.proxy_bypass(f"{host}:{port}"):
            return True
    except (ValueError, OSError):
        pass
    for entry in (each.strip().lower() for each in no_proxy.split(",")):
        if entry.startswith("*.") and host.endswith(entry[1:]):
            return True
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False):
                return True
        except ValueError:
            pass
    return False


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
