"""The page at `/` in Chromium, saved by `credbroker status --page` and live through a proxy over the unix socket; and `status --watch` on a
terminal.

SCREENSHOTS=DIRECTORY keeps pictures of the page, for somebody to look at.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

import world
from conftest import DAEMON_SECRETS, ROOT
from processes import clean_environment, free_port, request, until

LOOKS = [{"width": width, "scheme": scheme} for width in (400, 1280) for scheme in ("light", "dark")]


def m2m(name: str, hosted: bool) -> str:
    """A machine client's token; that of `mail` is due early in its life."""
    domain = 'domain = "@EMULATOR@"\n' if hosted else ""
    return f"""
[tokens.{name}]
from = "cognito"
user_pool = "{world.USER_POOL}"
{domain}client_id = "{world.M2M_CLIENT}"
client_secret = {{ file = "@HOME@/billing.secret" }}
scopes = ["billing/read"]
{"ahead = 0.1" if name == "mail" else ""}
"""


def role(name: str, more: str) -> str:
    arn = world.ROLE_HUB if name == "hub" else world.ROLE_ORDERS
    return f'[credentials.{name}]\nfrom = "assume-role"\nrole_arn = "{arn}"\n{more}\n'


MACHINES = ["billing", "ledger", "invoices", "payments", "payroll", "shipping", "inventory-of-the-northern-warehouses", "search", "mail"]
ROLES = ["orders", "reports", "exports", "audit", "archive", "metrics", "backups", "cleanup"]
TABLES = "".join(
    [
        f'[server]\nlisten = ["127.0.0.1:@PORT@", "unix:@HOME@/api.sock"]\n[aws]\nregion = "{world.REGION}"\n',
        *(m2m(name, hosted=number % 2 == 0) for number, name in enumerate(MACHINES)),
        # Nobody listens there: this is the outage.
        '[tokens.partner]\nfrom = "oauth2"\ntoken_endpoint = "http://127.0.0.1:9/token"\nclient_id = "credbroker"\nclient_auth = "basic"\n'
        'client_secret = { file = "@HOME@/billing.secret" }\n',
        f'[tokens.robot]\nfrom = "cognito-user"\nuser_pool = "{world.USER_POOL}"\nclient_id = "{world.ROBOT_CLIENT}"\n'
        f'username = "{world.ROBOT_USER}"\npassword = {{ file = "@HOME@/robot.password" }}\n',
        '[tokens.proof]\nfrom = "sts"\naudience = ["https://login.partner.example"]\nalgorithm = "ES384"\n',
        '[credentials.base]\nfrom = "ambient"\n',
        role("hub", 'as = "credentials.base"'),
        *(role(name, 'as = "credentials.hub"\nsession_name = "{caller}"') for name in ROLES),
        *(
            f'[credentials.{name}]\nfrom = "identity-pool"\nidentity_pool = "{world.IDENTITY_POOL}"\n{login}\n'
            for name, login in [
                ("uploads", 'login = "tokens.robot"'),
                ("tenant", f'login = {{ provider = "{world.DEVELOPER_PROVIDER}", user = "{{caller}}" }}'),
                ("theirs", 'login = "caller"\nissuer = "issuers.users"'),
            ]
        ),
        *(
            f'[issuers.{name}]\nuser_pool = "{world.USER_POOL}"\ntoken_use = "{use}"\n'
            for name, use in [("services", "access"), ("users", "id"), ("back-office", "access"), ("admins", "id"), ("partners", "access")]
        ),
    ]
)
TOKENS = [*MACHINES, "partner", "robot", "proof"]
CREDENTIALS = ["base", "hub", *ROLES, "uploads", "tenant", "theirs"]
ISSUERS = ["services", "users", "back-office", "admins", "partners"]
NAMES = [f"tokens.{n}" for n in TOKENS] + [f"credentials.{n}" for n in CREDENTIALS] + [f"issuers.{n}" for n in ISSUERS]
DEGRADED = "tokens.mail"


