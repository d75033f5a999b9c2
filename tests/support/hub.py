"""A Hub on this machine: it speaks the calls that a push makes, and keeps what arrives."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_that_may_write"
OWNER = "someone"


@dataclass
class Hub:
    """Repositories by name: whether one is private, and the files of its branches."""

    url: str = ""
    repos: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)  # by sha256, as they were put
    asked: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)  # their titles
    breaks: str | None = None  # answers 500 where this is in the path

    def write(self, repo: str, folder: Path, branch: str = "main") -> Path:
        """What a clone of the repository would hold."""
        for name, content in self.repos[repo][branch].items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder


@contextmanager
def running_hub() -> Iterator[Hub]:
    """The Hub, on a free port."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        pass

    def do_HEAD(self) -> None:
        self._send(200, {})

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_PUT(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            content = self.rfile.read(int(self.headers["Content-Length"]))
        digest = self.path.rsplit("/", 1)[-1]
        if self.hub.breaks and self.hub.breaks in self.path:
            return self._send(403, {"error": "the storage is full"})
        assert sha256(content).hexdigest() == digest
        self.hub.large[digest] = content
        self._send(200, {})
        return None

    def _send(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        if status >= 400:
            self.send_header("X-Error-Message", document["error"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer(self, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if path == "/api/validate-yaml":
            block = json.loads(body)["content"].split("---\n")[1]
            assert isinstance(yaml.safe_load(block), dict)
            return self._send(200, {"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(401, {"error": "Invalid credentials in Authorization header"})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        repo = "/".join(parts[2:4])
        if repo not in self.hub.repos:
            return self._send(404, {"error": "Repository not found"})
        return self._of_repo(repo, parts[4:], body)

    def _create(self, asked: dict[str, Any]) -> None:
        repo = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] != OWNER:
            return self._send(403, {"error": f"You don't have the rights to create a model under {repo}"})
        if repo in self.hub.repos:
            return self._send(
                409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{repo}"}
            )
        self.hub.repos[repo] = {"main": {".gitattributes": b""}}
        self.hub.private[repo] = asked.get("visibility") == "private" or asked.get("private") is True
        return self._send(200, {"url": f"{self.hub.url}/{repo}"})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.hub.url}/large/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": objects})

    def _of_repo(self, repo: str, rest: list[str], body: bytes) -> None:
        branches = self.hub.repos[repo]
        if not rest or rest[0] == "revision":
            return self._send(
                200, {"id": repo, "private": self.hub.private[repo], "siblings": [], "sha": "0" * 40}
            )
        verb, branch = rest[0], rest[1] if len(rest) > 1 else "main"
        if verb == "branch":
            branches.setdefault(branch, dict(branches["main"]))
            return self._send(200, {})
        if verb == "tree":
            files = [
                {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                for name, content in branches[branch].items()
            ]
            return self._send(200, files)
        if verb == "preupload":
            files = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(".onnx") else "regular",
                    "shouldIgnore": False,
                }
                for one in json.loads(body)["files"]
            ]
            return self._send(200, {"files": files})
        assert verb == "commit"
        return self._commit(repo, branches[branch], [json.loads(line) for line in body.splitlines()])

    def _commit(self, repo: str, files: dict[str, bytes], lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.hub.commits.append(value["summary"])
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            else:
                assert line["key"] == "deletedFile"
                del files[value["path"]]
        self._send(200, {"commitUrl": f"{self.hub.url}/{repo}/commit/{'1' * 40}", "commitOid": "1" * 40})
