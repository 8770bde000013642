"""The servers we did not write, as fixtures: moto, ministack and oidc-provider, each on loopback."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import boto3
import botocore.config
import pytest

import world
from processes import Server, clean_environment, free_port, until

HERE = Path(__file__).resolve().parent
PYTHONS = HERE / ".venv" / "upstreams" / "bin"
NODE = HERE / "node"

# What signs the broker's requests to them; they take any key pair.
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAFOREIGNUPSTREAM0", "AWS_SECRET_ACCESS_KEY": "foreign/upstream+secret/access+key+00000"}
ROOT = {"AWS_ACCESS_KEY_ID": "AKIAFOREIGNROOT00000", "AWS_SECRET_ACCESS_KEY": "foreign/root+secret/access+key+000000000"}


@pytest.fixture
def foreign(processes, tmp_path):
    """Starts a server on loopback and waits until it accepts."""

    def start(name: str, command: list[str], **env: str) -> Server:
        port = free_port()
        home = tmp_path / name
        home.mkdir()
        server = processes.start(
            name,
            [part.replace("@PORT@", str(port)) for part in command],
            clean_environment(home, **{k: v.replace("@PORT@", str(port)).replace("@HOME@", str(home)) for k, v in env.items()}),
        )

        def accepts():
            server.must_live()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False

        until(accepts, 45, f"{name}'s listener")
        server.url = f"http://127.0.0.1:{port}"
        return server

    return start


@pytest.fixture
def moto(foreign) -> str:
    return foreign("moto", [str(PYTHONS / "moto_server"), "-H", "127.0.0.1", "-p", "@PORT@"]).url


# It would listen on every interface, keep its keys in a shared directory and open a port of its own for MQTT.
MINISTACK = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": "@PORT@", "STATE_DIR": "@HOME@/state", "IOT_MTLS_ENABLED": "0"}


@pytest.fixture
def ministack(foreign) -> str:
    return foreign("ministack", [str(PYTHONS / "ministack")], **MINISTACK).url


@pytest.fixture
def strict_ministack(foreign) -> str:
    """ministack with its IAM: it judges signatures, policies, trust and logins. `ROOT` is its administrator."""
    strict = {"AUTH": "true", "MINISTACK_ACCOUNT_ID": world.ACCOUNT, "MINISTACK_REGION": world.REGION}
    return foreign("ministack", [str(PYTHONS / "ministack")], **MINISTACK, **strict, **ROOT).url


def boto(service: str, url: str, keys: dict[str, str] = KEYS):
    """A client of `service` at `url`, with keys as the environment or as the daemon spells them."""
    return boto3.client(
        service,
        region_name=world.REGION,
        endpoint_url=url,
        aws_access_key_id=keys.get("AWS_ACCESS_KEY_ID") or keys["AccessKeyId"],
        aws_secret_access_key=keys.get("AWS_SECRET_ACCESS_KEY") or keys["SecretAccessKey"],
        aws_session_token=keys.get("Token"),
        config=botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=15, proxies={}),
    )


def user_pool(idp, password: str, secret: bool = False, name: str = "robot") -> tuple[str, dict]:
    """A user pool with the user `name`, and an app client that may sign it in by each flow."""
    pool = idp.create_user_pool(PoolName="robots")["UserPool"]["Id"]
    flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    app = idp.create_user_pool_client(UserPoolId=pool, ClientName="robots", GenerateSecret=secret, ExplicitAuthFlows=flows)
    idp.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
    idp.admin_set_user_password(UserPoolId=pool, Username=name, Password=password, Permanent=True)
    return pool, app["UserPoolClient"]


def identity(url: str, keys: dict) -> str:
    """Who the credentials of an answer are, by STS at `url`."""
    return boto("sts", url, keys).get_caller_identity()["Arn"]


class OidcProvider:
    """A running oidc-provider, and what it told of each request for a token."""

    def __init__(self, server: Server):
        self.server = server
        self.url = server.url

    def told(self, client: str) -> list[dict]:
        lines = [json.loads(line) for line in self.server.stdout.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["client"] == client]


@pytest.fixture
def oidc_provider(foreign, tmp_path):
    """Starts oidc-provider with the metadata of its clients (RFC 7591)."""

    def start(clients: list[dict]) -> OidcProvider:
        node = shutil.which("node")
        if not node or not (NODE / "node_modules").is_dir():
            pytest.fail("node or its packages are not installed; run tests/conformance/setup.sh", pytrace=False)
        metadata = tmp_path / "clients.json"
        metadata.write_text(json.dumps(clients))
        # Node 20 is older than it wants and enough for it; it says so at each start.
        return OidcProvider(foreign("oidc-provider", [node, str(NODE / "provider.mjs"), "@PORT@", str(metadata)], NODE_NO_WARNINGS="1"))

    return start
