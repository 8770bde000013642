"""AWS credentials from the daemon, by every way that unmodified SDKs know, and through `credbroker exec`.

Each client is a process of its own that is told nothing in code: what it finds in its environment is all it has. Who it then is to
STS says whose credentials it took. Another way to the credentials is one more row of WAYS, another SDK one more of CLIENTS.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import world
from conftest import CLIENTS as ENVIRONMENT
from conftest import HERE, TABLES, DAEMON_SECRETS
from processes import clean_environment, free_port, request, until

ORDERS = world.assumed_role("orders") + "orders"

BOTO3 = """
import boto3, sys
sts = boto3.client("sts")
for _ in range(int(sys.argv[1])):
    print(sts.get_caller_identity()["Arn"])
"""


@pytest.fixture
def command(credbroker):
    """The command line of a client that asks STS `times` times who it is, and prints an ARN a line."""
    rust = Path(credbroker).parent / "examples" / "demo"

    def line(client: str, times: int = 1) -> list[str]:
        return {
            "boto3": [sys.executable, "-c", BOTO3, str(times)],
            "aws-cli": [str(ENVIRONMENT / "aws"), "sts", "get-caller-identity", "--output", "text", "--query", "Arn"],
            "javascript": ["node", str(HERE / "node" / "caller_identity.mjs"), str(times)],
            "rust": [str(rust), "who-am-i", str(times)],
        }[client]

    return line


CLIENTS = ["boto3", "aws-cli", "javascript", "rust"]
# The AWS CLI is a process a request.
LASTING = [client for client in CLIENTS if client != "aws-cli"]


def container(daemon, name="orders", caller="orders", **_):
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{daemon.url}/v1/credentials/{name}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(daemon.token_file(caller)),
    }


def credential_process(daemon, credbroker, directory, name="orders", caller="orders"):
    config = directory / "aws-config"
    config.write_text(f"[default]\nregion = {world.REGION}\ncredential_process = {credbroker} credentials {name} --format process\n")
    known = {"CREDBROKER_URL": daemon.url, "CREDBROKER_TOKEN_FILE": str(daemon.token_file(caller))}
    return {**known, "AWS_CONFIG_FILE": str(config)}


# What is in the environment of a service, way by way.
WAYS = {"container": container, "credential_process": credential_process}


def printed(run) -> list[str]:
    """The ARNs."""
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def asked(daemon, name="credentials.orders") -> int:
    """How often the daemon was asked for `name`."""
    rows = [row for row in daemon.get("/v1/status").json()["credentials"] if row["name"] == name]
    return sum(row["hits"] + row["stale"] + row["misses"] for row in rows)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", WAYS)
def test_every_sdk_gets_the_daemons_credentials_by_every_way(broker, service, command, credbroker, tmp_path, way, client):
    known = WAYS[way](broker(), credbroker=credbroker, directory=tmp_path)
    assert printed(service(command(client), **known)) == [ORDERS]


@pytest.fixture
def capped(start_daemon, emulator):
    """Starts a daemon with credentials that live for `duration` only, and holds them."""

    def start(duration: str):
        entry = f"""
[credentials.capped]
from = "assume-role"
role_arn = "{world.ROLE_HUB}"
as = "credentials.base"
session_name = "{{caller}}"
duration = "{duration}"

