"""nginx as fixtures: with servers that a test writes, and with deploy/nginx.conf as it is deployed, but for ports and the place of the
broker."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from processes import Answer, Daemon, clean_environment, free_port, request, until

DEPLOYED = (Path(__file__).resolve().parents[2] / "deploy/nginx.conf").read_text()
OVER_TCP = "proxy_pass http://127.0.0.1:2778/v1/authorize/users;"
CALLER = "include /etc/nginx/credbroker.caller;"
BY_UID = "# proxy_set_header Credbroker-Request true;"

# The service behind says what it is told of the user, and with which token.
SERVICE = 'return 200 "$http_x_auth_subject|$http_x_auth_client|$http_x_auth_scope|$http_authorization";'


def replaced(text: str, what: str, by: str) -> str:
    assert what in text, f"deploy/nginx.conf no longer has {what!r}"
    return text.replace(what, by)


class Front:
    """A running nginx, with one port for each issuer."""

    def __init__(self, ports: dict[str, int]):
        self.ports = ports

    def get(self, token: str | None = None, issuer: str = "users", **headers: str) -> Answer:
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(f"http://127.0.0.1:{self.ports[issuer]}/orders", headers={**shown, **named})


@pytest.fixture
def nginx_with(processes, tmp_path):
    """Starts nginx with `servers`, in a directory of its own, and waits until `answers()` gives something."""
    program = shutil.which("nginx")
    if not program:
        pytest.fail("nginx is not installed; run tests/conformance/setup.sh", pytrace=False)

    def start(servers: str, answers) -> None:
        home = tmp_path / "nginx"
        home.mkdir()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {home}/{kind};\n" for kind in kinds)
        file = home / "nginx.conf"
        file.write_text(
            f"daemon off;\nmaster_process off;\npid {home}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{temporary}{servers}}}\n"
        )
        server = processes.start("nginx", [program, "-e", "stderr", "-c", str(file)], clean_environment(home))

        def up():
            server.must_live()
            try:
                return answers()
            except OSError:
                return None

        until(up, 15, "the start of nginx")

    return start


@pytest.fixture
def nginx(nginx_with):
    """Starts nginx before a service, by the word of a daemon: over TCP with the token of `orders` or by its uid, or over its unix
    socket."""

    def start(daemon: Daemon, issuers: tuple[str, ...] = ("users",), socket: Path | None = None, by_uid: bool = False) -> Front:
        service, ports, servers = free_port(), {}, ""
        for issuer in issuers:
            ports[issuer] = free_port()
            place = f"http://unix:{socket}:" if socket else daemon.url
            caller = "" if socket or by_uid else f'proxy_set_header Authorization "Bearer {daemon.caller_token("orders")}";'
            meant = BY_UID.removeprefix("# ") if by_uid else BY_UID
            text = replaced(DEPLOYED, OVER_TCP, f"proxy_pass {place}/v1/authorize/{issuer};")
            text = replaced(replaced(text, CALLER, caller), BY_UID, meant)
            text = replaced(text, "127.0.0.1:8080", f"127.0.0.1:{ports[issuer]}")
            servers += replaced(text, "127.0.0.1:8081", f"127.0.0.1:{service}")
        behind = f"server {{ listen 127.0.0.1:{service}; location / {{ {SERVICE} }} }}\n"
        front = Front(ports)
        nginx_with(behind + servers, lambda: front.get(issuer=issuers[-1]).status)
        return front

    return start
