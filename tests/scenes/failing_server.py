"""A server of one file whose first requests of each range fail: `python -m … FILE FAILS [STATUS]`.

A process of its own: GDAL may hold the interpreter while it opens a file. Every request of the file
is one line of its output, after the port. Files beside it are served by their ending and never
fail; a name that is none is not there.
"""

from __future__ import annotations

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Failing(BaseHTTPRequestHandler):
    """Serves ranges of one file; the first `fails` requests of each range get a 503."""

    content = Path(sys.argv[1]).read_bytes()
    fails = int(sys.argv[2])
    status = int(sys.argv[3]) if len(sys.argv) > 3 else 503
    asked: dict[str, int] = {}  # noqa: RUF012 - one server a process

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, with_body: bool) -> None:
        name = self.path.partition("?")[0]
        if not name.endswith(".tif"):
            self._beside(name, with_body)
            return
        said = self.headers.get("Range", "")
        key = f"{self.command} {said}"
        self.asked[key] = self.asked.get(key, 0) + 1
        print(f"{key}\n", end="", flush=True)  # noqa: T201 - what the test reads, one write a line
        if self.asked[key] <= self.fails:
            self.send_response(self.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", said)
        size = len(self.content)
        first, last = (int(found[1]), min(int(found[2]), size - 1)) if found else (0, size - 1)
        part = self.content[first : last + 1]
        self.send_response(206 if found else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if found:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if with_body:
            self.wfile.write(part)

    def _beside(self, name: str, with_body: bool) -> None:
        file = Path(f"{sys.argv[1]}{name.partition('.tif')[2]}")
        there = ".tif." in name and file.is_file()
        content = file.read_bytes() if there else b""
        print(f"beside {name}\n", end="", flush=True)  # noqa: T201
        self.send_response(200 if there else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)


if __name__ == "__main__":
    served = ThreadingHTTPServer(("127.0.0.1", 0), _Failing)
    print(served.server_port, flush=True)  # noqa: T201
    served.serve_forever()
