"""aws-jwt-verify, AWS's own library for Node.js, and the broker as judges of the same tokens.

Where they differ, the reason is one of `STRICTER` or `MORE`, and nothing else in the token is changed.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import urllib.parse

import pytest

import world
from conftest import HERE
from judged_tokens import ISSUER, LEEWAY, OWN_SET, POOL_SET, Case, changed, differing, forged, good
from processes import clean_environment, request
from signing import POOL_KEYS, KeyServer

COMMON = {"graceSeconds": LEEWAY}
VERIFIERS = {
    "access": {"kind": "cognito", "userPoolId": world.USER_POOL, "tokenUse": "access", "clientId": ["c1", "c2"], "scope": "orders/read",
               "jwks": {"keys": POOL_SET}, **COMMON},
    "id": {"kind": "cognito", "userPoolId": world.USER_POOL, "tokenUse": "id", "clientId": "c1", "jwks": {"keys": POOL_SET}, **COMMON},
    "generic": {"kind": "jwt", "issuer": ISSUER, "audience": ["api", "other"], "jwksUri": f"{ISSUER}/keys", "scope": ["orders/read"],
                "jwks": {"keys": OWN_SET}, **COMMON},
}
TABLES = f"""
[server]
listen = ["127.0.0.1:@PORT@"]
[aws]
region = "{world.REGION}"
[issuers.access]
user_pool = "{world.USER_POOL}"
token_use = "access"
clients = ["c1", "c2"]
scopes = ["orders/read"]
leeway = "{LEEWAY}s"
[issuers.id]
user_pool = "{world.USER_POOL}"
token_use = "id"
clients = ["c1"]
leeway = "{LEEWAY}s"
[issuers.generic]
issuer = "{ISSUER}"
jwks_uri = "@KEYS@/keys"
audience = ["api", "other"]
scopes = ["orders/read"]
leeway = "{LEEWAY}s"
[callers.orders]
allow = ["issuers.access", "issuers.id", "issuers.generic"]
token = {{ file = "@HOME@/callers/orders" }}
"""

# What the broker refuses and aws-jwt-verify takes, each with the reason.
STRICTER = {
    "no exp": "RFC 9068 section 2.2 wants one; without it a token is valid for ever",
    "exp 0 beyond the year 9999": "it is no time that any issuer means",
    "nbf below 0": "it is no time that any issuer means",
    "crit": "RFC 7515 section 4.1.11: what is critical and not understood makes a token invalid",
    "a claim twice": "RFC 7519 section 4 leaves which one counts to the reader; two readers could take a different one",
    "padding": "RFC 7515 section 2: base64url without it",
    "stray bits": "RFC 4648 section 3.5: of one token there is one spelling",
    "typ of another kind": "RFC 8725 section 3.11",
    "typ is a number": "RFC 7515 section 4.1.9: a text",
    "ES512": "no P-521 in the one cryptographic library that the daemon has; issuers rarely use it",
    "Ed448": "no Ed448 in it either",
    "larger than 16 KiB": "no issuer makes such, and headers cannot carry them",
}
# What the broker takes and aws-jwt-verify refuses.
MORE = {
    "PS256": "RFC 7518 section 3.5; aws-jwt-verify has no RSASSA-PSS",
    "Ed25519 as alg": "RFC 9864 names the curve so",
    "scp": "what some issuers write for scope",
}


@pytest.fixture
def broker(start_daemon):
    keys = KeyServer()
    keys.documents = {POOL_KEYS: {"keys": POOL_SET}, "/keys": {"keys": OWN_SET}}
    daemon = start_daemon(TABLES.replace("@KEYS@", keys.url), env={"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": keys.url})
    yield daemon
    keys.stop()


def by_the_library(cases: list[Case], home) -> list[bool]:
    node = shutil.which("node")
    if not node or not (HERE / "node/node_modules/aws-jwt-verify").is_dir():
        pytest.fail("node or its packages are not installed; run tests/conformance/setup.sh", pytrace=False)
    order = {"verifiers": VERIFIERS, "tokens": [[case.verifier, case.token] for case in cases]}
    done = subprocess.run(
        [node, str(HERE / "node/verify.mjs")], input=json.dumps(order), env=clean_environment(home), capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [error is None for error in json.loads(done.stdout)]


def by_the_broker(cases: list[Case], broker) -> list[bool]:
    known = {"Authorization": f"Bearer {broker.caller_token('orders')}", "Content-Type": "application/x-www-form-urlencoded"}
    found = []
    for case in cases:
        form = urllib.parse.urlencode({"token": case.token, "issuer": case.verifier}).encode()
        answer = request(f"{broker.url}/oauth2/introspect", "POST", known, form)
        assert answer.status == 200, f"{case.name}: {answer.text}"
        found.append(answer.json()["active"])
    return found


def test_both_judge_alike(broker, tmp_path):
    pick = random.Random(20260814)
    makers = (good, changed, forged)
    cases = [case for verifier in VERIFIERS for maker in makers for case in maker(verifier, pick)]
    theirs, ours = by_the_library(cases, tmp_path), by_the_broker(cases, broker)
    differ = [f"{case.verifier}: {case.name}: ours {own}, theirs {their}" for case, own, their in zip(cases, ours, theirs) if own != their]
    assert differ == []
    valid = sum(ours)
    assert len(cases) >= 400 and valid >= 120 and len(cases) - valid >= 200, (len(cases), valid)


def test_the_differences_are_known_and_each_has_its_reason(broker, tmp_path):
    pick = random.Random(20260815)
    cases = [case for verifier in VERIFIERS for case in differing(verifier, pick)]
    theirs, ours = by_the_library(cases, tmp_path), by_the_broker(cases, broker)
    for case, own, their in zip(cases, ours, theirs):
        wanted = (False, True) if case.name in STRICTER else (True, False)
        assert case.name in (MORE if own else STRICTER) and (own, their) == wanted, f"{case.verifier}: {case.name}: ours {own}, theirs {their}"
    assert {case.name for case in cases} == set(STRICTER) | set(MORE)
