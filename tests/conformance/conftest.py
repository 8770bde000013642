"""Fixtures of the conformance tests: the emulator, the daemon, and an environment in which nothing of the developer's own shell counts."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.config
import pytest

import world
from processes import Daemon, Emulator, Processes, clean_environment, free_port, request, until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLIENTS = Path(sys.executable).parent

pytest_plugins = ["upstreams", "nginx"]


def binary(variable: str, name: str) -> str:
    path = Path(os.environ.get(variable, ROOT / "target" / "debug" / name))
    if not path.is_file():
        # A failure, never a skip: `make conformance` builds both, so a missing one means nothing was tested.
        pytest.fail(f"{name} is not built ({path}); run `make conformance`, or set {variable}", pytrace=False)
    return str(path)


@pytest.fixture(scope="session")
def credbroker() -> str:
    """The daemon's binary."""
    return binary("CREDBROKER_BIN", "credbroker")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """boto3 in this process sees no variable, file or proxy but what a test gives it."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "CREDBROKER_TOKEN", "CREDBROKER_URL")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The machine's Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "chromium is not installed; tests/conformance/setup.sh says how"
    return found


@pytest.fixture
def in_browser(chromium, tmp_path):
    """Runs one of the scripts in `node/` that drive a browser: what it is to do goes in as JSON, what it saw comes out as JSON."""

    def run(script: str, what: dict, timeout: int) -> dict:
        command = ["node", str(HERE / "node" / script)]
        asked = json.dumps({"browser": chromium, **what})
        ran = subprocess.run(command, input=asked, env=clean_environment(tmp_path), capture_output=True, text=True, timeout=timeout)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run


@pytest.fixture
def processes(tmp_path):
    (tmp_path / "printed").mkdir()
    group = Processes(tmp_path / "printed")
    yield group
    group.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of what its servers printed."""
    report = (yield).get_result()
    group = getattr(item, "funcargs", {}).get("processes")
    if report.failed and group:
        for server in group.servers:
            report.sections.append((f"printed by {server.name}", server.printed[-6000:].decode(errors="replace")))


@pytest.fixture
def emulator(processes) -> Emulator:
    server = processes.start(
        "emulator",
        [binary("CREDBROKER_EMULATOR_BIN", "credbroker-emulator"), "--world", str(ROOT / "tests/emulator/world.toml"), "--listen", "127.0.0.1:0"],
        clean_environment(processes.directory),
    )

    def announced():
        server.must_live()
        for line in server.printed.decode().splitlines():
            if "listening on " in line:
                return line.split("listening on ", 1)[1].strip()

    server.url = until(announced, 30, "the emulator's announcement of its address")
    until(lambda: request(f"{server.url}/_emulator/health").status == 200, 10, "the emulator's health")
    return Emulator(server)


@pytest.fixture
def client(emulator):
    """Makes boto3 clients that talk to the emulator, with the broker's keys unless told otherwise."""

    def make(service: str, key: str = world.BROKER_KEY, secret: str = world.BROKER_SECRET, token: str | None = None, url: str | None = None):
        return boto3.client(
            service,
            region_name=world.REGION,
            endpoint_url=url or emulator.url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            # One attempt: a refusal must be seen, not repeated.
            config=botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=15, proxies={}),
        )

    return make


@pytest.fixture
def start_daemon(credbroker, processes, tmp_path):
    """Starts daemons. Callers `orders` and `stranger` have token files without a newline, as SDKs want them."""

    def start(tables: str, *, log: str = "info", env: dict[str, str] | None = None, secrets_: dict[str, str] | None = None) -> Daemon:
        port = free_port()
        home = tmp_path / f"daemon-{port}"
        (home / "callers").mkdir(parents=True)
        for caller in ("orders", "stranger"):
            path = home / "callers" / caller
            path.write_text(secrets.token_hex(32))
            path.chmod(0o400)
        for name, value in (secrets_ or {}).items():
            (home / name).write_text(value)
        config = home / "credbroker.toml"
        config.write_text(tables.replace("@HOME@", str(home)).replace("@PORT@", str(port)))
        server = processes.start(
            "credbroker",
            [credbroker, "run", "--config", str(config)],
            clean_environment(home, CREDBROKER_LOG=log, **(env or {})),
        )
        server.url = f"http://127.0.0.1:{port}"

        def healthy():
            server.must_live()
            try:
                return request(f"{server.url}/healthz", timeout=1).status == 200
            except OSError:
                return False

        until(healthy, 20, "the daemon's /healthz")
        return Daemon(server, port, home)

    return start


