"""Every attack of the published lists at every door: nginx, the authorizer of an API gateway, introspection and `credbroker verify`.

All doors have to say the same, and a token that differs from an attack by the attack alone is let in at each of them.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
from pathlib import Path

import pytest

import attacks
import attacks_on_libraries as libraries
import world
from attacks import ISSUER, PARTNER, PUBLISHED, Attack, Lure
from processes import clean_environment, request
from signing import OTHER_RSA, POOL_KEYS, RSA, KeyServer, jwk

ISSUERS = ("users", "partner", "pool")
ASKED = 'clients = ["c1"]\nscopes = ["orders/read"]\nleeway = "60s"\n'
TABLES = f"""
[server]
listen = ["127.0.0.1:@PORT@"]
[aws]
region = "{world.REGION}"
[issuers.users]
issuer = "{ISSUER}"
jwks_uri = "@KEYS@/users"
audience = ["api"]
{ASKED}
[issuers.partner]
issuer = "{PARTNER}"
jwks_uri = "@KEYS@/partner"
audience = ["api"]
{ASKED}
[issuers.pool]
user_pool = "{world.USER_POOL}"
token_use = "access"
{ASKED}
[callers.orders]
allow = ["issuers.users", "issuers.partner", "issuers.pool"]
token = {{ file = "@HOME@/callers/orders" }}
"""
METHOD = f"arn:aws:execute-api:{world.REGION}:{world.ACCOUNT}:abcdef123/test/GET/orders"
LISTS = {
    made.__name__: made
    for made in (
        attacks.rfc_8725, attacks.jwt_tool, attacks.academies, libraries.weaknesses, libraries.wycheproof, libraries.signatures,
        libraries.forms, libraries.claimed_wrongly,
    )
}


@pytest.fixture
def keys():
    server = KeyServer()
    own = {"keys": [jwk(RSA, "rsa", alg="RS256", use="sig")]}
    server.documents = {"/users": {"keys": PUBLISHED}, "/partner": {"keys": [jwk(OTHER_RSA, "rsa", use="sig")]}, POOL_KEYS: own}
    # What an attacker would have the broker fetch is there.
    server.documents |= {f"/elsewhere{path}": own for path in ("", "/jku", "/x5u", "/jwks.json", "/exploit", "/RCE_in_kid", "/inject_existing")}
    yield server
    server.stop()


class Doors:
    """The broker's four ways to say whether a token is valid."""

    def __init__(self, daemon, front, program: str):
        self.daemon, self.front, self.program = daemon, front, program
        self.caller = {"Authorization": f"Bearer {daemon.caller_token('orders')}"}
        self.environment = clean_environment(
            daemon.directory, CREDBROKER_URL=daemon.url, CREDBROKER_TOKEN_FILE=str(daemon.token_file("orders"))
        )

    def introspected(self, issuer: str, token: str) -> dict:
        form = urllib.parse.urlencode({"token": token, "issuer": issuer}).encode()
        answer = request(f"{self.daemon.url}/oauth2/introspect", "POST", {**self.caller, "Content-Type": "application/x-www-form-urlencoded"}, form)
        if not token and answer.status == 400:
            return {"active": False}  # a form without a token is no question
        assert answer.status == 200, answer.text
        return answer.json()

    def effect(self, issuer: str, token: str) -> str:
        event = {"type": "TOKEN", "authorizationToken": f"Bearer {token}", "methodArn": METHOD}
        answer = request(
            f"{self.daemon.url}/v1/authorize/{issuer}/policy", "POST", {**self.caller, "Content-Type": "application/json"}, json.dumps(event).encode()
        )
        assert answer.status == 200, answer.text
        return answer.json()["policyDocument"]["Statement"][0]["Effect"]

    def exit_code(self, issuer: str, token: str) -> int:
        done = subprocess.run(
            [self.program, "verify", "--issuer", issuer, "-"], input=token.encode(), env=self.environment, capture_output=True, timeout=20,
        )
        return done.returncode

    def opened(self, attack: Attack) -> dict[str, object]:
        """What is not as it should be at the doors."""
        found: dict[str, object] = {}
        told = self.introspected(attack.issuer, attack.token)
        if told != {"active": False}:
            found["introspection"] = told
        effect = self.effect(attack.issuer, attack.token)
        if effect != "Deny":
            found["policy"] = effect
        code = self.exit_code(attack.issuer, attack.token)
        if code != (1 if attack.token else 2):
            found["command"] = code
        if attack.in_header:
            found |= self.let_through(attack)
        return found

    def let_through(self, attack: Attack) -> dict[str, object]:
        answer = self.front.get(attack.token, attack.issuer)
        challenge = answer.headers.get("www-authenticate", "")
        error = {401: "invalid_token", 403: "insufficient_scope"}.get(attack.status, "")
        bare = not attack.token
        wanted = challenge == 'Bearer realm="credbroker"' if bare else f'error="{error}"' in challenge
        as_told = answer.status == attack.status and (attack.status == 400 or wanted)
        leaks = "evil" in challenge or (len(attack.token) > 20 and attack.token[-20:] in challenge)
        return {} if as_told and not leaks else {"nginx": (answer.status, challenge)}


@pytest.fixture
def doors(keys, start_daemon, nginx, credbroker):
    tables = TABLES.replace("@KEYS@", keys.url)
    daemon = start_daemon(tables, log="debug", env={"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": keys.url})
    return Doors(daemon, nginx(daemon, ISSUERS), credbroker)


@pytest.fixture
def lure(keys, tmp_path) -> Lure:
    return Lure(f"{keys.url}/elsewhere", str(tmp_path / "touched"))


def test_without_an_attack_a_token_is_let_in_at_every_door(doors, lure):
    for item, (issuer, token) in attacks.accepted(lure).items():
        answer = doors.front.get(token, issuer)
        assert (answer.status, answer.text.split("|")[:3]) == (200, ["ann", "c1", "orders/read"]), f"{item}: {answer.headers}"
        assert doors.introspected(issuer, token)["active"] is True, item
        assert (doors.effect(issuer, token), doors.exit_code(issuer, token)) == ("Allow", 0), item


@pytest.mark.parametrize("published", LISTS)
def test_no_attack_opens_a_door(doors, keys, lure, published):
    found, began = LISTS[published](lure), time.monotonic()
    assert len({attack.item for attack in found}) == len(found), "every item is named once"
    opened = {attack.item: wrong for attack in found if (wrong := doors.opened(attack))}
    assert opened == {}
    assert not [path for path in keys.asked if path not in ("/users", "/partner", POOL_KEYS)], "a token had something fetched"
    most = 2 + (time.monotonic() - began) / 10
    assert all(keys.asked.count(path) <= most for path in keys.asked), f"more than one fetch of keys in ten seconds: {keys.asked}"
    assert not Path(lure.file).exists()
    doors.daemon.server.must_live()
    printed = doors.daemon.printed.decode()
    assert "panicked" not in printed and "evil" not in printed and attacks.good().split(".")[0] not in printed
