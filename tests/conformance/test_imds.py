"""AWS credentials from the daemon, taken by AWS's own software as if it ran on an EC2 instance.

Each client is a process of its own that knows a region and AWS_EC2_METADATA_SERVICE_ENDPOINT, and is known to the daemon by its
uid alone. That STS's address is given too is the test's doing, not the user's.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import world
from conftest import CLIENTS, DAEMON_SECRETS, HERE, TABLES
from processes import free_port

IDENTITY = "import boto3, json; print(json.dumps(boto3.client('sts').get_caller_identity()))"
FROZEN = """
import boto3, json
held = boto3.Session().get_credentials()
frozen = held.get_frozen_credentials()
print(json.dumps({"method": held.method, "key": frozen.access_key, "left": held._seconds_remaining()}))
"""
# Ten uses of one session's credentials, and what the wire saw of them.
USES = """
import boto3, json
from botocore.httpsession import URLLib3Session

asked = []
send = URLLib3Session.send
def told(self, request):
    asked.append(request.url.split("/latest/")[-1])
    return send(self, request)
URLLib3Session.send = told

held = boto3.Session().get_credentials()
for _ in range(10):
    held.get_frozen_credentials()
print(json.dumps(asked))
"""
ASSUMED = world.assumed_role("orders") + "app"


@pytest.fixture
def metadata(start_daemon, emulator):
    """Starts a daemon with a metadata service for the user of these tests, or another; gives it and what a program needs to find it."""

    def start(uid: int | None = None):
        port = free_port()
        uid = os.getuid() if uid is None else uid
        tables = TABLES.replace("@EMULATOR@", emulator.url) + f"""
[imds]
listen = "127.0.0.1:{port}"
credentials = "credentials.orders"
caller = "app"

[callers.app]
allow = ["credentials.orders"]
uid = {uid}
"""
        daemon = start_daemon(
            tables,
            log="debug",
            secrets_=DAEMON_SECRETS,
            env={
                "AWS_ENDPOINT_URL": emulator.url,
                "AWS_ACCESS_KEY_ID": world.BROKER_KEY,
                "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET,
            },
        )
        return daemon, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}/", "AWS_EC2_METADATA_DISABLED": "false"}

    return start


@pytest.fixture
def javascript(service):
    node = shutil.which("node")
    if not node or not (HERE / "node/node_modules/@aws-sdk/client-sts").is_dir():
        pytest.fail("node or its packages are not installed; run tests/conformance/setup.sh", pytrace=False)

    def run(times: int = 1, **env: str):
        return service([node, str(HERE / "node/caller_identity.mjs"), str(times)], NODE_NO_WARNINGS="1", **env)

    return run


def printed(run):
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def stages(emulator) -> dict[str, int]:
    """How often each role was assumed."""
    return {role: len(emulator.asked("AssumeRole", role_arn=role)) for role in (world.ROLE_HUB, world.ROLE_ORDERS)}


def test_boto3_takes_the_daemon_for_its_instance(metadata, service, emulator):
    _, known = metadata()
    identity = printed(service([sys.executable, "-c", IDENTITY], **known))
    assert identity["Arn"] == ASSUMED, "session_name = {caller}"
    held = printed(service([sys.executable, "-c", FROZEN], **known))
    assert held["method"] == "iam-role"
    assert held["left"] >= 26 * 60, "with less botocore would call them good for longer than they are"
    assert stages(emulator) == {world.ROLE_HUB: 1, world.ROLE_ORDERS: 1}


def test_ten_uses_by_boto3_are_one_session_and_one_set_of_credentials(metadata, service):
    _, known = metadata()
    roles = "meta-data/iam/security-credentials/"
    assert printed(service([sys.executable, "-c", USES], **known)) == ["api/token", roles, roles + "orders"]


def test_aws_cli_takes_the_daemon_for_its_instance(metadata, service, emulator):
    _, known = metadata()
    command = [str(CLIENTS / "aws"), "sts", "get-caller-identity", "--output", "json"]
    for _ in range(3):
        assert printed(service(command, **known))["Arn"] == ASSUMED
    assert stages(emulator) == {world.ROLE_HUB: 1, world.ROLE_ORDERS: 1}


def test_the_javascript_sdk_takes_the_daemon_for_its_instance(metadata, javascript, emulator):
    daemon, known = metadata()
    run = javascript(3, **known)
    assert (run.returncode, run.stdout.split()) == (0, [ASSUMED] * 3), run.stderr
    assert stages(emulator) == {world.ROLE_HUB: 1, world.ROLE_ORDERS: 1}
    assert b"SessionRequired" not in daemon.printed, "it did not fall back to version 1"


@pytest.mark.parametrize(
    "disabled, says",
    [
        pytest.param("true", "Unable to retrieve token for use in IMDSv2", id="v2-only"),
        pytest.param("false", "NoCredentials", id="with-v1"),
    ],
)
def test_somebody_elses_metadata_service_gives_nothing(metadata, service, javascript, emulator, disabled, says):
    daemon, known = metadata(uid=os.getuid() + 4242)
    known |= {"AWS_EC2_METADATA_V1_DISABLED": disabled}
    refused = service([sys.executable, "-c", IDENTITY], **known)
    assert refused.returncode != 0 and says in refused.stderr, refused.stderr
    refused = service([str(CLIENTS / "aws"), "sts", "get-caller-identity"], **known)
    assert refused.returncode != 0, refused.stdout
    refused = javascript(**known)
    assert refused.returncode != 0, refused.stdout
    assert emulator.journal() == []
    assert b"refused" in daemon.printed


def test_an_outage_is_a_failure_and_not_an_instance_without_a_role(metadata, service, javascript, emulator):
    _, known = metadata()
    emulator.fault("AssumeRole", 1000, {"status": {"status": 503}})
    refused = service([sys.executable, "-c", IDENTITY], **known)
    assert refused.returncode != 0 and "NoCredentials" in refused.stderr, refused.stderr
    refused = javascript(**known)
    assert refused.returncode != 0, refused.stdout


def test_the_rust_sdk_takes_the_daemon_for_its_instance(metadata, service, credbroker, emulator):
    _, known = metadata()
    program = Path(credbroker).parent / "examples" / "demo"
    run = service([str(program), "who-am-i"], **known)
    assert (run.returncode, run.stdout.strip()) == (0, ASSUMED), run.stderr
    assert stages(emulator) == {world.ROLE_HUB: 1, world.ROLE_ORDERS: 1}
