"""Tokens to be judged by two: good ones of a user pool and of another issuer, and good ones with one or two things changed.

All is made anew from the seed that is given, but for the signatures that are random by their nature.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, ed448

import world
from signing import ED25519, EVIL_RSA, OTHER_RSA, P256, P384, RSA, b64, compact, der, fixed, jwk, now, token

ISSUER = "https://login.example/tenant"
LEEWAY = 120
POOL_SET = [jwk(RSA, "access-key", alg="RS256", use="sig"), jwk(OTHER_RSA, "id-key", alg="RS256", use="sig")]
P521, ED448 = ec.generate_private_key(ec.SECP521R1()), ed448.Ed448PrivateKey.generate()
OWN_SET = [
    jwk(RSA, "rsa", alg="RS256", use="sig"), jwk(OTHER_RSA, "any", use="sig"), jwk(P256, "p256", alg="ES256", use="sig"),
    jwk(P384, "p384", alg="ES384", use="sig"), jwk(ED25519, "ed", alg="EdDSA", use="sig"), jwk(EVIL_RSA, "enc", use="enc"),
    jwk(P521, "p521", use="sig"), jwk(ED448, "ed448", use="sig"),
]
SIGNERS = {
    "access": [("RS256", "access-key", RSA)],
    "id": [("RS256", "id-key", OTHER_RSA)],
    "generic": [
        ("RS256", "rsa", RSA), ("RS256", "any", OTHER_RSA), ("RS384", "any", OTHER_RSA), ("RS512", "any", OTHER_RSA), ("ES256", "p256", P256),
        ("ES384", "p384", P384), ("EdDSA", "ed", ED25519),
    ],
}


@dataclass
class Case:
    """A token, and what was done to it."""

    verifier: str
    name: str
    token: str


def base(verifier: str, pick: random.Random) -> dict:
    at = now()
    common = {"sub": f"user-{pick.randrange(1000)}", "iat": at - 5, "exp": at + 3600, "jti": f"{pick.getrandbits(64):x}"}
    groups = {"cognito:groups": ["admins", "users"]} if pick.random() < 0.5 else {}
    if verifier == "access":
        own = {"iss": world.ISSUER, "token_use": "access", "client_id": pick.choice(["c1", "c2"]), "scope": "x/y orders/read", "version": 2}
        return {**common, **own, **groups}
    if verifier == "id":
        return {**common, "iss": world.ISSUER, "token_use": "id", "aud": "c1", "auth_time": at, "email_verified": True, **groups}
    return {**common, "iss": ISSUER, "aud": pick.choice(["api", "other", ["api"], ["x", "other"]]), "scope": "orders/read", "azp": "c9"}


def claim_changes(verifier: str, pick: random.Random) -> dict[str, dict]:
    """Changes of claims that both judge alike; whether for or against, is theirs to say."""
    at, near = now(), pick.randrange(5, 50)
    client = "aud" if verifier == "id" else "client_id"
    found = {
        "exp within leeway": {"exp": at - near}, "exp past leeway": {"exp": at - LEEWAY - near}, "exp soon": {"exp": at + near},
        "exp as a fraction": {"exp": at + near + 0.5},
        "exp as text": {"exp": str(at + 60)}, "exp null": {"exp": None}, "exp true": {"exp": True}, "exp a list": {"exp": [at + 60]},
        "exp 0": {"exp": 0}, "exp 1": {"exp": 1},
        "nbf past": {"nbf": at - near}, "nbf within leeway": {"nbf": at + near}, "nbf to come": {"nbf": at + LEEWAY + 600 + near},
        "nbf as text": {"nbf": "0"}, "nbf 0": {"nbf": 0},
        "iat as text": {"iat": str(at)}, "iat null": {"iat": None}, "iat to come": {"iat": at + 600}, "iat as a fraction": {"iat": at - 0.25},
        "iss another": {"iss": "https://evil.example"}, "iss with a slash": {"iss": base(verifier, pick)["iss"] + "/"},
        "iss a list": {"iss": [base(verifier, pick)["iss"]]}, "iss null": {"iss": None},
        "sub a number": {"sub": 7}, "sub another": {"sub": "root"}, "aud a number": {"aud": 7}, "aud an object": {"aud": {"api": 1}},
        "aud with a number": {"aud": ["api", "c1", 7]}, "scope a list": {"scope": ["orders/read"]},
        "jti a number": {"jti": 7}, "an unknown claim": {"custom:claim": {"a": [1, 2.5, None]}},
        "a long claim": {"x": "y" * pick.randrange(100, 4000)}, "text outside ASCII": {"name": "Zoë 🦀"},
    }
    if verifier != "id":
        found |= {
            "scope of others": {"scope": "orders/write"}, "scope a prefix": {"scope": "orders/rea"}, "scope longer": {"scope": "orders/reads"},
            "scope empty": {"scope": ""}, "scope among many": {"scope": "a b orders/read c"},
            "scope in capitals": {"scope": "ORDERS/READ"},
        }
    if verifier != "generic":
        found |= {
            "the other token_use": {"token_use": "id" if verifier == "access" else "access"}, "token_use null": {"token_use": None},
            "token_use a list": {"token_use": [verifier]}, "token_use in capitals": {"token_use": verifier.upper()},
            "another client": {client: "c3"}, "no client": {client: ""}, "a list of clients": {client: ["c1"]},
            "a client with a space": {client: "c1 "},
            "the UPDATED issuer": {"iss": f"https://issuer-cognito-idp.{world.REGION}.amazonaws.com/{world.USER_POOL}"},
            "another pool": {"iss": world.ISSUER + "9"},
        }
    else:
        found |= {
            "aud another": {"aud": "apis"}, "aud empty": {"aud": ""}, "aud an empty list": {"aud": []}, "aud all": {"aud": ["other", "api", "x"]},
            "aud null": {"aud": None}, "client_id": {"client_id": "c1"},
        }
    return found


def changed(verifier: str, pick: random.Random) -> list[Case]:
    """Tokens that are signed right, by their claims."""
    found = []
    for name, change in claim_changes(verifier, pick).items():
        algorithm, kid, key = pick.choice(SIGNERS[verifier])
        found.append(Case(verifier, name, token({"alg": algorithm, "kid": kid}, {**base(verifier, pick), **change}, key)))
    full = base(verifier, pick)
    for name in sorted(full.keys() - {"exp"}):
        algorithm, kid, key = pick.choice(SIGNERS[verifier])
        without = {other: value for other, value in full.items() if other != name}
        found.append(Case(verifier, f"without {name}", token({"alg": algorithm, "kid": kid}, without, key)))
    return found


def good(verifier: str, pick: random.Random) -> list[Case]:
    found = []
    for number in range(30):
        algorithm, kid, key = SIGNERS[verifier][number % len(SIGNERS[verifier])]
        typ = pick.choice([{}, {"typ": "JWT"}, {"typ": "at+jwt"}])
        found.append(Case(verifier, f"good {number}", token({"kid": kid, "alg": algorithm, **typ}, base(verifier, pick), key)))
    return found


def forged(verifier: str, pick: random.Random) -> list[Case]:
    """Tokens whose header, form or signature is wrong."""
    found = []
    for algorithm, kid, key in SIGNERS[verifier]:
        header = {"alg": algorithm, "kid": kid}
        head, claimed, signed = token(header, base(verifier, pick), key).split(".")
        place = pick.randrange(len(signed) - 1)
        flipped = signed[:place] + ("A" if signed[place] != "A" else "B") + signed[place + 1:]
        texts = {
            "a character of the signature": f"{head}.{claimed}.{flipped}", "no signature": f"{head}.{claimed}.",
            "two parts": f"{head}.{claimed}", "four parts": f"{head}.{claimed}.{signed}.x",
            "cut": f"{head}.{claimed}.{signed[:-4]}",
            "other claims": f"{head}.{b64(compact(base(verifier, random.Random(pick.random()))))}.{signed}",
            "a space": f"{head}.{claimed}.{signed} ", "empty": "",
            "alg none": f"{b64(compact({**header, 'alg': 'none'}))}.{claimed}.",
            "alg none, signed": f"{b64(compact({**header, 'alg': 'none'}))}.{claimed}.{signed}", "not base64": f"{head}.{claimed}.%%%",
            "no JSON": f"{b64('x')}.{claimed}.{signed}",
        }
        found += [Case(verifier, f"{algorithm} {kid}: {name}", text) for name, text in texts.items() if text]
        headers = {
            "kid unknown": {**header, "kid": "unknown"}, "no kid": {"alg": algorithm}, "kid a number": {**header, "kid": 7},
            "kid null": {**header, "kid": None}, "no alg": {"kid": kid}, "alg in lower case": {**header, "alg": algorithm.lower()},
            "alg null": {**header, "alg": None}, "alg a list": {**header, "alg": [algorithm]}, "jku beside": {**header,
            "jku": "https://evil.example"}, "jwk beside": {**header, "jwk": jwk(EVIL_RSA, kid)},
        }
        for name, other in headers.items():
            found.append(Case(verifier, f"{algorithm} {kid}: {name}", token(other, base(verifier, pick), key, algorithm)))
    algorithm, kid, key = SIGNERS[verifier][0]
    public = compact(jwk(key, kid)).encode()
    found += [
        Case(verifier, "HS256 with the public key", token({"alg": "HS256", "kid": kid}, base(verifier, pick), public)),
        Case(verifier, "the attacker's key", token({"alg": "RS256", "kid": kid}, base(verifier, pick), EVIL_RSA)),
        Case(verifier, "RS384 by a key for RS256", token({"alg": "RS384", "kid": kid}, base(verifier, pick), key)),
        Case(verifier, "claims that are no object", token({"alg": algorithm, "kid": kid}, "[]", key)),
        Case(verifier, "claims and more", token({"alg": algorithm, "kid": kid}, compact(base(verifier, pick)) + "x", key)),
    ]
    if verifier == "generic":
        message = f"{b64(compact({'alg': 'ES256', 'kid': 'p256'}))}.{b64(compact(base(verifier, pick)))}"
        found += [
            Case(verifier, "ECDSA in DER", f"{message}.{b64(der(P256, message.encode()))}"),
            Case(verifier, "ECDSA of zeros", f"{message}.{b64(fixed(0, 0, P256))}"),
            Case(verifier, "a key for encryption", token({"alg": "RS256", "kid": "enc"}, base(verifier, pick), EVIL_RSA)),
            Case(verifier, "ES384 by a key on P-256", token({"alg": "ES384", "kid": "p256"}, base(verifier, pick), P256)),
            Case(verifier, "the kid of another key", token({"alg": "RS256", "kid": "any"}, base(verifier, pick), RSA)),
        ]
    return found


def differing(verifier: str, pick: random.Random) -> list[Case]:
    """A token for each reason to differ."""
    algorithm, kid, key = SIGNERS[verifier][0]
    header, claims = {"alg": algorithm, "kid": kid}, base(verifier, pick)
    head, claimed, signed = token(header, claims, key).split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    without = {name: value for name, value in claims.items() if name != "exp"}
    tokens = {
        "no exp": token(header, without, key),
        "exp 0 beyond the year 9999": token(header, {**claims, "exp": 10**15}, key),
        "nbf below 0": token(header, {**claims, "nbf": -1}, key),
        "crit": token({**header, "crit": ["x"], "x": 1}, claims, key),
        "a claim twice": token(header, compact(claims).replace('"sub"', '"sub":"root","sub"', 1), key),
        "padding": f"{head}.{claimed}.{signed}==",
        "stray bits": f"{head}.{claimed}.{signed[:-1]}{letters[letters.index(signed[-1]) + 1]}",
        "typ of another kind": token({**header, "typ": "logout+jwt"}, claims, key),
        "typ is a number": token({**header, "typ": 7}, claims, key),
        "larger than 16 KiB": token(header, {**claims, "x": "y" * 13_000}, key),
    }
    if verifier == "generic":
        scp = {name: value for name, value in claims.items() if name != "scope"}
        tokens |= {
            "ES512": token({"alg": "ES512", "kid": "p521"}, claims, P521),
            "Ed448": token({"alg": "EdDSA", "kid": "ed448"}, claims, ED448),
            "PS256": token({"alg": "PS256", "kid": "any"}, claims, OTHER_RSA),
            "Ed25519 as alg": token({"alg": "Ed25519", "kid": "ed"}, claims, ED25519),
            "scp": token(header, {**scp, "scp": ["orders/read"]}, key),
        }
    return [Case(verifier, name, made) for name, made in tokens.items()]
