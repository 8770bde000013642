"""What the broker signs, or has signed for it, by PyJWT: STS's identity tokens with the published keys, assertions with the public halves."""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import world
from conftest import ROOT
from processes import request as ask

KEYS = ROOT / "tests/keys"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AUDIENCE = "https://login.partner.example"

CALLER = """
[server]
listen = ["127.0.0.1:@PORT@"]
[callers.orders]
allow = [{allow}]
token = {{ file = "@HOME@/callers/orders" }}
"""


@pytest.mark.parametrize("algorithm", ["ES384", "RS256"])
def test_an_identity_token_verifies_by_the_keys_that_sts_publishes(emulator, start_daemon, algorithm):
    tables = f"""
[aws]
region = "{world.REGION}"
[credentials.hub]
from = "assume-role"
role_arn = "{world.ROLE_HUB}"
session_name = "credbroker"
[tokens.identity]
from = "sts"
audience = ["{AUDIENCE}", "https://other.example"]
algorithm = "{algorithm}"
lifetime = "15m"
as = "credentials.hub"
"""
    keys = {"AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET}
    daemon = start_daemon(CALLER.format(allow='"tokens.identity"') + tables, env={**keys, "AWS_ENDPOINT_URL": emulator.url})
    answer = daemon.eventually("/v1/tokens/identity")
    assert answer.status == 200, answer.text
    token = answer.json()["access_token"]

    document = ask(f"{emulator.url}/outbound/.well-known/openid-configuration").json()
    published = jwt.PyJWKSet.from_dict(ask(document["jwks_uri"]).json())
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, published[header["kid"]].key, algorithms=[algorithm], audience=AUDIENCE, issuer=document["issuer"])
    assert (header["alg"], claims["sub"], claims["exp"] - claims["iat"]) == (algorithm, world.ROLE_HUB, 900)


class Endpoint(BaseHTTPRequestHandler):
    """A token endpoint that grants everything and keeps what it was asked."""

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True)
        self.server.asked.append((dict(self.headers), form))
        body = json.dumps({"access_token": "opaque", "token_type": "Bearer", "expires_in": 300}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_address[1]}/oauth/token"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.mark.parametrize(
    ("algorithm", "pem"), [("RS256", "rsa.pkcs1"), ("PS256", "rsa.pkcs8"), ("ES256", "p256.sec1"), ("ES384", "p384.pkcs8"), ("EdDSA", "ed25519.pkcs8")]
)
def test_the_assertions_of_twenty_requests(endpoint, start_daemon, algorithm, pem):
    names = [f"partner-{n}" for n in range(20)]
    said = 'algorithm = "PS256"\n' if algorithm == "PS256" else ""
    tables = CALLER.format(allow=", ".join(f'"tokens.{name}"' for name in names)) + "".join(
        f"""
[tokens.{name}]
from = "oauth2"
token_endpoint = "{endpoint.url}"
client_auth = "private-key-jwt"
client_id = "orders"
private_key = {{ file = "{KEYS / pem}.pem" }}
key_id = "2026-11"
{said}"""
        for name in names
    )
    daemon = start_daemon(tables)
    for name in names:
        assert daemon.eventually(f"/v1/tokens/{name}").status == 200

    assert len(endpoint.asked) == 20
    public = load_pem_private_key((KEYS / f"{pem}.pem").read_bytes(), None).public_key()
    seen = set()
    for headers, form in endpoint.asked:
        assert "Authorization" not in headers, "one way to prove itself, not two"
        assert form.keys() == {"grant_type", "client_id", "client_assertion_type", "client_assertion"}
        assert (form["client_id"], form["client_assertion_type"]) == (["orders"], [ASSERTION])
        (assertion,) = form["client_assertion"]
        assert jwt.get_unverified_header(assertion) == {"alg": algorithm, "kid": "2026-11", "typ": "JWT"}
        required = {"require": ["exp", "iat", "jti", "aud", "iss", "sub"], "strict_aud": True}
        claims = jwt.decode(assertion, public, algorithms=[algorithm], audience=endpoint.url, issuer="orders", subject="orders", options=required)
        assert claims["exp"] - claims["iat"] == 60 and abs(claims["iat"] - time.time()) < 30
        seen.add(claims["jti"])
    assert len(seen) == 20