[callers.capped]
allow = ["credentials.capped"]
token = {{ file = "@HOME@/callers/capped" }}
"""
        daemon = start_daemon(
            TABLES.replace("@EMULATOR@", emulator.url) + entry,
            secrets_=DAEMON_SECRETS | {"callers/capped": "c" * 64},
            env={
                "AWS_ENDPOINT_URL": emulator.url,
                "AWS_ACCESS_KEY_ID": world.BROKER_KEY,
                "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET,
            },
        )
        assert daemon.eventually("/v1/credentials/capped", "capped").status == 200
        return daemon

    return start


def requests_for_ten_uses(daemon, service, command) -> int:
    before = asked(daemon, "credentials.capped")
    arns = printed(service(command, **container(daemon, "capped", "capped")))
    assert arns == [world.assumed_role("hub") + "capped"] * 10
    return asked(daemon, "credentials.capped") - before


@pytest.mark.parametrize("client", LASTING)
def test_ten_uses_of_a_session_of_twenty_minutes_are_one_request(capped, service, command, emulator, client):
    daemon = capped("20m")
    assert requests_for_ten_uses(daemon, service, command(client, 10)) == 1
    assert len(emulator.asked("AssumeRole", role_arn=world.ROLE_HUB)) == 1


def test_what_boto3_finds_too_short_costs_nothing_upstream(capped, service, command, emulator):
    """It asks at each use once less than a quarter of an hour is left, which is why the daemon hands out more where it can."""
    daemon = capped("15m")
    assert requests_for_ten_uses(daemon, service, command("boto3", 10)) >= 10
    assert len(emulator.asked("AssumeRole", role_arn=world.ROLE_HUB)) == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_a_first_fetch_of_more_than_a_second_is_survived(broker, emulator, service, command, client):
    # Two roles, one after the other; the daemon says 503 within the second that JavaScript waits, and each SDK asks again.
    emulator.fault("AssumeRole", 2, {"delay": {"milliseconds": 800}})
    assert printed(service(command(client), **container(broker()))) == [ORDERS]


REFUSED = pytest.mark.parametrize(
    "name, caller, status, code, words",
    [
        pytest.param("orders", "nobody", 401, "UnknownCaller", "the caller is not known", id="nobody"),
        pytest.param("orders", "stranger", 403, "AccessDenied", "may not have credentials.orders", id="not-allowed"),
        pytest.param("nothing", "orders", 404, "NotFound", "credentials.nothing is not configured", id="no-such-name"),
    ],
)


@pytest.fixture
def refused(broker):
    """A daemon, and the environment of a service that it refuses."""

    def start(name: str, caller: str):
        daemon = broker()
        if caller == "nobody":
            daemon.token_file("nobody").write_text("0" * 64)
        return daemon, container(daemon, name, caller)

    return start


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refusal_is_told_without_the_token(refused, service, command, emulator, client):
    daemon, known = refused("orders", "stranger")
    run = service(command(client), **known)
    assert run.returncode != 0
    assert daemon.caller_token("stranger") not in run.stdout + run.stderr
    # The SDK for Rust drops the body of what is no success, and the chain of that for JavaScript what its provider says.
    assert "may not have credentials.orders" in run.stderr or client in ("rust", "javascript"), run.stderr
    assert emulator.journal() == []


@REFUSED
def test_a_refusal_as_javascript_reads_it(refused, service, name, caller, status, code, words):
    _, known = refused(name, caller)
    run = service(["node", str(HERE / "node" / "from_http.mjs")], **known)
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["thrown"] == f"Server responded with status: {status}"
    assert said["Code"] == code and words in said["Message"]


def test_a_source_that_is_down_is_a_503_that_sdks_can_read(broker, emulator):
    emulator.fault("AssumeRole", 50, {"status": {"status": 503}})
    daemon = broker()

    def settled():
        found = daemon.get("/v1/credentials/orders")
        return None if "ask again" in found.text else found

    answer = until(settled, 15, "the end of the first fetch")
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    said = answer.json()
    assert said["code"] == said["Code"] and said["message"] == said["Message"]


def test_head_is_get_without_a_body(broker):
    daemon = broker()
    whole = daemon.eventually("/v1/credentials/orders")
    head = request(f"{daemon.url}/v1/credentials/orders", "HEAD", {"Authorization": daemon.caller_token("orders")})
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


# ---- exec --------------------------------------------------------------------------------------------------------------------------

KEY = {"AWS_ACCESS_KEY_ID": "AKIASHADOWSHADOW0001", "AWS_SECRET_ACCESS_KEY": "shadow"}

# Everything that goes before the container provider in some SDK, or leads that astray.
VARIABLES = {
    **KEY,
    "AWS_SESSION_TOKEN": "shadow",
    "AWS_SECURITY_TOKEN": "shadow",
    "AWS_CREDENTIAL_EXPIRATION": "2000-01-01T00:00:00Z",
    "AWS_ACCESS_KEY": "AKIASHADOWSHADOW0002",
    "AWS_SECRET_KEY": "shadow",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/shadow",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "shadow",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nonexistent",
    "AWS_PROFILE": "shadow",
    "AWS_DEFAULT_PROFILE": "shadow",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent",
    "AWS_ROLE_ARN": "arn:aws:iam::999999999999:role/shadow",
    "AWS_ROLE_SESSION_NAME": "shadow",
    "AWS_CREDENTIAL_FILE": "/nonexistent",
}

STATIC = "aws_access_key_id = AKIASHADOWSHADOW0003\naws_secret_access_key = shadow\n"
REGION = f"region = {world.REGION}\n"

# What may be in the user's directory.
FILES = {
    "a-key-in-the-credentials-file": {".aws/config": "[default]\n" + REGION, ".aws/credentials": "[default]\n" + STATIC},
    "a-key-in-the-config-file": {".aws/config": "[default]\n" + REGION + STATIC},
    "a-process": {".aws/config": "[default]\n" + REGION + "credential_process = /bin/false\n"},
    "a-role": {
        ".aws/config": f"[default]\n{REGION}role_arn = arn:aws:iam::999999999999:role/shadow\nsource_profile = base\n[profile base]\n{STATIC}"
    },
    "single-sign-on": {
        ".aws/config": f"[default]\n{REGION}sso_start_url = https://shadow.example\nsso_region = {world.REGION}\n"
        "sso_account_id = 999999999999\nsso_role_name = shadow\n"
    },
    "boto-2": {".aws/config": "[default]\n" + REGION, ".boto": "[Credentials]\n" + STATIC},
    "a-named-profile": {".aws/config": f"[profile shadow]\n{REGION}", ".aws/credentials": "[shadow]\n" + STATIC},
}


@pytest.fixture
def shadowed(tmp_path, emulator):
    """Runs a program in a user's directory with `files`, and an environment that says nothing but `env`: not even the region."""

    def run(command: list[str], files: dict[str, str], **env: str) -> subprocess.CompletedProcess:
        home = tmp_path / "shadowed"
        for name, text in files.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text)
        home.mkdir(exist_ok=True)
        environment = clean_environment(home, AWS_ENDPOINT_URL_STS=emulator.url, **env)
        return subprocess.run(
            command, env=environment, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )

    return run


