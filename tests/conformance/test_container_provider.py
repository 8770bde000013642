"""AWS credentials from the daemon, taken by AWS's own software through the container credentials provider.

Each client is a process of its own that knows a region, where the daemon is and where its caller token is: what a
service's unit file or task definition holds. That STS's address is given too is the test's doing, not the user's.
"""

import hmac
import json
import os
import secrets
import subprocess
import sys

import pytest

import world
from conftest import CLIENTS, DAEMON_SECRETS, TABLES

IDENTITY = "import boto3, json; print(json.dumps(boto3.client('sts').get_caller_identity()))"
FROZEN = """
import boto3, json
held = boto3.Session().get_credentials()
frozen = held.get_frozen_credentials()
print(json.dumps({"method": held.method, "key": frozen.access_key, "account": frozen.account_id}))
"""


def provider(daemon, name="orders", caller="orders"):
    """The two variables of the container provider."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{daemon.url}/v1/credentials/{name}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(daemon.token_file(caller)),
    }


def printed(run) -> dict:
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def stages(emulator) -> dict[str, int]:
    """How often each role was assumed."""
    return {role: len(emulator.asked("AssumeRole", role_arn=role)) for role in (world.ROLE_HUB, world.ROLE_ORDERS)}


def test_boto3_gets_the_identity_of_the_assumed_role(broker, service, emulator):
    identity = printed(service([sys.executable, "-c", IDENTITY], **provider(broker())))
    assert identity["Arn"] == world.assumed_role("orders") + "orders", "session_name = {caller}"
    assert identity["Account"] == world.ACCOUNT
    assert stages(emulator) == {world.ROLE_HUB: 1, world.ROLE_ORDERS: 1}


def test_boto3_is_known_by_its_uid_with_any_text_for_a_token(start_daemon, emulator, service):
    """As deploy/README.md says: over TCP an SDK has no other header to show that its request is meant."""
    tables = TABLES.replace("@EMULATOR@", emulator.url)
    by_uid = f"""
[callers.by-uid]
allow = ["credentials.orders"]
uid = {os.geteuid()}
"""
    keys = {"AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET}
    daemon = start_daemon(tables + by_uid, secrets_=DAEMON_SECRETS, env={"AWS_ENDPOINT_URL": emulator.url, **keys})
    where = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{daemon.url}/v1/credentials/orders"}
    bare = service([sys.executable, "-c", IDENTITY], **where)
    assert bare.returncode != 0 and "403" in bare.stderr, bare.stderr
    identity = printed(service([sys.executable, "-c", IDENTITY], **where, AWS_CONTAINER_AUTHORIZATION_TOKEN="orders"))
    assert identity["Arn"] == world.assumed_role("orders") + "by-uid", "session_name = {caller}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_boto3_of_another_user_with_a_stolen_token_gets_nothing(start_daemon, emulator, service):
    """It knows the URL and has the very token; the daemon knows its caller by its uid besides."""
    other = ["setpriv", "--reuid=4712", "--regid=4712", "--clear-groups", sys.executable, "-c"]
    if subprocess.run([*other, "import boto3"], capture_output=True, timeout=60).returncode != 0:
        pytest.skip("NOT SHOWN HERE: another user cannot read this checkout, so cannot run boto3 from it (a directory above it is closed)")
    thief = [*other, IDENTITY]
    tables = TABLES.replace("@EMULATOR@", emulator.url).replace("[callers.orders]", f"[callers.orders]\nuid = {os.geteuid()}")
    keys = {"AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET}
    daemon = start_daemon(tables, secrets_=DAEMON_SECRETS, env={"AWS_ENDPOINT_URL": emulator.url, **keys})
    held = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{daemon.url}/v1/credentials/orders",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": daemon.caller_token("orders"),
    }
    run = service(thief, **held)
    assert run.returncode != 0 and "401" in run.stderr, run.stderr
    assert emulator.journal() == [], "neither for it nor by it"
    assert printed(service([sys.executable, "-c", IDENTITY], **held))["Arn"] == world.assumed_role("orders") + "orders"


def test_boto3_shows_a_token_that_the_daemon_made_and_python_finds_it_proved(start_daemon, emulator, service):
    made = """
