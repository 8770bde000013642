"""What tests/emulator/world.toml holds, restated: a test that reads its expectations from the world it judges would agree with anything."""

REGION = "eu-west-1"
ACCOUNT = "111122223333"

# The IAM user the broker is, before it assumes anything.
BROKER_KEY = "AKIAEMULATORBROKER01"
BROKER_SECRET = "emulator+secret/access+key+of+the+broker01"

ROLE_HUB = f"arn:aws:iam::{ACCOUNT}:role/hub"
ROLE_ORDERS = f"arn:aws:iam::{ACCOUNT}:role/orders"
ROLE_UPLOADS = f"arn:aws:iam::{ACCOUNT}:role/uploads"

USER_POOL = "eu-west-1_AbCd12345"
ISSUER = f"https://cognito-idp.{REGION}.amazonaws.com/{USER_POOL}"
POOL_LOGIN = f"cognito-idp.{REGION}.amazonaws.com/{USER_POOL}"

M2M_CLIENT = "4f3q8example1m2m"
M2M_SECRET = "billingsecret0123456789abcdefghijklmnop"

ROBOT_CLIENT = "7robotexampleclient"
ROBOT_USER = "robot"
ROBOT_PASSWORD = "correct horse Battery 1"

IDENTITY_POOL = "eu-west-1:11112222-3333-4444-5555-666677778888"
DEVELOPER_PROVIDER = "login.acme"


def assumed_role(role: str) -> str:
    """How the ARN of a session of `role` begins."""
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/"
