"""The emulator's half of SRP, by pycognito, which was written against Cognito itself: so the daemon's half is judged by more than our own."""

import botocore.exceptions
import jwt
import pytest
from pycognito.aws_srp import AWSSRP

import world

# In world.toml, with secrets: SECRET_HASH is part of each step.
PLAIN = ("8robotsecretclient", "robotsecret0123456789abcdefghijklmnopqr")
ROTATING = ("9robotrotatingclient", "rotatingsecret0123456789abcdefghijklmno")


def sign_in(client, app: tuple[str, str], username: str, password: str) -> dict:
    user = AWSSRP(
        username=username, password=password, pool_id=world.USER_POOL, client_id=app[0], client_secret=app[1], client=client("cognito-idp")
    )
    return user.authenticate_user()["AuthenticationResult"]


@pytest.mark.parametrize("app", [PLAIN, ROTATING], ids=["plain", "rotating"])
@pytest.mark.parametrize("username", [world.ROBOT_USER, "robot@example.com"], ids=["name", "alias"])
def test_pycognito_signs_in(client, app, username):
    # Each time with other numbers: some begin with a zero byte, some with a set bit.
    for _ in range(8):
        tokens = sign_in(client, app, username, world.ROBOT_PASSWORD)
        claims = jwt.decode(tokens["IdToken"], options={"verify_signature": False})
        assert (claims["cognito:username"], claims["aud"]) == (world.ROBOT_USER, app[0])
        assert tokens["RefreshToken"]


def test_a_wrong_password_or_secret_is_refused(client):
    for app, password in ((PLAIN, "wrong"), ((PLAIN[0], "wrong-secret"), world.ROBOT_PASSWORD)):
        with pytest.raises(botocore.exceptions.ClientError) as refusal:
            sign_in(client, app, world.ROBOT_USER, password)
        assert refusal.value.response["Error"]["Code"] == "NotAuthorizedException"
