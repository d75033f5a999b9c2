"""The address that a server of ours listens on: this machine's own unless more is wanted, and free."""

import socket

from serve.errors import UserError
from serve.guard import is_loopback


def check_host(host: str, *, insecure: bool) -> None:
    """Raise `UserError` for an address that other machines reach, unless that is wanted."""
    if not insecure and not is_loopback(host):
        raise UserError(
            f"the host {host!r} can be reached from other machines, and the server asks for no key",
            "127.0.0.1, ::1 or localhost, or a key that clients show",
            "set COMPRESS_API_KEY or --api-key-file, or allow it with --insecure",
        )


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises `UserError`, which names the option, for another."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise UserError(
            f"cannot listen on {host} port {port}: {reason}",
            "an address of this machine and a free port from 0 to 65535",
            f"stop the program that uses it, or give another {option}",
        ) from None
