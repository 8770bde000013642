"""nginx as deployed, asking the broker about each request: what the user is answered, and what the service behind is told."""

from __future__ import annotations

import os
import socket

import pytest

import world
from attacks import pem, unsigned
from signing import EVIL_RSA, OTHER_RSA, P256, POOL_KEYS, RSA, KeyServer, jwk, now, token

ANN = {"iss": world.ISSUER, "sub": "ann", "client_id": "c1", "token_use": "access", "scope": "orders/read orders/write"}
KNOWN = {"alg": "RS256", "kid": "rsa"}
BARE = 'Bearer realm="credbroker"'
TABLES = f"""
[aws]
region = "{world.REGION}"
[issuers.users]
user_pool = "{world.USER_POOL}"
clients = ["c1"]
scopes = ["orders/read"]
"""
BY_TOKEN = '[callers.orders]\nallow = ["issuers.users"]\ntoken = { file = "@HOME@/callers/orders" }\n'
BY_UID = f'[callers.nginx]\nallow = ["issuers.users"]\nuid = {os.getuid()}\n'


def claims(**changes) -> dict:
    return {name: value for name, value in {**ANN, "iat": now(), "exp": now() + 900, **changes}.items() if value is not None}


def good(**changes) -> str:
    return token(KNOWN, claims(**changes))


@pytest.fixture
def keys():
    server = KeyServer()
    server.documents[POOL_KEYS] = {"keys": [jwk(RSA, "rsa", alg="RS256", use="sig"), jwk(OTHER_RSA, "other", alg="RS256", use="sig")]}
    yield server
    server.stop()


@pytest.fixture(params=["over TCP by its token", "over TCP by its uid", "over the unix socket by its uid"])
def front(request, keys, start_daemon, nginx):
    by_uid, over_unix = "uid" in request.param, "unix" in request.param
    listen = '["127.0.0.1:@PORT@", "unix:@HOME@/api.sock"]' if over_unix else '["127.0.0.1:@PORT@"]'
    tables = f"[server]\nlisten = {listen}\n{TABLES}{BY_UID if by_uid else BY_TOKEN}"
    daemon = start_daemon(tables, env={"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": keys.url})
    front = nginx(daemon, socket=daemon.directory / "api.sock" if over_unix else None, by_uid=by_uid)
    front.own = daemon.caller_token("orders")
    return front


def refused() -> dict[str, tuple[str, int, str]]:
    """Each token that is refused, with its status and what its challenge says."""
    return {
        "expired": (good(exp=now() - 60), 401, "expired"),
        "wrong issuer": (good(iss="https://login.evil.example"), 401, "another issuer"),
        "wrong audience": (good(client_id="c2"), 401, "client that is not among"),
        "an ID token": (good(token_use="id", client_id=None, aud="c1"), 401, "wrong kind"),
        "alg none": (unsigned("none"), 401, "algorithm"),
        "HS256 with the public key": (token({**KNOWN, "alg": "HS256"}, claims(), pem(RSA)), 401, "algorithm"),
        "an unknown kid": (token({**KNOWN, "kid": "evil"}, claims(), EVIL_RSA), 401, "does not publish"),
        "a foreign signature": (token(KNOWN, claims(), EVIL_RSA), 401, "signature"),
        "another key's family": (token({"alg": "ES256", "kid": "rsa"}, claims(), P256), 401, "algorithm"),
        "no token at all": ("opaque", 401, "not a JWT"),
        "a missing scope": (good(scope="orders/write"), 403, 'scope="orders/read"'),
    }


def test_a_valid_token_is_let_in_and_the_service_is_told_whose_it_is(front):
    spoofed = {"X_Auth_Subject": "root", "X_Auth_Client": "root", "X_Auth_Scope": "all"}
    spoofed |= {"X_Forwarded_For": "10.0.0.1", "Origin": "https://shop.example"}
    shown = good()
    answer = front.get(shown, **spoofed)
    assert (answer.status, answer.text) == (200, f"ann|c1|orders/read orders/write|Bearer {shown}")
    answer = front.get(good(sub=None), **spoofed)
    assert answer.text.startswith("|c1|orders/read orders/write|"), "what the user sent by these names is taken off"
    answer = front.get(good(sub="ann\r\nX-Auth-Scope: all"))
    assert answer.text.startswith("|c1|"), "what no header carries is left out"


def test_each_token_that_is_refused_has_its_status_and_its_challenge(front):
    assert front.get(good()).status == 200
    for name, (shown, status, why) in refused().items():
        answer = front.get(shown)
        challenge = answer.headers.get("www-authenticate", "")
        error = "insufficient_scope" if status == 403 else "invalid_token"
        assert answer.status == status, f"{name}: {answer.status} {challenge}"
        assert challenge.startswith(f'{BARE}, error="{error}", error_description="') and why in challenge, f"{name}: {challenge}"
        assert "evil" not in challenge and "|" not in answer.text, name


def test_what_is_no_bearer_token_is_asked_for_one(front):
    assert (front.get().status, front.get().headers["www-authenticate"]) == (401, BARE)
    for shown in ("Basic YW5uOnB3", "Bearer", "Bearer ", good(), f"DPoP {good()}", f"Token {good()}"):
        answer = front.get(Authorization=shown)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, BARE), shown
    answer = front.get(X_Original_Authorization=f"Bearer {good()}")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, BARE), "a token counts where the service looks for it"
    answer = front.get(front.own)
    assert "invalid_token" in answer.headers["www-authenticate"], "the caller's own token is no user's"
    assert front.get(Authorization=f"bearer  {good()}").status == 200, "the scheme is a word in any case (RFC 9110 section 11.1)"


def answered(front, head: str) -> bytes:
    """The whole answer to a request as it is written."""
    with socket.create_connection(("127.0.0.1", front.ports["users"]), 10) as stream:
        stream.sendall(f"GET /orders HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{head}\r\n".encode("latin-1"))
        return b"".join(iter(lambda: stream.recv(65536), b""))


def test_of_two_tokens_the_service_sees_none_that_was_not_verified(front):
    """What is smuggled beside a good token: a second header, its name in another spelling or over a line's end, a second token in one."""
    right, forged = good(), unsigned("none")
    for head in (
        f"Authorization: Bearer {right}\r\nAuthorization: Bearer {forged}\r\n",
        f"Authorization: Bearer {forged}\r\nAuthorization: Bearer {right}\r\n",
        f"Authorization: Bearer {right}\r\nauthorization: Bearer {forged}\r\n",
        f"Authorization: Bearer {right}\r\n Bearer {forged}\r\n",
        f"Authorization: Bearer {right}\r\nAuthorization : Bearer {forged}\r\n",
    ):
        assert answered(front, head).startswith(b"HTTP/1.1 400"), head
    assert answered(front, f"Authorization: Bearer {right}, Bearer {forged}\r\n").startswith(b"HTTP/1.1 401")
    answer = answered(front, f"Authorization: Bearer {right}\r\nX_Auth_Subject: root\r\nx-AUTH-subject: root\r\n")
    assert answer.startswith(b"HTTP/1.1 200") and b"root" not in answer
