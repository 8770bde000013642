"""The daemon's `from = "oauth2"` against oidc-provider, a server that is strict about the RFCs and knows nothing of Cognito.

It takes as `aud` of an assertion its issuer identifier or the URL of its token endpoint; one client here is held to the issuer alone,
as FAPI 2.0 wants. It takes a secret by Basic or in the form whatever the client is registered for, so what was used is what it tells.
"""

from __future__ import annotations

import json

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from conftest import ROOT

KEYS = ROOT / "tests/keys"
API = "https://api.partner.example/v1"
STOCK = "https://stock.partner.example/"
# Every character of a secret that the encoding of RFC 6749 section 2.3.1 changes.
SECRET = "basic+secret: 100% / odd & long = ~"
STRICT = "signs-for-the-issuer"

# Which algorithm signs with which file; the JWK of the RSA key says PS256 itself.
SIGNED = {
    "rs256-pkcs8": ("RS256", "rsa.pkcs8.pem"),
    "rs256-pkcs1": ("RS256", "rsa.pkcs1.pem"),
    "ps256-pem": ("PS256", "rsa.pkcs8.pem"),
    "ps256-jwk": ("PS256", "rsa.jwk.json"),
    "es256-pkcs8": ("ES256", "p256.pkcs8.pem"),
    "es256-sec1": ("ES256", "p256.sec1.pem"),
    "es256-jwk": ("ES256", "p256.jwk.json"),
    "es384-pem": ("ES384", "p384.pkcs8.pem"),
    "es384-jwk": ("ES384", "p384.jwk.json"),
    "eddsa-pem": ("EdDSA", "ed25519.pkcs8.pem"),
    "eddsa-jwk": ("EdDSA", "ed25519.jwk.json"),
}


def public_jwk(pem: str, kid: str) -> dict:
    key = load_pem_private_key((KEYS / pem).read_bytes(), None).public_key()
    kind = {"RSAPublicKey": RSAAlgorithm, "ECPublicKey": ECAlgorithm}.get(type(key).__name__, OKPAlgorithm)
    return {**kind.to_jwk(key, as_dict=True), "kid": kid, "use": "sig"}


def jwk(pem: str, kid: str) -> str:
    return json.dumps({**RSAAlgorithm.to_jwk(load_pem_private_key((KEYS / pem).read_bytes(), None), as_dict=True), "kid": kid})


JWKS = {
    "keys": [
        public_jwk("rsa.pkcs8.pem", "rsa-test"),
        public_jwk("rsa-2048.pem", "rsa-next"),
        public_jwk("p256.pkcs8.pem", "p256-test"),
        public_jwk("p384.pkcs8.pem", "p384-test"),
        public_jwk("ed25519.pkcs8.pem", "ed25519-test"),
    ]
}


def client(name: str, **metadata) -> dict:
    common = {"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": "orders.read orders.write"}
    return {"client_id": name, **common, **metadata}


CLIENTS = [
    client("by basic: +", client_secret=SECRET, token_endpoint_auth_method="client_secret_basic"),
    client("by-post", client_secret=SECRET, token_endpoint_auth_method="client_secret_post"),
    client("signs", jwks=JWKS, token_endpoint_auth_method="private_key_jwt"),
    client(STRICT, jwks=JWKS, token_endpoint_auth_method="private_key_jwt"),
    client("service", client_secret="what-introspects", token_endpoint_auth_method="client_secret_basic"),
]


@pytest.fixture
def provider(oidc_provider):
    return oidc_provider(CLIENTS)


@pytest.fixture
def broker(start_daemon, provider):
    """Starts the daemon with token tables; of each, what is not said is that of a client that may ask for orders.read."""

    def start(tables: dict[str, str], **files: str):
        allowed = ", ".join(f'"tokens.{name}"' for name in tables)
        text = '[server]\nlisten = ["127.0.0.1:@PORT@"]\n'
        text += f'[callers.orders]\nallow = [{allowed}]\ntoken = {{ file = "@HOME@/callers/orders" }}\n'
        for name, table in tables.items():
            server = "" if "token_endpoint" in table else f'issuer = "{provider.url}"\n'
            scopes = "" if "scopes" in table else 'scopes = ["orders.read"]\n'
            text += f'[tokens.{name}]\nfrom = "oauth2"\n{server}{scopes}{table}\n'
        return start_daemon(text, secrets_={name.replace("_", "."): text for name, text in files.items()})

    return start