def executed(credbroker, daemon, command):
    """The command line, and what `credbroker exec` has to be told."""
    told = {"CREDBROKER_URL": daemon.url, "CREDBROKER_TOKEN_FILE": str(daemon.token_file("orders"))}
    return [credbroker, "exec", "--credentials", "orders", "--", *command], told


@pytest.mark.parametrize("client", CLIENTS)
def test_exec_with_all_shadowing_variables_set(broker, shadowed, command, credbroker, client):
    daemon = broker()
    region = {"AWS_REGION": world.REGION, "AWS_DEFAULT_REGION": world.REGION}
    line, told = executed(credbroker, daemon, command(client))
    assert printed(shadowed(line, {}, **{**VARIABLES, **region, **told})) == [ORDERS]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("shadow", FILES)
def test_exec_with_files_that_shadow(broker, shadowed, command, credbroker, shadow, client):
    daemon = broker()
    line, told = executed(credbroker, daemon, command(client))
    # The region is said by the profile alone.
    more = {"AWS_PROFILE": "shadow"} if shadow == "a-named-profile" else {}
    assert printed(shadowed(line, FILES[shadow], **told, **more)) == [ORDERS]


@pytest.mark.parametrize("client", CLIENTS)
def test_exec_past_a_proxy(broker, shadowed, command, credbroker, client):
    daemon = broker()
    nobody = f"http://127.0.0.1:{free_port()}"
    proxies = {"HTTP_PROXY": nobody, "http_proxy": nobody, "ALL_PROXY": nobody, "NODE_USE_ENV_PROXY": "1"}
    line, told = executed(credbroker, daemon, command(client))
    region = {"AWS_REGION": world.REGION, "AWS_DEFAULT_REGION": world.REGION}
    assert printed(shadowed(line, {}, **told, **region, **proxies)) == [ORDERS]