[callers.sidecar]
allow = ["credentials.orders"]
token = { generate = "@HOME@/callers/sidecar", mode = "0400" }
"""
    keys = {"AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET}
    tables = TABLES.replace("@EMULATOR@", emulator.url) + made
    daemon = start_daemon(tables, secrets_=DAEMON_SECRETS, env={"AWS_ENDPOINT_URL": emulator.url, **keys})
    identity = printed(service([sys.executable, "-c", IDENTITY], **provider(daemon, caller="sidecar")))
    assert identity["Arn"] == world.assumed_role("orders") + "sidecar", "session_name = {caller}"

    token, nonce, address = daemon.caller_token("sidecar"), secrets.token_urlsafe(24), daemon.url.removeprefix("http://")
    answer = daemon.get(f"/v1/proof?nonce={nonce}&caller=sidecar&address={address}", None)
    expected = hmac.new(token.encode(), f"{nonce}@{address}".encode(), "sha256").hexdigest()
    assert answer.status == 200 and answer.json()["proof"] == expected
    assert answer.json()["previous_proof"] != expected, "there is none before"


def test_boto3_took_them_from_the_container_provider(broker, service):
    held = printed(service([sys.executable, "-c", FROZEN], **provider(broker())))
    assert held["method"] == "container-role"
    assert held["account"] == world.ACCOUNT, "AccountId is passed on"


def test_aws_cli_gets_the_identity_of_the_assumed_role(broker, service, emulator):
    run = service([str(CLIENTS / "aws"), "sts", "get-caller-identity", "--output", "json"], **provider(broker()))
    assert printed(run)["Arn"] == world.assumed_role("orders") + "orders"
    assert stages(emulator) == {world.ROLE_HUB: 1, world.ROLE_ORDERS: 1}


def test_identity_pool_credentials(broker, service, emulator):
    identity = printed(service([sys.executable, "-c", IDENTITY], **provider(broker(), "uploads")))
    assert identity["Arn"].startswith(world.assumed_role("uploads"))
    assert len(emulator.asked("InitiateAuth")) == len(emulator.asked("GetId")) == len(emulator.asked("GetCredentialsForIdentity")) == 1


def test_credential_process(broker, service, credbroker, tmp_path):
    daemon = broker()
    config = tmp_path / "aws-config"
    config.write_text(f"[default]\nregion = {world.REGION}\ncredential_process = {credbroker} credentials orders --format process\n")
    known = {"CREDBROKER_URL": daemon.url, "CREDBROKER_TOKEN_FILE": str(daemon.token_file("orders")), "AWS_CONFIG_FILE": str(config)}

    identity = printed(service([sys.executable, "-c", IDENTITY], **known))
    assert identity["Arn"] == world.assumed_role("orders") + "orders"
    assert printed(service([sys.executable, "-c", FROZEN], **known))["method"] == "custom-process"

    raw = printed(service([credbroker, "credentials", "orders", "--format", "process"], **known))
    assert raw["Version"] == 1
    assert raw.keys() >= {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert raw["Expiration"].endswith("Z"), "an offset is refused by some SDKs"


def test_many_clients_cost_one_upstream_request_per_stage(broker, service, emulator):
    many = """
import boto3, concurrent.futures, json

def one(_):
    return boto3.Session().client("sts").get_caller_identity()["Arn"]

with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(json.dumps(sorted(set(pool.map(one, range(24))))))
"""
    daemon = broker()
    assert printed(service([sys.executable, "-c", many], **provider(daemon))) == [world.assumed_role("orders") + "orders"]
    assert printed(service([sys.executable, "-c", many], **provider(daemon))) == [world.assumed_role("orders") + "orders"]
    assert stages(emulator) == {world.ROLE_HUB: 1, world.ROLE_ORDERS: 1}


def test_a_wrong_token_fails_and_costs_nothing_upstream(broker, service, emulator, tmp_path):
    daemon = broker()
    guess = tmp_path / "guess"
    guess.write_text("0" * 64)
    run = service(
        [sys.executable, "-c", IDENTITY], **provider(daemon) | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(guess)}
    )
    assert run.returncode != 0
    assert daemon.caller_token("orders") not in run.stderr
    assert emulator.journal() == []
    assert daemon.get("/v1/credentials/orders", token="0" * 64).status == 401


@pytest.mark.parametrize(
    "path, caller, headers, status",
    [
        pytest.param("/v1/credentials/orders", None, {}, 401, id="nobody"),
        pytest.param("/v1/credentials/orders", "stranger", {}, 403, id="not-allowed"),
        pytest.param("/v1/credentials/nothing", "orders", {}, 404, id="no-such-name"),
        pytest.param("/v1/credentials/orders", "orders", {"Host": "broker.example"}, 403, id="foreign-host"),
        pytest.param("/v1/credentials/orders", "orders", {"X-Forwarded-For": "10.0.0.1"}, 403, id="forwarded"),
    ],
)
def test_refusals_are_what_sdks_can_read_and_ask_nothing_upstream(broker, emulator, path, caller, headers, status):
    answer = broker().get(path, caller, **{k.replace("-", "_"): v for k, v in headers.items()})
    assert answer.status == status
    said = answer.json()
    assert said["code"] == said["Code"] and said["message"] == said["Message"], "Go reads the small letters, JavaScript the capitals"
    assert "AccessKeyId" not in said
    assert emulator.journal() == []


def test_the_answer_is_what_every_sdk_accepts(broker):
    daemon = broker()
    first = daemon.eventually("/v1/credentials/orders")
    assert first.status == 200
    assert first.headers["content-type"].split(";")[0] == "application/json"
    assert first.headers["cache-control"] == "no-store"
    again = daemon.get("/v1/credentials/orders")
    assert again.headers["credbroker-cache"] == "hit"
    assert again.json() == first.json()
    held = again.json()
    assert held.keys() >= {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert "Code" not in held, "the Rust SDK takes a 200 with a Code for an error"
    assert held["Expiration"].endswith("Z") and "." not in held["Expiration"]
    # AWS SDKs send the token as it is in the file, without a scheme.
    bare = daemon.get("/v1/credentials/orders", None, Authorization=daemon.caller_token("orders"))
    assert bare.status == 200