def by_secret(how: str, name: str, secret: str = '{ file = "@HOME@/secret" }') -> str:
    return f'client_auth = "{how}"\nclient_id = "{name}"\nclient_secret = {secret}\n'


def signed(path, name: str = "signs", **more: str) -> str:
    keys = {"client_auth": "private-key-jwt", "client_id": name, **more}
    return "".join(f'{key} = "{value}"\n' for key, value in keys.items()) + f'private_key = {{ file = "{path}" }}\n'


def signing_tables() -> dict[str, str]:
    tables = {}
    for name, (algorithm, file) in SIGNED.items():
        is_jwk = file.endswith(".json")
        more = {"algorithm": algorithm} if algorithm == "PS256" and not is_jwk else {}
        kid = {} if is_jwk else {"key_id": file.split(".")[0] + "-test"}
        tables[name] = signed(KEYS / file, **more, **kid)
    return tables


def introspected(provider, token: str) -> dict:
    answer = requests.post(f"{provider.url}/token/introspection", {"token": token}, auth=("service", "what-introspects"), timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("found", ["issuer", "token_endpoint"])
def test_a_token_by_each_way_a_client_proves_itself(provider, broker, found):
    server = "" if found == "issuer" else f'token_endpoint = "{provider.url}/token"\n'
    tables = {"basic": by_secret("basic", "by basic: +"), "post": by_secret("post", "by-post"), **signing_tables()}
    daemon = broker({name: server + table for name, table in tables.items()}, secret=SECRET)
    for name in tables:
        answer = daemon.eventually(f"/v1/tokens/{name}")
        assert answer.status == 200, f"{name}: {answer.text}"
        assert answer.json()["scope"] == "orders.read"
        assert 590 <= answer.json()["expires_in"] <= 600
        active = introspected(provider, answer.json()["access_token"])
        assert (active["active"], active["scope"]) == (True, "orders.read"), name
        assert daemon.get(f"/v1/tokens/{name}").headers["credbroker-cache"] == "hit"
    assert [told["by"] for told in provider.told("by basic: +")] == ["basic"]
    assert [told["by"] for told in provider.told("by-post")] == ["post"]
    assertions = provider.told("signs")
    assert sorted(told["alg"] for told in assertions) == sorted(algorithm for algorithm, _ in SIGNED.values())
    expected = provider.url if found == "issuer" else f"{provider.url}/token"
    assert {told["aud"] for told in assertions} == {expected}


def test_the_audience_of_an_assertion(provider, broker):
    """Where the server takes its issuer identifier only: by default where the issuer is configured, else as told."""
    key, endpoint = KEYS / "p256.jwk.json", f'token_endpoint = "{provider.url}/token"\n'
    daemon = broker(
        {
            "found": signed(key, STRICT),
            "told": endpoint + signed(key, STRICT, assertion_audience=provider.url),
            "refused": endpoint + signed(key, STRICT),
        }
    )
    assert daemon.eventually("/v1/tokens/found").status == 200
    assert daemon.eventually("/v1/tokens/told").status == 200
    refused = daemon.eventually("/v1/tokens/refused")
    assert refused.status == 502
    assert "assertion_audience" in refused.json()["error_description"], "the remedy names the key that mends it"


def test_jwt_access_tokens_for_a_resource(provider, broker):
    tables = {name: table + f'resource = ["{API}"]\n' for name, table in signing_tables().items() if name in ("es256-pkcs8", "eddsa-jwk")}
    tables["basic"] = by_secret("basic", "by basic: +") + f'resource = ["{API}"]\nscopes = ["orders.read", "orders.write"]\n'
    daemon = broker(tables, secret=SECRET)
    metadata = requests.get(f"{provider.url}/.well-known/openid-configuration", timeout=10).json()
    keys = jwt.PyJWKSet.from_dict(requests.get(metadata["jwks_uri"], timeout=10).json())
    for name in tables:
        answer = daemon.eventually(f"/v1/tokens/{name}")
        assert answer.status == 200, f"{name}: {answer.text}"
        token = answer.json()["access_token"]
        header = jwt.get_unverified_header(token)
        assert header["typ"] == "at+jwt"
        claims = jwt.decode(token, keys[header["kid"]].key, algorithms=["RS256"], audience=API, issuer=provider.url)
        assert sorted(claims["scope"].split()) == sorted(answer.json()["scope"].split())
        assert claims["client_id"] == ("by basic: +" if name == "basic" else "signs")
        assert abs(claims["exp"] - claims["iat"] - answer.json()["expires_in"]) <= 5


def test_two_resources_are_refused_by_name(broker):
    """oidc-provider issues a token for one resource only; what it says then is a mistake of the configuration, in our words."""
    daemon = broker({"both": by_secret("post", "by-post") + f'resource = ["{API}", "{STOCK}"]\n'}, secret=SECRET)
    answer = daemon.eventually("/v1/tokens/both")
    assert answer.status == 502 and "resource" in answer.json()["error_description"], answer.text


def test_scopes(provider, broker):
    both, some = 'scopes = ["orders.read", "orders.write"]\n', 'scopes = ["orders.read", "orders.unheard-of"]\n'
    daemon = broker({"both": by_secret("post", "by-post") + both, "some": by_secret("post", "by-post") + some}, secret=SECRET)
    full = daemon.eventually("/v1/tokens/both").json()
    narrow = daemon.eventually("/v1/tokens/both?scope=orders.write").json()
    assert (full["scope"], narrow["scope"]) == ("orders.read orders.write", "orders.write")
    assert introspected(provider, narrow["access_token"])["scope"] == "orders.write"

    # It drops a scope it does not know, and says what is left.
    some = daemon.eventually("/v1/tokens/some")
    assert (some.status, some.json()["scope"]) == (200, "orders.read")
    assert "orders.unheard-of" in daemon.get("/v1/status").text


@pytest.mark.parametrize(("how", "name"), [("basic", "by basic: +"), ("post", "by-post")])
def test_a_wrong_secret(provider, broker, how, name):
    daemon = broker({"wrong": by_secret(how, name)}, secret="no such secret")
    answer = daemon.eventually("/v1/tokens/wrong")
    assert answer.status == 502
    words = answer.json()["error_description"]
    assert "invalid_client" in words and "client secret" in words and "no such secret" not in words
    assert {told["refusal"] for told in provider.told(name)} == {"invalid secret provided"}


def test_the_second_of_two_secrets(provider, broker):
    two = '[{ file = "@HOME@/new" }, { file = "@HOME@/old" }]'
    daemon = broker({"rotated": by_secret("basic", "by basic: +", two)}, new="not known to the server yet", old=SECRET)
    assert daemon.eventually("/v1/tokens/rotated").status == 200
    assert [told.get("refusal") for told in provider.told("by basic: +")] == ["invalid secret provided", None]


def test_a_replaced_private_key_signs_the_next_request(provider, broker):
    """With the id that a JWK carries, the server tells which key it was."""
    table = signed("@HOME@/key.json") + 'scopes = ["orders.read", "orders.write"]\n'
    daemon = broker({"rolling": table}, key_json=jwk("rsa.pkcs8.pem", "rsa-test"))
    assert daemon.eventually("/v1/tokens/rolling").status == 200
    (daemon.directory / "key.json").write_text(jwk("rsa-2048.pem", "rsa-next"))
    assert daemon.eventually("/v1/tokens/rolling?scope=orders.read").status == 200
    assert [told["kid"] for told in provider.told("signs")] == ["rsa-test", "rsa-next"]


def test_a_key_the_server_does_not_know(provider, broker):
    stranger = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True)
    daemon = broker({"stranger": signed("@HOME@/key.json", key_id="ed25519-test")}, key_json=json.dumps(stranger))
    answer = daemon.eventually("/v1/tokens/stranger")
    assert answer.status == 502 and "public half of private_key" in answer.json()["error_description"], answer.text
    assert stranger["d"] not in answer.text