@pytest.fixture
def house(start_daemon, emulator):
    """Thirty entries, most of them held, some never asked for."""
    assert len(NAMES) == 30
    allow = json.dumps([name for name in NAMES if name != "credentials.theirs"])
    callers = f'[callers.orders]\nallow = {allow}\ntoken = {{ file = "@HOME@/callers/orders" }}\n[callers.me]\nallow = []\nuid = {os.getuid()}\n'
    daemon = start_daemon(
        (TABLES + callers).replace("@EMULATOR@", emulator.url),
        secrets_=DAEMON_SECRETS,
        env={"AWS_ENDPOINT_URL": emulator.url, "AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET},
    )
    for name in TOKENS[:-1]:
        if name not in ("partner", "mail"):
            assert daemon.eventually(f"/v1/tokens/{name}").status == 200, name
    for name in (*ROLES[:6], "uploads", "tenant"):
        assert daemon.eventually(f"/v1/credentials/{name}").status == 200, name
    for number in range(120):
        daemon.get(f"/v1/tokens/{MACHINES[number % 5]}")
    return daemon


@pytest.fixture
def daemon(house, emulator):
    """The same in an outage: `tokens.partner` cannot be had, and `tokens.mail` not be renewed."""
    daemon = house
    # It is due after six seconds, and its renewal fails.
    emulator.lifetime("token", 60)
    assert daemon.eventually("/v1/tokens/mail").status == 200
    emulator.fault("token", 1000, {"status": {"status": 503, "body": ""}})
    assert daemon.get("/v1/tokens/partner").status in (502, 503, 504)
    until(lambda: row(daemon, "tokens.partner")["state"] == "failed", 15, "the outage")
    until(lambda: row(daemon, DEGRADED)["state"] == "degraded", 30, "a failed renewal")
    return daemon


def row(daemon, name: str) -> dict:
    status = daemon.get("/v1/status").json()
    return next(one for kind in ("tokens", "credentials", "issuers") for one in status[kind] if one["name"] == name)


@pytest.fixture
def proxy(daemon, nginx_with, tmp_path):
    """nginx before the page, as docs/status.md has it: it knows who looks, and asks over the unix socket with the uid of a caller."""
    port, users = free_port(), tmp_path / "users"
    users.write_text("ann:{PLAIN}looks\n")
    server = re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "status.md").read_text(), re.S)[1]
    for documented, here in [
        ("127.0.0.1:8080", f"127.0.0.1:{port}"),
        ("/etc/nginx/credbroker.users", str(users)),
        ("/run/credbroker/api.sock", str(daemon.directory / "api.sock")),
    ]:
        assert documented in server
        server = server.replace(documented, here)
    nginx_with(server, lambda: request(f"http://127.0.0.1:{port}/").status == 401)
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def browse(in_browser):
    pictures = os.environ.get("SCREENSHOTS")

    def look(url: str, name: str, looks: list[dict] = LOOKS, login: dict | None = None) -> dict:
        if pictures:
            looks = [{**look, "screenshot": f"{pictures}/{name}-{look['width']}-{look['scheme']}.png"} for look in looks]
        return in_browser("browser.mjs", {"url": url, "looks": looks, "login": login}, timeout=120)

    return look


def saved(credbroker, daemon, tmp_path):
    """The page as `credbroker status --page` writes it."""
    file = tmp_path / "status.html"
    known = {"CREDBROKER_URL": daemon.url, "CREDBROKER_TOKEN_FILE": str(daemon.token_file("orders"))}
    ran = subprocess.run(
        [credbroker, "status", f"--page={file}"], env=clean_environment(tmp_path, **known), capture_output=True, text=True, timeout=20
    )
    assert ran.returncode == 0, ran.stderr
    return file


def is_good(seen: dict, url: str) -> None:
    assert seen["requests"] == [f"GET {url}"], "nothing but the document is asked for"
    assert seen["console"] == []
    assert seen["focus"][0] == "Skip to the entries", seen["focus"]
    assert "tokens.partner" in seen["focus"], seen["focus"]
    assert re.search(r"2 entries need attention", seen["title"]), seen["title"]
    for look in seen["looks"]:
        which = (look["width"], look["scheme"])
        assert max(look["scrollWidth"], look["unfoldedWidth"]) <= look["width"], f"{which}: one has to scroll sideways"
        assert look["unfoldedText"].count("Outage cover") >= 20 and "Outage cover" not in look["text"], f"{which}: details are folded"
        assert [name for name in NAMES if name not in look["text"]] == [], which
        # The outage: in plain words, at the top and at the entry, with what to do.
        for words in ("1 of 30 entries cannot be served, 1 cannot be renewed.", "The source cannot be reached", "127.0.0.1:9", "Nothing valid is held"):
            assert words in look["text"], (which, words)
        for words in ("Cognito token fees saved", "an estimate", "expires in", "credentials.hub"):
            assert words in look["text"], (which, words)
        assert look["violations"] == [], which
        assert "color-contrast" in look["passed"], which
        # It stays a table for those who hear it, also where it looks like cards.
        roles = look["roles"]
        # One table for each kind of entry, and one each for the clock and the configuration.
        assert roles.get("table") == 5 and roles.get("rowheader") == 32, (which, roles)
        assert roles.get("columnheader", 0) >= 15 and roles.get("main") == 1 and roles.get("navigation") == 1, (which, roles)
    light, dark = ({look["ground"] for look in seen["looks"] if look["scheme"] == scheme} for scheme in ("light", "dark"))
    assert len(light) == len(dark) == 1 and light != dark, "two schemes"


