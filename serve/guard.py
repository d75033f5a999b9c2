"""The gate in front of every route: no web page that a person visits may use the server behind their back.

"It only listens on localhost" protects nothing by itself: a page in the browser can send requests to
localhost, and with a name that it points there (DNS rebinding) it can read the answers as well. So the
Host header must name this machine, and a request that a browser marks as another site's is refused.
"""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from serve.headers import headers_of
from serve.key import Key
from serve.refusal import Refusal

_OWN_FETCH_SITES = frozenset({"", "none", "same-origin"})


def is_loopback(host: str) -> bool:
    """Whether this host name or address can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


# What an orchestrator asks without a key: whether the process lives and takes requests, and nothing else.
PUBLIC = frozenset({"/health", "/ping", "/v2/health/live", "/v2/health/ready"})


class Guard:
    """ASGI middleware that answers 403 to foreign hosts (when `loopback`), origins and sites, and 401 without the key.

    There is one gate for every route: what is not in `PUBLIC` is closed, also what does not exist.
    """

    def __init__(self, app: ASGIApp, loopback: bool = True, key: Key | None = None) -> None:
        self._app = app
        self._loopback = loopback
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        refusal = self.refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal.response()(scope, receive, send)

    def refusal(self, scope: Scope) -> Refusal | None:
        """Why this request is not let in; None where it is."""
        headers = headers_of(scope)
        return self._foreign(scope.get("method", ""), headers) or self._closed(scope["path"], headers)

    def _foreign(self, method: str, headers: Mapping[str, str]) -> Refusal | None:
        host = headers.get("host", "")
        if self._loopback and not _names_this_machine(host):
            return Refusal(403, "forbidden", "This server answers only to localhost, 127.0.0.1 and [::1].")
        if "origin" in headers and _origin_host(headers["origin"]) not in self._own(host, headers):
            return Refusal(403, "forbidden", "Requests from pages of another origin are refused.")
        if headers.get("sec-fetch-site", "") not in _OWN_FETCH_SITES and not self._is_visit(method, headers):
            return Refusal(403, "forbidden", "Requests from pages of another site are refused.")
        return None

    def _own(self, host: str, headers: Mapping[str, str]) -> set[str]:
        """The hosts whose pages may ask: this one, and what a proxy in front was asked for.

        A page of another site cannot send the proxy's header without being asked first.
        """
        own = {host.lower()}
        if not self._loopback:
            own.add(headers.get("x-forwarded-host", "").partition(",")[0].strip().lower())
        return own - {""}

    def _is_visit(self, method: str, headers: Mapping[str, str]) -> bool:
        """Whether a person follows a link, or sees a frame, to a server that others are meant to reach.

        The other site cannot read what comes, and nothing happens by GET.
        """
        return not self._loopback and method == "GET" and headers.get("sec-fetch-mode") == "navigate"

    def _closed(self, path: str, headers: Mapping[str, str]) -> Refusal | None:
        if self._key is None or path in PUBLIC or self._key.opens(headers):
            return None
        return Refusal(401, "unauthorized", "Show the key as Authorization: Bearer KEY.")


def _origin_host(origin: str) -> str:
    """Host and port of an Origin header, in lower case; empty for "null" and for what is no origin."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


@lru_cache(maxsize=64)  # reading an address costs more than the rest of the gate
def _names_this_machine(host: str) -> bool:
    return is_loopback(_name(host))


def _name(host: str) -> str:
    """The name in a Host header, without its port; empty when it is not of the form name[:port]."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises ValueError when the port is no number
    except ValueError:
        return ""
    plain = parts.username is None and not parts.path and not parts.query and not parts.fragment
    return parts.hostname or "" if plain else ""