# What clients of the OAuth endpoints ask for: two tokens, and the credentials of a subject token's user.
FOR_CLIENTS = f"""
[server]
listen = ["127.0.0.1:@PORT@"]
[aws]
region = "{world.REGION}"
[tokens.billing]
from = "cognito"
user_pool = "{world.USER_POOL}"
domain = "@EMULATOR@"
client_id = "{world.M2M_CLIENT}"
client_secret = {{ file = "@HOME@/billing.secret" }}
scopes = ["billing/read", "billing/write"]
[tokens.others]
from = "cognito"
user_pool = "{world.USER_POOL}"
client_id = "{world.M2M_CLIENT}"
client_secret = {{ file = "@HOME@/billing.secret" }}
scopes = ["billing/read"]
[issuers.users]
user_pool = "{world.USER_POOL}"
token_use = "id"
clients = ["{world.ROBOT_CLIENT}"]
[credentials.uploads]
from = "identity-pool"
identity_pool = "{world.IDENTITY_POOL}"
login = "caller"
issuer = "issuers.users"
"""

# A token by the token endpoint.
BILLING = f"""
[tokens.billing]
from = "cognito"
user_pool = "{world.USER_POOL}"
domain = "@EMULATOR@"
client_id = "{world.M2M_CLIENT}"
client_secret = {{ file = "@HOME@/billing.secret" }}
scopes = ["billing/read"]
"""

# One configuration for every test against the emulator: a token by the token endpoint and one by GetClientToken, a chain
# of two roles, and a machine user's identity-pool credentials.
TABLES = f"""
[server]
listen = ["127.0.0.1:@PORT@"]

[aws]
region = "{world.REGION}"

{BILLING}
[tokens.billing-api]
from = "cognito"
user_pool = "{world.USER_POOL}"
client_id = "{world.M2M_CLIENT}"
client_secret = {{ file = "@HOME@/billing.secret" }}
scopes = ["billing/read"]

[tokens.broken]
from = "cognito"
user_pool = "{world.USER_POOL}"
domain = "@EMULATOR@"
client_id = "{world.M2M_CLIENT}"
client_secret = {{ file = "@HOME@/wrong.secret" }}
scopes = ["billing/read"]

[tokens.robot]
from = "cognito-user"
user_pool = "{world.USER_POOL}"
client_id = "{world.ROBOT_CLIENT}"
username = "{world.ROBOT_USER}"
password = {{ file = "@HOME@/robot.password" }}
flow = "user-password"
use = "id"

[credentials.base]
from = "ambient"

[credentials.hub]
from = "assume-role"
role_arn = "{world.ROLE_HUB}"
as = "credentials.base"
session_name = "credbroker"

[credentials.orders]
from = "assume-role"
role_arn = "{world.ROLE_ORDERS}"
as = "credentials.hub"
session_name = "{{caller}}"

[credentials.uploads]
from = "identity-pool"
identity_pool = "{world.IDENTITY_POOL}"
login = "tokens.robot"

[callers.orders]
allow = ["tokens.billing", "tokens.billing-api", "tokens.broken", "tokens.robot", "credentials.orders", "credentials.uploads"]
token = {{ file = "@HOME@/callers/orders" }}

[callers.stranger]
allow = ["tokens.robot"]
token = {{ file = "@HOME@/callers/stranger" }}
"""

# The broker's wrong secret: high in entropy, so that the search for leaks can look for pieces of it.
WRONG_SECRET = "wr0ng" + "Kq7vX2mZp9LtB4nYc8Rj" + "0123456789"

DAEMON_SECRETS = {"billing.secret": world.M2M_SECRET + "\n", "robot.password": world.ROBOT_PASSWORD, "wrong.secret": WRONG_SECRET}


@pytest.fixture
def broker(start_daemon, emulator):
    """Starts the daemon in front of the emulator; `log` is its CREDBROKER_LOG, `more` further tables, `files` what lies beside them."""

    def start(log: str = "debug", more: str = "", files: dict[str, str] | None = None) -> Daemon:
        return start_daemon(
            TABLES.replace("@EMULATOR@", emulator.url) + more,
            log=log,
            secrets_=DAEMON_SECRETS | (files or {}),
            env={
                "AWS_ENDPOINT_URL": emulator.url,
                "AWS_ACCESS_KEY_ID": world.BROKER_KEY,
                "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET,
            },
        )

    return start


@pytest.fixture
def service(tmp_path, emulator):
    """Runs a program the way a service beside the broker runs: it knows a region, where STS is, and what `env` adds. Nothing else."""

    def run(command: list[str], seconds: float = 90, **env: str) -> subprocess.CompletedProcess:
        home = tmp_path / "service"
        home.mkdir(exist_ok=True)
        return subprocess.run(
            command,
            env=clean_environment(home, AWS_REGION=world.REGION, AWS_DEFAULT_REGION=world.REGION, AWS_ENDPOINT_URL_STS=emulator.url, **env),
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    return run
