"""Servers as child processes: started on loopback, waited for by a real condition, ended by their own pid."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

# Nothing on loopback goes through a proxy, whatever the environment of the test run says.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args, **kwargs):
        return None


OPENER.add_handler(NoRedirect())


@dataclass
class Answer:
    """An HTTP answer; an error status is an answer like any other."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


def request(url: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None, timeout: float = 10) -> Answer:
    ask = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with OPENER.open(ask, timeout=timeout) as reply:
            return Answer(reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, {k.lower(): v for k, v in refused.headers.items()}, refused.read())


def until(condition, seconds: float, what: str):
    """The first true value of `condition()`, or a failure that names what did not happen in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)


def own_ports() -> range:
    """Tests that run side by side take their ports from ranges of their own: one is free only until it is taken."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    start = 20000 + 1000 * (int(worker) % 12)
    return range(start, start + 1000)


def free_port() -> int:
    """A port free on both loopback families, below the range the kernel gives to outgoing connections, so that none takes it meanwhile."""
    ports = own_ports()
    families = [(socket.AF_INET, "127.0.0.1")] + ([(socket.AF_INET6, "::1")] if has_ipv6() else [])
    for _ in range(200):
        port = random.choice(ports)
        held = []
        try:
            for family, address in families:
                held.append(socket.socket(family, socket.SOCK_STREAM))
                held[-1].bind((address, port))
            return port
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
    raise RuntimeError(f"no free port between {ports.start} and {ports.stop}")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def clean_environment(home: Path, **extra: str) -> dict[str, str]:
    """Only what is named. A stray AWS_PROFILE or proxy of the developer's shell must not decide a test."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "AWS_EC2_METADATA_DISABLED": "true", **extra}


@dataclass
class Server:
    """A running child; what it printed is in two files, and stays there after it ended."""

    name: str
    process: subprocess.Popen
    stdout: Path
    stderr: Path
    url: str = ""

    @property
    def printed(self) -> bytes:
        return self.stdout.read_bytes() + self.stderr.read_bytes()

    def alive(self) -> bool:
        return self.process.poll() is None

    def must_live(self) -> None:
        if not self.alive():
            raise AssertionError(f"{self.name} ended with status {self.process.returncode}:\n{self.printed.decode(errors='replace')}")

    def hurry(self) -> None:
        """Says that it is to end, and again that it is to end at once."""
        if self.alive():
            self.process.terminate()
            self.process.send_signal(signal.SIGINT)

    def stop(self, seconds: float = 15) -> int:
        """SIGTERM, then SIGKILL where that is not obeyed in time; the exit status."""
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        return self.process.returncode


@dataclass
class Processes:
    """Every child of one test, so that all are ended and a failure can show what they printed."""

    directory: Path
    servers: list[Server] = field(default_factory=list)

    def start(self, name: str, command: list[str], env: dict[str, str], **popen) -> Server:
        number = len(self.servers)
        out, err = (self.directory / f"{number}-{name}.{kind}" for kind in ("stdout", "stderr"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                command, env=env, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, **popen
            )
        server = Server(name, process, out, err)
        self.servers.append(server)
        return server

    def stop(self) -> None:
        # All at once, and told twice: a daemon that is told once goes on until nobody has asked for a second.
        for server in reversed(self.servers):
            server.hurry()
        for server in reversed(self.servers):
            server.stop()


class Emulator:
    """The project's own Cognito and STS, and its control path."""

    def __init__(self, server: Server):
        self.server = server
        self.url = server.url

    def journal(self) -> list[dict]:
        answer = request(f"{self.url}/_emulator/journal")
        assert answer.status == 200, answer.text
        found = answer.json()
        return found["entries"] if isinstance(found, dict) else found

    def forget(self) -> None:
        assert request(f"{self.url}/_emulator/journal", "DELETE").status in (200, 204)

    def asked(self, operation: str, **parameters: str) -> list[dict]:
        """The journal's entries of one operation whose parameters hold what is given."""
        return [
            entry
            for entry in self.journal()
            if entry["operation"] == operation and all(str(entry.get("parameters", {}).get(k)) == v for k, v in parameters.items())
        ]

    def fault(self, operation: str, count: int, kind: dict) -> None:
        self._control("faults", {"operation": operation, "count": count, "kind": kind})

    def lifetime(self, operation: str, seconds: int) -> None:
        self._control("lifetime", {"operation": operation, "seconds": seconds})

    def _control(self, what: str, document: dict) -> None:
        answer = request(
            f"{self.url}/_emulator/{what}", "POST", {"Content-Type": "application/json"}, json.dumps(document).encode()
        )
        assert answer.status in (200, 201, 204), f"{what}: {answer.status} {answer.text}"


class Daemon:
    """A running credbroker."""

    def __init__(self, server: Server, port: int, directory: Path):
        self.server = server
        self.port = port
        self.url = server.url
        self.directory = directory

    @property
    def printed(self) -> bytes:
        return self.server.printed

    def token_file(self, caller: str) -> Path:
        return self.directory / "callers" / caller

    def caller_token(self, caller: str) -> str:
        return self.token_file(caller).read_text()

    def get(self, path: str, caller: str | None = "orders", token: str | None = None, **headers: str) -> Answer:
        token = token if token is not None else self.caller_token(caller) if caller else None
        known = {"Authorization": f"Bearer {token}"} if token else {}
        return request(f"{self.url}{path}", headers={**known, **{k.replace("_", "-"): v for k, v in headers.items()}})

    def eventually(self, path: str, caller: str = "orders", seconds: float = 15, **headers: str) -> Answer:
        """The first answer that is not the 503 of a cold request whose fetch still goes on."""

        def answer():
            found = self.get(path, caller, **headers)
            return found if found.status != 503 else None

        return until(answer, seconds, f"an answer other than 503 to GET {path}")
