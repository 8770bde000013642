"""Pages in Chromium that want a credential: on a name that is bound to loopback anew, on another port of localhost, from a file and
from nowhere. The worst case throughout: the browser runs as the user that the daemon knows its callers by, and nobody needs a token.
"""

from __future__ import annotations

import http.server
import os
import threading

import pytest

import world
from conftest import BILLING, DAEMON_SECRETS
from processes import free_port, request

# Eight addresses, thirty ways each, in a browser: a busy machine takes its time.
pytestmark = pytest.mark.timeout(280)

CANARY = "canary-Xq4Wm8Rt2Yp6"
PATHS = ["/v1/tokens/billing", "/v1/credentials/orders", "/oauth2/token", "/v1/status", "/"]
TABLES = f"""
[server]
listen = ["127.0.0.1:@PORT@"]
[aws]
region = "{world.REGION}"

{BILLING}
[credentials.base]
from = "ambient"

[credentials.orders]
from = "assume-role"
role_arn = "{world.ROLE_HUB}"
as = "credentials.base"
session_name = "broker"

[imds]
listen = "127.0.0.1:@IMDS@"
credentials = "credentials.orders"
caller = "me"

[egress.billing]
listen = "127.0.0.1:@EGRESS@"
upstream = "@NAIVE@"
caller = "me"
bearer = "tokens.billing"

[callers.me]
allow = ["tokens.billing", "credentials.orders"]
uid = {os.getuid()}

[callers.anonymous]
allow = ["tokens.billing", "credentials.orders"]
"""


