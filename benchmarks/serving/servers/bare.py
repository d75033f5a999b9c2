"""The runtime behind a bare socket: python bare.py BUNDLE PORT. The least that any server over HTTP adds.

No framework, no queue, no checks: one thread answers one connection at a time, so it cannot be asked over several.
"""

import json
import socket
import sys

import serve
from serve.runtime import OnnxRuntime

_AT_ONCE = 65_536  # bytes


def answer(connection: socket.socket, runtime: OnnxRuntime) -> None:
    """Every request that comes over this connection, until the client ends it."""
    unread = b""
    while True:
        while b"\r\n\r\n" not in unread:
            piece = connection.recv(_AT_ONCE)
            if not piece:
                return
            unread += piece
        head, _, body = unread.partition(b"\r\n\r\n")
        (length,) = (
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        while len(body) < length:
            piece = connection.recv(_AT_ONCE)
            if not piece:
                return
            body += piece
        unread = body[length:]
        (found,) = runtime.predict([json.loads(body[:length])["inputs"]])
        told = json.dumps({"label": found.label, "score": found.score}).encode()
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(told), told)
        )


if __name__ == "__main__":
    opened = serve.load(sys.argv[1], threads=1)
    with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as listening:
        while True:
            client, _ = listening.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client:
                try:
                    answer(client, opened)
                except ConnectionError:  # wrk ends with a reset
                    continue
