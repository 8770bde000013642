"""Files that the daemon keeps fresh, read by those they are written for: boto3, the AWS CLI and the AWS SDK for JavaScript, a shell, systemd's rules.

Each client is a process of its own that knows the file and where STS is, and nothing of the daemon.
"""

import json
import shlex
import sys
from datetime import datetime, timezone

import jwt
import pytest

import world
from conftest import CLIENTS, DAEMON_SECRETS, HERE
from processes import until

IDENTITY = "import boto3, json; print(json.dumps(boto3.client('sts').get_caller_identity()))"
FROZEN = "import boto3, json; held = boto3.Session().get_credentials(); print(json.dumps({'method': held.method, 'account': held.get_frozen_credentials().account_id}))"
HUB = world.assumed_role("hub") + "credbroker"

TABLES = f"""
[server]
listen = ["127.0.0.1:@PORT@"]
[aws]
region = "{world.REGION}"
[tokens.robot]
from = "cognito-user"
user_pool = "{world.USER_POOL}"
client_id = "{world.ROBOT_CLIENT}"
username = "{world.ROBOT_USER}"
password = {{ file = "@HOME@/robot.password" }}
[credentials.hub]
from = "assume-role"
role_arn = "{world.ROLE_HUB}"
[callers.orders]
allow = []
token = {{ file = "@HOME@/callers/orders" }}
[files.profile]
credentials = "credentials.hub"
path = "@HOME@/aws-credentials"
[files.variables]
credentials = "credentials.hub"
path = "@HOME@/aws.env"
format = "env"
[files.web-identity]
token = "tokens.robot"
path = "@HOME@/robot.jwt"
"""


@pytest.fixture
def files(start_daemon, emulator):
    """The directory of a daemon that has written its files."""
    environment = {"AWS_ENDPOINT_URL": emulator.url, "AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET}
    daemon = start_daemon(TABLES, secrets_=DAEMON_SECRETS, env=environment)
    until(lambda: daemon.get("/readyz", caller=None).status == 200, 20, "readiness")
    return daemon.directory


def printed(run) -> dict:
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_boto3_reads_the_profile(files, service):
    known = {"AWS_SHARED_CREDENTIALS_FILE": str(files / "aws-credentials")}
    assert printed(service([sys.executable, "-c", IDENTITY], **known))["Arn"] == HUB
    assert printed(service([sys.executable, "-c", FROZEN], **known)) == {"method": "shared-credentials-file", "account": world.ACCOUNT}


def test_the_aws_cli_reads_the_profile(files, service, emulator):
    known = {"AWS_SHARED_CREDENTIALS_FILE": str(files / "aws-credentials")}
    run = service([str(CLIENTS / "aws"), "sts", "get-caller-identity", "--output", "json"], **known)
    assert printed(run)["Arn"] == HUB
    assert len(emulator.asked("AssumeRole")) == 1, "both files and every reader have the same credentials"


def test_the_sdk_for_javascript_reads_the_profile(files, service):
    run = service(["node", str(HERE / "node" / "caller_identity.mjs")], AWS_SHARED_CREDENTIALS_FILE=str(files / "aws-credentials"))
    assert (run.returncode, run.stdout.split()) == (0, [HUB]), run.stderr


def test_a_shell_sources_the_variables_and_the_cli_uses_them(files, service):
    script = f"set -eu; set -a; . {shlex.quote(str(files / 'aws.env'))}; exec {shlex.quote(str(CLIENTS / 'aws'))} sts get-caller-identity --output json"
    assert printed(service(["/bin/sh", "-c", script]))["Arn"] == HUB


def test_a_shell_and_systemd_read_the_same_variables(files, service):
    """systemd.exec(5), EnvironmentFile=: lines of VARIABLE=value, `#` begins a comment, what is not quoted stands as it is."""
    lines = (files / "aws.env").read_text().splitlines()
    by_rule = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(by_rule) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCOUNT_ID", "AWS_CREDENTIAL_EXPIRATION"}
    show = f"set -a; . {shlex.quote(str(files / 'aws.env'))}; exec {shlex.quote(sys.executable)} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    assert printed(service(["/bin/sh", "-c", show])).items() >= by_rule.items()


def test_boto3_with_the_variables_knows_when_they_end(files, service):
    """botocore takes AWS_CREDENTIAL_EXPIRATION for the end, so a program that never reads the file again fails with the right words."""
    lines = (files / "aws.env").read_text().splitlines()
    known = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    script = "import boto3; held = boto3.Session().get_credentials(); print(held._expiry_time.isoformat())"
    run = service([sys.executable, "-c", script], **known)
    assert run.returncode == 0, run.stderr
    ends = datetime.fromisoformat(run.stdout.strip())
    assert ends == datetime.fromisoformat(known["AWS_CREDENTIAL_EXPIRATION"])
    assert (ends - datetime.now(timezone.utc)).total_seconds() > 20 * 60


def test_boto3_exchanges_the_raw_token_for_a_role(files, service, emulator):
    known = {"AWS_ROLE_ARN": f"arn:aws:iam::{world.ACCOUNT}:role/reports", "AWS_WEB_IDENTITY_TOKEN_FILE": str(files / "robot.jwt")}
    identity = printed(service([sys.executable, "-c", IDENTITY], AWS_ROLE_SESSION_NAME="reader", **known))
    assert identity["Arn"] == world.assumed_role("reports") + "reader"
    raw = (files / "robot.jwt").read_bytes()
    assert raw == raw.strip() and jwt.decode(raw, options={"verify_signature": False})["token_use"] == "id"


def test_a_renewal_takes_the_place_of_the_profile(start_daemon, emulator, service):
    emulator.lifetime("AssumeRole", 6)
    environment = {"AWS_ENDPOINT_URL": emulator.url, "AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET}
    daemon = start_daemon(TABLES, secrets_=DAEMON_SECRETS, env=environment)
    path = daemon.directory / "aws-credentials"
    until(path.exists, 20, "the first credentials")
    first = path.read_text()
    until(lambda: path.read_text() != first, 20, "their successors")
    assert printed(service([sys.executable, "-c", IDENTITY], AWS_SHARED_CREDENTIALS_FILE=str(path)))["Arn"] == HUB