def test_the_page_as_it_is_saved(credbroker, daemon, tmp_path, browse):
    file = saved(credbroker, daemon, tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    is_good(browse(f"file://{file}", "saved"), f"file://{file}")


def test_the_page_through_nginx_over_the_unix_socket(proxy, browse):
    seen = browse(f"{proxy}/", "live", login={"username": "ann", "password": "looks"})
    assert seen["status"] == 200
    assert "frame-ancestors 'none'" in seen["headers"]["content-security-policy"]
    is_good(seen, f"{proxy}/")

    known = {"Authorization": "Basic " + base64.b64encode(b"ann:looks").decode()}
    assert request(f"{proxy}/?refresh=10", headers=known).headers["refresh"] == "10"
    for path, method, status in [("/v1/status", "GET", 404), ("/v1/tokens/billing", "GET", 404), ("/", "POST", 403)]:
        assert request(f"{proxy}{path}", method, known).status == status, (method, path)


def test_a_browser_that_asks_by_itself_is_refused(house, browse):
    seen = browse(f"{house.url}/", "refused", [])
    assert seen["status"] == 403


def test_what_gets_into_the_page_runs_and_loads_nothing(credbroker, daemon, tmp_path, browse):
    """Were a name ever written unescaped, the policy inside the document would still hold."""
    file = saved(credbroker, daemon, tmp_path)
    foreign = '<script>document.title = "taken over"</script><img src="http://127.0.0.1:9/x" onerror="document.title = 1"><style>body{display:none}</style>'
    file.write_text(file.read_text().replace("</main>", f"{foreign}</main>"))
    seen = browse(f"file://{file}", "foreign", [])
    assert "attention" in seen["title"]
    assert sum("Content Security Policy" in said for said in seen["console"]) >= 3, seen["console"]


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], env: dict[str, str], columns: int, rows: int):
        self.ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self.process = subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.printed = b""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self) -> None:
        while select.select([self.ours], [], [], 0.02)[0]:
            try:
                piece = os.read(self.ours, 65536)
            except OSError:  # the other side has closed
                return
            if not piece:
                return
            self.printed += piece

    def frames(self) -> list[str]:
        self.read()
        return self.printed.decode().split("\x1b[?2026h")[1:]

    def until(self, words: str, after: int = 0) -> str:
        """The first complete frame with `words` in it, after so many."""
        found = lambda: next((frame for frame in self.frames()[after:] if words in frame and "\x1b[?2026l" in frame), None)
        return until(found, 15, f"{words!r} on the screen")

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        deadline = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        if self.process.poll() is None:
            self.process.kill()
        self.read()
        os.close(self.ours)
        return self.process.wait(5)


def lines(frame: str) -> list[str]:
    # The terminal itself makes a carriage return of its own of each line's end.
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame.split("\x1b[?2026l")[0])
    return [line.rstrip("\r") for line in shown.split("\n")]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_watch_draws_in_place_and_gives_the_terminal_back(credbroker, house, tmp_path, how):
    daemon = house
    known = {"CREDBROKER_URL": daemon.url, "CREDBROKER_TOKEN_FILE": str(daemon.token_file("orders")), "TERM": "xterm-256color"}
    terminal = Terminal([credbroker, "status", "--watch=1s"], clean_environment(tmp_path, **known), 100, 60)
    frame = terminal.until("tokens.billing")
    assert "\x1b[32mfresh" in frame and "━" in frame, frame
    assert all(len(line) <= 100 for line in lines(frame)) and len(lines(frame)) <= 60, lines(frame)
    terminal.until("tokens.billing", after=2)

    terminal.resize(50, 20)
    before = len(terminal.frames())
    terminal.process.send_signal(signal.SIGWINCH)
    frame = terminal.until("more lines", after=before)
    assert all(len(line) <= 50 for line in lines(frame)) and len(lines(frame)) == 20, lines(frame)

    # Told once it would go on for as long as it is watched, up to its `drain`.
    daemon.server.hurry()
    daemon.server.stop()
    frame = terminal.until("daemon not reachable since")
    assert "What it said last" in frame, frame
    assert terminal.end(how) == 3, "the last look found nobody"
    whole = terminal.printed.decode()
    assert whole.startswith("\x1b[?1049h\x1b[?25l") and whole.endswith("\x1b[?25h\x1b[?1049l"), whole[-200:]


def test_watch_without_colours(credbroker, house, tmp_path):
    daemon = house
    known = {"CREDBROKER_URL": daemon.url, "CREDBROKER_TOKEN_FILE": str(daemon.token_file("orders")), "TERM": "xterm", "NO_COLOR": "1"}
    terminal = Terminal([credbroker, "status", "--watch=1s"], clean_environment(tmp_path, **known), 100, 60)
    frame = terminal.until("tokens.billing")
    assert not re.search(r"\x1b\[[0-9;]*m", frame), frame
    assert terminal.end(signal.SIGINT) == 0