class Naive(http.server.BaseHTTPRequestHandler):
    """What the daemon must not be: it asks nobody who he is, and hands its canary to anybody."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.server.asked.append((self.command, self.path))
        self.rfile.read(int(self.headers.get("content-length") or 0))
        kind = {"script": "text/javascript", "worker": "text/javascript", "style": "text/css"}.get(self.headers.get("sec-fetch-dest"), "text/html")
        body = f'window = globalThis; window.taken = "{CANARY}"; export default 1' if "javascript" in kind else CANARY
        if self.headers.get("accept") == "text/event-stream":
            kind, body = "text/event-stream", f"data: {CANARY}\n\n"
        if self.command == "HEAD":
            body = ""
        self.send_response(200)
        for name, value in [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("X-Canary", CANARY),
            ("Access-Control-Allow-Origin", self.headers.get("origin") or "*"),
            ("Access-Control-Allow-Headers", "*, Authorization"),
            ("Access-Control-Allow-Methods", "*"),
            ("Access-Control-Expose-Headers", "*"),
        ]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = answer

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def naive():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Naive)
    server.daemon_threads, server.asked = True, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def attacked(start_daemon, emulator, naive):
    """A daemon that serves this user, and anybody who means it, at three kinds of listeners; it holds what it serves."""
    imds, egress = free_port(), free_port()
    tables = TABLES.replace("@EMULATOR@", emulator.url).replace("@NAIVE@", f"http://127.0.0.1:{naive.server_port}")
    daemon = start_daemon(
        tables.replace("@IMDS@", str(imds)).replace("@EGRESS@", str(egress)),
        secrets_=DAEMON_SECRETS,
        env={"AWS_ENDPOINT_URL": emulator.url, "AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET},
    )
    daemon.imds, daemon.egress = imds, egress
    return daemon


@pytest.fixture
def attack(in_browser):
    """What a page at `home` gets hold of at each of `urls`, by each way of asking; `rebound` are names that lead to loopback."""
    def run(targets: list[dict], rebound: list[str] = ()) -> dict[str, dict[str, dict[str, str]]]:
        form = {"grant_type": "client_credentials", "client_id": "billing", "client_secret": "guessed"}
        headers = {"Credbroker-Request": "true", "Authorization": "Bearer guessed", "Metadata": "true"}
        asked = [{"headers": headers, "form": form, **one} for one in targets]
        return in_browser("attacker.mjs", {"rebound": list(rebound), "targets": asked}, timeout=240)

    return run


def readers(seen: dict[str, str], *secrets: str) -> set[str]:
    """The ways by which one of `secrets` was read."""
    return {way for way, read in seen.items() if any(secret in read for secret in secrets)}


def held(daemon, emulator) -> list[str]:
    """What the daemon hands out, fetched by a program of the same user; then nothing has been asked for."""
    meant = {"Credbroker-Request": "true"}
    token = daemon.eventually("/v1/tokens/billing", caller=None, Credbroker_Request="true").json()["access_token"]
    credentials = daemon.eventually("/v1/credentials/orders", caller=None, Credbroker_Request="true").json()
    assert request(f"http://127.0.0.1:{daemon.egress}/", headers=meant).text == CANARY, "the forward address serves a program"
    emulator.forget()
    return [token, credentials["SecretAccessKey"], credentials["Token"], credentials["AccessKeyId"]]


def handed_out(daemon) -> int:
    """How often anything was served, at all listeners together."""
    status = daemon.get("/v1/status", caller=None, Credbroker_Request="true").json()
    return sum(row["hits"] + row["stale"] + row["misses"] for kind in ("tokens", "credentials") for row in status[kind])


def urls(daemon, host: str) -> list[tuple[str, str]]:
    """Each listener with what is wanted there."""
    return [
        *((f"http://{host}:{daemon.port}", path) for path in PATHS),
        (f"http://{host}:{daemon.imds}", "/latest/api/token"),
        (f"http://{host}:{daemon.imds}", "/latest/meta-data/iam/security-credentials/orders"),
        (f"http://{host}:{daemon.egress}", "/"),
    ]


def nothing_was_read(seen, secrets: list[str], naive, emulator) -> None:
    assert seen
    for page, by_url in seen.items():
        for url, ways in by_url.items():
            assert len(ways) >= 30, ways
            assert readers(ways, *secrets, CANARY, "uptime_seconds", "Outage cover", "opened") == set(), (page, url)
    assert naive.asked == [], "nothing went through the forward address"
    assert emulator.journal() == [], "nothing was asked for upstream"


def test_the_ways_do_read_what_a_naive_server_says(attack, naive):
    """The control: the same page gets hold of the canary by each way that can read at all."""
    same = f"http://rebind.test:{naive.server_port}"
    other = f"http://localhost:{free_port()}/attack"
    own = [
        *("fetch", "fetch same-origin", "fetch with headers", "fetch HEAD", "fetch OPTIONS", "fetch PUT", "fetch POST form", "fetch POST text"),
        *("XMLHttpRequest", "XMLHttpRequest with headers", "form GET", "form POST", "iframe", "object", "EventSource", "a window"),
    ]
    foreign = ["fetch", "fetch with headers", "XMLHttpRequest with headers", "EventSource"]
    seen = attack(
        [
            {"name": "same", "home": f"{same}/attack", "urls": [f"{same}/x"], "wanted": own},
            {"name": "cross", "home": other, "urls": [f"{same}/x"], "wanted": foreign},
        ],
        rebound=["rebind.test"],
    )
    assert readers(seen["same"][f"{same}/x"], CANARY) >= {*own, "navigation"}, seen
    assert readers(seen["cross"][f"{same}/x"], CANARY) >= {*foreign}, seen
    assert {method for method, _ in naive.asked} >= {"GET", "HEAD", "POST", "PUT", "OPTIONS"}


def test_a_page_on_a_rebound_name_reads_nothing(attack, attacked, emulator, naive):
    """The page is of the same origin as the daemon: the browser holds nothing back, and the name is all that gives it away."""
    secrets = held(attacked, emulator)
    naive.asked.clear()
    before = handed_out(attacked)
    assert before > 0
    by_listener: dict[str, list[str]] = {}
    for origin, path in urls(attacked, "rebind.test"):
        by_listener.setdefault(origin, []).append(f"{origin}{path}")
    seen = attack(
        [{"name": origin, "home": f"{origin}/attack", "urls": found} for origin, found in by_listener.items()], rebound=["rebind.test"]
    )
    nothing_was_read(seen, secrets, naive, emulator)
    assert handed_out(attacked) == before, "nothing was served, whether it was read or not"
    assert seen[f"http://rebind.test:{attacked.port}"][f"http://rebind.test:{attacked.port}/v1/tokens/billing"]["fetch"].startswith("basic 403 ")


@pytest.mark.parametrize("home", ["http://localhost:@OTHER@/attack", "file", "data:text/html,<body></body>"], ids=["port", "file", "data"])
def test_a_page_from_elsewhere_reads_nothing(attack, attacked, emulator, naive, tmp_path, home):
    """The name is right here: another port of localhost, a file that somebody has opened, a page from nowhere."""
    secrets = held(attacked, emulator)
    naive.asked.clear()
    before = handed_out(attacked)
    assert before > 0
    if home == "file":
        page = tmp_path / "attack.html"
        page.write_text("<!doctype html><body></body>")
        home = f"file://{page}"
    home = home.replace("@OTHER@", str(free_port()))
    seen = attack([{"name": home, "home": home, "urls": [f"{origin}{path}" for origin, path in urls(attacked, "127.0.0.1")]}])
    nothing_was_read(seen, secrets, naive, emulator)
    assert handed_out(attacked) == before, "nothing was served, whether it was read or not"
