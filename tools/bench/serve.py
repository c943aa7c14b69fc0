"""How the service stands a hundred clients at once: `python tools/bench/serve.py [--clients 100]`.

The service is a process of its own, without workers; each client is a connection of its own that uploads a photo and a
voice, asks how the job stands, and lists its jobs. Then come the requests that mean no good.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from digitalme.demo import demo_photo, demo_voice

TOKEN = "a-token-for-the-bench"
BOUNDARY = "digitalme-bench"
STATUS = (
    "import sys; from digitalme.service.api import *; serve(ServeConfig(Path(sys.argv[1]), 0, read_tokens("
    "Path(sys.argv[2])), per_minute=10**6, waiting=10**6), '127.0.0.1', int(sys.argv[3]))"
)


def form() -> bytes:
    """A multipart body: the demo's photo and voice."""
    parts = [('name="consent"', b"the demo's person"), ('name="say"', b"hello")]
    for name, path in (("selfie", demo_photo()), ("voice", demo_voice()[0])):
        parts.append((f'name="{name}"; filename="{path.name}"', path.read_bytes()))
    pieces = [f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data for head, data in parts]
    return b"\r\n".join(pieces) + f"\r\n--{BOUNDARY}--\r\n".encode()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, float]:
    """Status, and seconds from the connection to the end of the answer."""
    begin = time.perf_counter()
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    if body is not None:
        headers["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
    line.request(method, path, body, headers)
    answer = line.getresponse()
    answer.read()
    line.close()
    return answer.status, time.perf_counter() - begin


def row(label: str, answers: list[tuple[int, float]]) -> None:
    seconds = np.array([took for _, took in answers]) * 1000
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(Counter(s for s, _ in answers).items()))
    median, high = np.percentile(seconds, [50, 95])
    print(f"| {label} | {statuses} | {median:.0f} ms | {high:.0f} ms |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    clients = parser.parse_args().clients
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        folder = Path(name)
        (folder / "tokens").write_text(f"bench {TOKEN}\n")
        command = [sys.executable, "-c", STATUS, str(folder / "data"), str(folder / "tokens"), str(port)]
        with subprocess.Popen(command, env=os.environ) as service, ThreadPoolExecutor(clients) as pool:
            try:
                while True:
                    try:
                        ask(port, "GET", "/health")
                        break
                    except OSError:
                        time.sleep(0.1)
                body = form()
                print(f"{clients} clients at once; a body of {len(body) / 1024:.0f} KB")
                print("| request | answers | median | 95th percentile |\n|---|---|--:|--:|")
                row("upload", list(pool.map(lambda _: ask(port, "POST", "/v1/jobs", body), range(clients))))
                row("listing", list(pool.map(lambda _: ask(port, "GET", "/v1/jobs"), range(clients))))
                row("health", list(pool.map(lambda _: ask(port, "GET", "/health"), range(clients))))
                row("paths that lead out", list(pool.map(
                    lambda i: ask(port, "GET", "/v1/jobs/" + "..%2f" * (i % 9) + "etc%2fpasswd"), range(clients)
                )))  # fmt: skip
                row("broken bodies", list(pool.map(
                    lambda i: ask(port, "POST", "/v1/jobs", body[: len(body) * i // clients]), range(clients)
                )))  # fmt: skip
                status = Path(f"/proc/{service.pid}/status").read_text()
                print(f"the service's memory at most: {int(status.partition('VmHWM:')[2].split()[0]) >> 10} MB")
            finally:
                service.terminate()


if __name__ == "__main__":
    main()