@pytest.mark.parametrize("client", CLIENTS)
def test_exec_by_a_caller_that_is_known_by_its_uid_alone(start_daemon, emulator, shadowed, command, credbroker, client):
    """No token anywhere: what the SDK shows is no secret, and who asks is the kernel's word."""
    by_uid = f'\n[callers.by-uid]\nallow = ["credentials.orders"]\nuid = {os.geteuid()}\n'
    keys = {"AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET}
    tables = TABLES.replace("@EMULATOR@", emulator.url) + by_uid
    daemon = start_daemon(tables, secrets_=DAEMON_SECRETS, env={"AWS_ENDPOINT_URL": emulator.url, **keys})
    line = [credbroker, "exec", "--credentials", "orders", "--", *command(client)]
    region = {"AWS_REGION": world.REGION, "AWS_DEFAULT_REGION": world.REGION}
    run = shadowed(line, {}, **{**VARIABLES, **region}, CREDBROKER_URL=daemon.url)
    assert printed(run) == [world.assumed_role("orders") + "by-uid"]


@pytest.mark.parametrize("client", CLIENTS)
def test_what_shadows_does_shadow(broker, shadowed, command, client):
    """The proof that the tests above prove something: with the same in the way and no exec, nobody asks the daemon."""
    daemon = broker()
    region = {"AWS_REGION": world.REGION, "AWS_DEFAULT_REGION": world.REGION}
    for files, variables in [({}, KEY), (FILES["a-key-in-the-credentials-file"], {})]:
        run = shadowed(command(client), files, **region, **container(daemon), **variables)
        assert run.returncode != 0, run.stdout
    assert asked(daemon) == 0


# ---- doctor ------------------------------------------------------------------------------------------------------------------------

FAMILIES = {"boto3": "boto3, AWS CLI", "javascript": "JavaScript v3", "rust": "Rust"}
WEB_IDENTITY = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent", "AWS_ROLE_ARN": "arn:aws:iam::999999999999:role/shadow"}
OWN_PROCESS = "credential_process = @CREDBROKER@ credentials orders\n"

# Files and variables beside those of the container provider.
SCENES = {
    "nothing-else": ({}, {}),
    "a-key": ({}, KEY),
    "half-a-key": ({}, {"AWS_ACCESS_KEY_ID": KEY["AWS_ACCESS_KEY_ID"]}),
    "a-key-as-go-reads-it": ({}, {"AWS_ACCESS_KEY": "AKIASHADOWSHADOW0002", "AWS_SECRET_KEY": "shadow"}),
    "a-web-identity": ({}, WEB_IDENTITY),
    "half-a-web-identity": ({}, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent"}),
    "a-role-in-a-task": ({}, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/shadow"}),
    "an-empty-relative-uri": ({}, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ""}),
    "a-profile-that-is-not-there": ({}, {"AWS_PROFILE": "gone"}),
    "botocores-own-name-for-a-profile": (FILES["a-named-profile"], {"AWS_DEFAULT_PROFILE": "shadow"}),
    "a-named-profile": (FILES["a-named-profile"], {"AWS_PROFILE": "shadow"}),
    "a-profile-nobody-names": (FILES["a-named-profile"], {}),
    "a-key-and-a-profile": ({".aws/config": f"[profile ours]\n{OWN_PROCESS}"}, KEY | {"AWS_PROFILE": "ours"}),
    "a-web-identity-and-a-profile": ({".aws/config": f"[default]\n{OWN_PROCESS}"}, WEB_IDENTITY),
    "our-process-in-a-task": (
        {".aws/config": f"[default]\n{OWN_PROCESS}"},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/shadow"},
    ),
    "localhost": ({}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost:@PORT@/v1/credentials/orders"}),
    "every-address": ({}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://0.0.0.0:@PORT@/v1/credentials/orders"}),
    **{name: (files, {}) for name, files in FILES.items() if name not in ("a-named-profile", "a-process")},
}


@pytest.mark.parametrize("scene", SCENES)
def test_each_sdk_does_what_the_doctor_says(broker, shadowed, command, credbroker, scene):
    daemon = broker()
    assert daemon.eventually("/v1/credentials/orders").status == 200
    files, variables = SCENES[scene]
    files = {name: text.replace("@CREDBROKER@", credbroker) for name, text in files.items()}
    known = {
        "AWS_REGION": world.REGION,
        "AWS_DEFAULT_REGION": world.REGION,
        "CREDBROKER_URL": daemon.url,
        "CREDBROKER_TOKEN_FILE": str(daemon.token_file("orders")),
        **container(daemon),
        **{name: value.replace("@PORT@", str(daemon.port)) for name, value in variables.items()},
    }
    examined = shadowed([credbroker, "doctor", "--json"], files, **known)
    said = json.loads(examined.stdout)
    assert examined.returncode == (0 if said["well"] else 1)
    picks = {row["sdk"]: row for row in said["sdks"]}
    predicted = {client: picks[family]["daemon"] for client, family in FAMILIES.items()}
    runs = {client: shadowed(command(client), files, **known) for client in FAMILIES}
    seen = {client: run.returncode == 0 and run.stdout.split() == [ORDERS] for client, run in runs.items()}
    assert seen == predicted, [(picks[FAMILIES[client]]["because"], run.stderr[-400:]) for client, run in runs.items()]
