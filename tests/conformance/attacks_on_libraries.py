"""Attacks that worked on JWT libraries: the published weaknesses, Wycheproof's JSON Web Signature cases, and what RFC 7515, 7518 and
7519 leave to a reader. [`attacks`] has the lists of testers, and says how the tokens are made."""

from __future__ import annotations

import json

from attacks import (
    EDDSA, ES256, ES384, HEADER, ISSUER, L25519, N256, OCTETS, PARTNER, PS256, Attack, Lure, claims, confusions, good, injected, keyed, pem,
    pool_claims, unsigned,
)
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import PublicFormat
from signing import (
    ED25519, EVIL_P256, EVIL_RSA, OTHER_RSA, P256, P384, RSA, b64, compact, der, fixed, jwk, now, signature, stored, token,
)

import world


def weaknesses(_: Lure) -> list[Attack]:
    """By their CVE numbers; "McLean 2015" is "Critical vulnerabilities in JSON Web Token libraries"."""
    head, claimed, signed = good().split(".")
    forged = b64(compact(claims(sub="root")))
    mixed = json.dumps({f"  {head}.{forged}.": "", "protected": head, "payload": claimed, "signature": signed})
    at = now()
    return [
        Attack("McLean 2015: none", unsigned("none")),
        Attack("McLean 2015: RS256 to HS256", keyed(pem(RSA))),
        Attack("McLean 2015: ES256 to HS256", keyed(pem(P256), kid="p256")),
        Attack("CVE-2015-9235 jsonwebtoken, key confusion", keyed(pem(RSA))),
        Attack("CVE-2016-5431 gree/jose, key confusion", keyed(pem(RSA), "HS512")),
        Attack("CVE-2016-10555 jwt-simple, key confusion", keyed(pem(RSA), "HS384")),
        Attack("CVE-2017-11424 PyJWT, PKCS #1 PEM", keyed(pem(RSA, PublicFormat.PKCS1))),
        Attack("CVE-2018-0114 node-jose, embedded jwk", injected({"jwk": jwk(EVIL_RSA, "evil"), "kid": "evil"})),
        Attack("CVE-2018-1000531 prime-jwt, none", unsigned("none", kid=None)),
        Attack("CVE-2019-20933 InfluxDB, empty secret", keyed(b"")),
        Attack("CVE-2020-28042 ServiceStack, empty signature", f"{head}.{forged}."),
        Attack("CVE-2021-22160 Pulsar, none", unsigned("none", typ=None)),
        Attack("CVE-2022-21449 Java, psychic signature", token(ES256, claims(), sign=lambda _: bytes(64))),
        Attack("CVE-2022-21449 Java, psychic signature on P-384", token(ES384, claims(), sign=lambda _: bytes(96))),
        Attack("CVE-2022-23539 jsonwebtoken, a key of another type than the algorithm's", token({"alg": "RS256", "kid": "p256"}, claims(), RSA)),
        Attack("CVE-2022-23540 jsonwebtoken, none", unsigned("none")),
        Attack("CVE-2022-23541 jsonwebtoken, HS256 with the key that is looked up", keyed(pem(OTHER_RSA), kid="any")),
        Attack("CVE-2022-29217 PyJWT, OpenSSH key", keyed(confusions(P256, "p256")["OpenSSH"], kid="p256")),
        Attack("CVE-2022-39227 python-jwt, JSON mixed with compact", mixed),
        Attack("CVE-2023-48223 fast-jwt, PKCS #1 PEM", keyed(pem(RSA, PublicFormat.PKCS1).rstrip())),
        Attack("CVE-2024-33663 python-jose, OpenSSH key", keyed(confusions(P384, "p384")["OpenSSH"], kid="p384")),
        Attack("python-jose, DER key, past the fix of CVE-2024-33663", keyed(confusions(P256, "p256")["DER"], kid="p256")),
        Attack("CVE-2024-37568 Authlib, key confusion", keyed(pem(ED25519), kid="ed25519")),
        Attack("CVE-2024-53861 PyJWT, part of an issuer", token(HEADER, claims(iss=ISSUER[:-1]))),
        Attack("CVE-2025-30144 fast-jwt, a list of issuers", token(HEADER, claims(iss=[ISSUER, "https://evil.example"]))),
        Attack("CVE-2025-59420 Authlib, unknown crit", token({**HEADER, "crit": ["bork"], "bork": "x"}, claims())),
        Attack("CVE-2025-61920 Authlib, a header of megabytes, here 60 kB", injected({"x": "x" * 45_000}), status=400),
        Attack("CVE-2026-22817 Hono, HS256 by a key that names no algorithm", keyed(pem(OTHER_RSA).rstrip(), kid="any")),
        Attack("CVE-2026-25537 jsonwebtoken of Rust, exp as text", token(HEADER, claims(exp="1"))),
        Attack("CVE-2026-25537 jsonwebtoken of Rust, nbf as text", token(HEADER, claims(nbf=str(at + 9_000)))),
        Attack("CVE-2026-27962 Authlib, embedded jwk", injected({"kid": None, "jwk": jwk(EVIL_RSA, "evil")})),
        Attack("CVE-2026-29000 pac4j, unsigned inside encrypted", encrypted(unsigned("none"))),
        Attack("CVE-2026-34950 fast-jwt, white space before the PEM", keyed(b"\n" + pem(RSA))),
        Attack("CVE-2026-44699 LibJWT, empty secret by a key that names no algorithm", keyed(b"", kid="any")),
    ]


def encrypted(text: str) -> str:
    """`text` in a JWE for whoever has the issuer's key: anybody can make one, and it says nothing of who did."""
    head = b64(compact({"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT", "kid": "rsa"}))
    key, nonce = AESGCM.generate_key(256), bytes(12)
    wrapped = RSA.public_key().encrypt(key, OAEP(MGF1(SHA256()), SHA256(), None))
    sealed = AESGCM(key).encrypt(nonce, text.encode(), head.encode())
    return ".".join([head, *map(b64, (wrapped, nonce, sealed[:-16], sealed[-16:]))])


def wycheproof(_: Lure) -> list[Attack]:
    """The items of json_web_signature_test.json, with our keys. The signatures themselves are judged by Wycheproof's own vectors in Rust."""
    found = []
    signers = {"rs256": (HEADER, RSA), "ps256": (PS256, OTHER_RSA), "es256": (ES256, P256), "es384": (ES384, P384), "eddsa": (EDDSA, ED25519)}
    for name, (header, key) in signers.items():
        head, claimed, signed = good(header, key).split(".")
        other = "X" if signed[0] != "X" else "Y"
        document = {"payload": claimed, "signatures": [{"protected": head, "header": {"unknown": "untrustworthy"}, "signature": signed}]}
        none = b64(compact({**header, "alg": "none"}))
        evil, how = (EVIL_RSA, header["alg"]) if name in ("rs256", "ps256") else (EVIL_P256, "ES256")
        embedded = token({**header, "jwk": jwk(evil, header["kid"])}, claims(), evil, how)
        items = {
            "rejectsModifiedSignature": f"{head}.{claimed}.{other}{signed[1:]}",
            "rejectsMissingSignature": f"{head}.{claimed}.",
            "rejectsMissingSignatureAndSeparator": f"{head}.{claimed}",
            "rejectsModifiedPayload": f"{head}.{b64(compact(claims(sub='foo')))}.{signed}",
            "rejectsMissingPayload": f"{head}..{signed}",
            "rejectsMissingPayloadAndSeparator": f"{head}.{signed}",
            "rejectsModifiedHeader": f"{b64(compact({**header, 'kid': 'X' + header['kid']}))}.{claimed}.{signed}",
            "rejectsMissingHeader": f".{claimed}.{signed}",
            "rejectsMissingHeaderAndSeparator": f"{claimed}.{signed}",
            "rejectsMissingHeaderAndSignature": f".{claimed}.",
            "rejectsMissingHeaderSignatureAndSeparators": claimed,
            "rejectsExtraEmptyComponent": f"{head}.{claimed}.{signed}.",
            "rejectsExtraComponent": f"{head}.{claimed}.{signed}.foo",
            "rejectsNoneAlgorithmAndMissingSignature": f"{none}.{claimed}.",
            "rejectsValidJsonSerialization": json.dumps(document),
            "beside the list: flattened JSON serialization": json.dumps({"payload": claimed, "protected": head, "signature": signed}),
            "rejectsSymmetryConfusionAttacks": keyed(confusions(key, header["kid"])["DER"], kid=header["kid"]),
            "rejectsAttackerProvidedEmbeddedJwk": embedded,
        }
        found += [Attack(f"{name} {item}", made) for item, made in items.items()]
    wrong = {"PS256": OTHER_RSA, "RS384": OTHER_RSA, "RS512": OTHER_RSA}
    for algorithm, key in wrong.items():
        swapped = token({"alg": "RS256", "kid": "any"}, claims(), key, algorithm)
        found += [
            Attack(f"WrongPrimitive: a signature of {algorithm} said to be of RS256", swapped),
            Attack(f"WrongPrimitive: {algorithm} by a key for RS256", token({**HEADER, "alg": algorithm}, claims(), RSA)),
        ]
    return found


def signatures(_: Lure) -> list[Attack]:
    """RFC 7515 section 10, RFC 7518 section 8: numbers out of range, other encodings, keys that are for something else."""
    message = f"{b64(compact(ES256))}.{b64(compact(claims()))}"
    encoded = der(P256, message.encode())
    r, s = decode_dss_signature(encoded)

    def ecdsa(made: bytes) -> str:
        return f"{message}.{b64(made)}"

    head = f"{b64(compact(HEADER))}.{b64(compact(claims()))}"
    made = signature("RS256", RSA, head.encode())
    grown = (int.from_bytes(made, "big") + RSA.public_key().public_numbers().n).to_bytes(257, "big")
    edwards = f"{b64(compact(EDDSA))}.{b64(compact(claims()))}"
    signed = ED25519.sign(edwards.encode())
    raised = signed[:32] + (int.from_bytes(signed[32:], "little") + L25519).to_bytes(32, "little")
    numbers = {
        "ECDSA in DER": encoded, "ECDSA, r and s are 0": bytes(64), "ECDSA, r is 0": bytes(32) + fixed(r, s, P256)[32:],
        "ECDSA, s is 0": fixed(r, s, P256)[:32] + bytes(32), "ECDSA, r is the order": fixed(N256, s, P256),
        "ECDSA, s is the order": fixed(r, N256, P256),
        "ECDSA, r and s are the order": fixed(N256, N256, P256), "ECDSA, r and s swapped": fixed(s, r, P256),
        "ECDSA, r alone": fixed(r, s, P256)[:32],
        "ECDSA, zeros before": bytes(2) + fixed(r, s, P256), "ECDSA, zeros behind": fixed(r, s, P256) + bytes(2),
        "ECDSA, of another length": b"\0" + fixed(r, s, P256)[:-1],
    }
    own = {"alg": "RS256", "kid": "short"}
    koblitz = stored("secp256k1.pem")
    return [Attack(item, ecdsa(made)) for item, made in numbers.items()] + [
        Attack("RSA, a zero before", f"{head}.{b64(bytes(1) + made)}"),
        Attack("RSA, a byte less", f"{head}.{b64(made[1:])}"),
        Attack("RSA, the modulus added", f"{head}.{b64(grown)}"),
        Attack("RSA, 0", f"{head}.{b64(bytes(256))}"),
        Attack("RSA, 1", f"{head}.{b64(bytes(255) + bytes([1]))}"),
        Attack("Ed25519, s raised by the order", f"{edwards}.{b64(raised)}"),
        Attack("Ed25519, 0", f"{edwards}.{b64(bytes(64))}"),
        Attack("Ed25519, the neutral point and 0", f"{edwards}.{b64(bytes([1]) + bytes(63))}"),
        Attack("ES256 with a key on P-384", token({"alg": "ES256", "kid": "p384"}, claims(), P256)),
        Attack("ES384 with a key on P-256", token({"alg": "ES384", "kid": "p256"}, claims(), P256, "ES384")),
        Attack("ES256K with its key published", token({"alg": "ES256K", "kid": "koblitz"}, claims(), koblitz, "ES256")),
        Attack("ES256 with a key on secp256k1", token({"alg": "ES256", "kid": "koblitz"}, claims(), koblitz)),
        Attack("a key for encryption", token({**HEADER, "kid": "for-encryption"}, claims(), EVIL_RSA)),
        Attack("a key whose key_ops lack verify", token({**HEADER, "kid": "wraps"}, claims(), EVIL_RSA)),
        Attack("a key of 1024 bits", token(own, claims(), stored("rsa1024.pem"))),
        Attack("a symmetric key that is published", token({"alg": "HS256", "kid": "shared"}, claims(), OCTETS)),
        Attack("the kid of another key of the issuer", token({**HEADER, "kid": "any"}, claims(), RSA)),
        Attack("an RSA kid with an Ed25519 signature", token({"alg": "EdDSA", "kid": "rsa"}, claims(), ED25519)),
        Attack("another issuer's token", token(HEADER, claims(iss=PARTNER), OTHER_RSA)),
        Attack("another issuer's key and this one's name", token(HEADER, claims(), OTHER_RSA), "partner"),
        Attack("this issuer's token at another", good(), "partner"),
        Attack("a user pool's token at another issuer", token(HEADER, pool_claims())),
        Attack("PS256 at a user pool", token({"alg": "PS256", "kid": "rsa"}, pool_claims(), RSA), "pool"),
    ]


def forms(_: Lure) -> list[Attack]:
    """RFC 7515 sections 2, 4 and 5.2, RFC 7519 section 7.2, RFC 8259: what is no token by the letter."""
    head, claimed, signed = good().split(".")
    body, whole = compact(claims()), f"{head}.{claimed}.{signed}"
    stray = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 256 bytes end in a character of which four bits mean nothing, and are zero.
    loose = signed[:-1] + stray[stray.index(signed[-1]) + 1]
    texts = {
        "nothing": "", "opaque": "opaque", "dots": "..", "two dots less": "a.b", "padding": f"{head}.{claimed}.{signed}==",
        "padding in the middle": f"{head}=.{claimed}.{signed}",
        "the alphabet with + and /": f"{head}.{claimed}.{signed[:8]}+/{signed[10:]}", "stray bits": f"{head}.{claimed}.{loose}",
        "a space inside": whole.replace(".", ". ", 1),
        "a newline inside": whole.replace(".", ".\n", 1), "a newline in a part": f"{head[:5]}\n{head[5:]}.{claimed}.{signed}",
        "percent encoding": whole.replace(".", "%2E"),
        "quotes": f'"{whole}"', "two tokens": f"{whole},{whole}", "two tokens with a space": f"{whole} {whole}",
        "a scheme twice": f"Bearer {whole}", "a letter outside ASCII": whole + "é",
        "a null byte": whole + "\0", "four dots": f"{head}..{claimed}..{signed}", "a detached payload": f"{head}..{signed}",
        "a token and its hash": f"{whole}~", "larger than 16 KiB": token(HEADER, claims(x="x" * 13_000)),
    }
    found = [Attack(item, made, status=400 if len(made) > 8_000 or "\0" in made else 401) for item, made in texts.items()]
    headers = {
        "an empty header": "{}", "a list": '["RS256"]', "a text": '"RS256"', "null": "null", "alg twice": '{"alg":"RS256","alg":"none","kid":"rsa"}',
        "alg twice, once escaped": '{"alg":"RS256","\\u0061lg":"RS256","kid":"rsa"}',
        "kid twice": '{"alg":"RS256","kid":"evil","kid":"rsa"}', "no alg": '{"kid":"rsa"}',
        "alg in lower case": '{"alg":"rs256","kid":"rsa"}', "alg with a space": '{"alg":"RS256 ","kid":"rsa"}',
        "alg a list": '{"alg":["RS256"],"kid":"rsa"}', "alg null": '{"alg":null,"kid":"rsa"}',
        "alg a number": '{"alg":256,"kid":"rsa"}', "alg RS1": '{"alg":"RS1","kid":"rsa"}', "alg empty": '{"alg":"","kid":"rsa"}',
        "no kid": '{"alg":"RS256"}', "kid empty": '{"alg":"RS256","kid":""}',
        "kid null": '{"alg":"RS256","kid":null}', "kid a number": '{"alg":"RS256","kid":0}', "kid a list": '{"alg":"RS256","kid":["rsa"]}',
        "kid an object": '{"alg":"RS256","kid":{"rsa":1}}',
        "kid in capitals": '{"alg":"RS256","kid":"RSA"}', "kid with a space": '{"alg":"RS256","kid":"rsa "}',
        "kid with a null byte": '{"alg":"RS256","kid":"rsa\\u0000"}', "kid is a template": '{"alg":"RS256","kid":"{{7*7}}${7*7}"}',
        "kid of 4 kB": compact({"alg": "RS256", "kid": "k" * 4_000}), "crit empty": '{"alg":"RS256","kid":"rsa","crit":[]}',
        "crit null": '{"alg":"RS256","kid":"rsa","crit":null}', "crit names a claim": '{"alg":"RS256","kid":"rsa","crit":["exp"]}',
        "b64 false (RFC 7797)": '{"alg":"RS256","kid":"rsa","b64":false,"crit":["b64"]}',
        "typ a number": '{"alg":"RS256","kid":"rsa","typ":7}', "more behind": '{"alg":"RS256","kid":"rsa"}{}',
        "a comment": '{"alg":"RS256",/**/"kid":"rsa"}', "single quotes": "{'alg':'RS256','kid':'rsa'}",
        "a comma too many": '{"alg":"RS256","kid":"rsa",}', "a BOM": '\ufeff{"alg":"RS256","kid":"rsa"}',
        "a lone surrogate": '{"alg":"RS256","kid":"rsa","x":"\\ud800"}',
    }
    found += [Attack(f"header: {item}", token(text, claims(), RSA, "RS256")) for item, text in headers.items()]
    bodies = {
        "no object": "[]", "empty": "{}", "a text": '"x"', "iss twice": body.replace('"iss"', f'"iss":"{ISSUER}","iss"', 1),
        "exp twice": body.replace('"exp"', '"exp":1,"exp"', 1),
        "sub twice, once escaped": body.replace('"sub"', '"\\u0073ub":"root","sub"', 1),
        "twice below": body[:-1] + ',"a":[{"b":1,"b":2}]}', "more behind": body + "x", "a second object": body + body,
        "a BOM": "\ufeff" + body,
        "a comma too many": body[:-1] + ",}", "NaN": body[:-1] + ',"a":NaN}', "Infinity": body[:-1] + ',"a":Infinity}',
        "1e999": body[:-1] + ',"a":1e999}', "a null byte behind": body + "\0", "cut": body[:-1],
        "depth of 200": body[:-1] + ',"a":' + "[" * 200 + "]" * 200 + "}", "a control character in a text": body.replace("ann", "a\nnn"),
        "hexadecimal": body[:-1] + ',"a":0x1}',
    }
    found += [Attack(f"claims: {item}", token(HEADER, text)) for item, text in bodies.items()]
    return found + [Attack("claims: no UTF-8", token(HEADER, body.encode().replace(b"ann", b"\xff\xfe")))]


def claimed_wrongly(_: Lure) -> list[Attack]:
    """RFC 7519 section 4.1, RFC 8725 sections 3.8 to 3.10: claims of another type, or that say something else."""
    at = now()
    changes = {
        "exp is missing": {"exp": None}, "exp past": {"exp": at - 600}, "exp past by leeway": {"exp": at - 60},
        "exp as text": {"exp": str(at + 600)}, "exp as ISO 8601": {"exp": "2099-01-01T00:00:00Z"}, "exp true": {"exp": True},
        "exp a list": {"exp": [at + 600]}, "exp an object": {"exp": {"x": 1}}, "exp negative": {"exp": -1}, "exp 0": {"exp": 0},
        "exp of 2^63": {"exp": 2**63}, "exp of 2^64": {"exp": 2**64}, "exp 1e300": {"exp": 1e300},
        "exp in milliseconds": {"exp": (at + 600) * 1_000}, "exp past, with a fraction": {"exp": at - 600.5},
        "nbf to come": {"nbf": at + 600}, "nbf as text": {"nbf": str(at)}, "nbf a list": {"nbf": [at]}, "nbf negative": {"nbf": -1},
        "iat as text": {"iat": str(at)}, "iat false": {"iat": False}, "iss is missing": {"iss": None},
        "iss another": {"iss": "https://evil.example"}, "iss with a slash": {"iss": ISSUER + "/"},
        "iss in capitals": {"iss": ISSUER.upper()},
        "iss by http": {"iss": ISSUER.replace("https", "http")}, "iss with a port": {"iss": ISSUER + ":443"},
        "iss with more": {"iss": ISSUER + ".evil.example"}, "iss with a user": {"iss": "https://login.example@evil.example"},
        "iss with a newline": {"iss": ISSUER + "\n"}, "iss with a null byte": {"iss": ISSUER + "\0"}, "iss a list": {"iss": [ISSUER]},
        "iss an object": {"iss": {ISSUER: 1}}, "iss empty": {"iss": ""}, "aud is missing": {"aud": None},
        "aud another": {"aud": "apis"}, "aud empty": {"aud": ""}, "aud an empty list": {"aud": []}, "aud others": {"aud": ["x", "y"]},
        "aud with a space": {"aud": "api x"}, "aud in capitals": {"aud": "API"}, "aud nested": {"aud": [["api"]]},
        "aud an object": {"aud": {"api": 1}}, "aud with a number": {"aud": ["api", 1]}, "aud true": {"aud": True}, "aud *": {"aud": "*"},
        "client_id is missing": {"client_id": None}, "client_id a list": {"client_id": ["c1"]},
        "client_id another, azp right": {"client_id": "c2", "azp": "c1"}, "sub a number": {"sub": 0}, "sub a list": {"sub": ["ann"]},
        "scope a list": {"scope": ["orders/read"]},
    }
    lacking = {
        "scope is missing": {"scope": None}, "scope another": {"scope": "orders/readx"}, "scope in capitals": {"scope": "ORDERS/READ"},
        "scope with commas": {"scope": "orders/read,x"}, "scope with a tab": {"scope": "x\torders/read"},
    }
    own = {
        "token_use of an ID token": {"token_use": "id"}, "token_use in capitals": {"token_use": "ACCESS"},
        "token_use a list": {"token_use": ["access"]}, "token_use is missing": {"token_use": None},
        "client in aud only": {"client_id": None, "aud": "c1"},
        "another client": {"client_id": "c2"}, "another user pool": {"iss": world.ISSUER + "6"},
        "another region": {"iss": world.ISSUER.replace("eu-west-1", "eu-west-2")},
        "a look-alike host": {"iss": world.ISSUER.replace(".com", ".com.evil.example")},
    }
    found = [Attack(item, token(HEADER, claims(**change))) for item, change in changes.items()]
    found += [Attack(f"{name} null", token(HEADER, {**claims(), name: None})) for name in claims()]
    found += [Attack(item, token(HEADER, claims(**change)), status=403) for item, change in lacking.items()]
    known = {"alg": "RS256", "kid": "rsa"}
    return found + [Attack(f"user pool: {item}", token(known, pool_claims(**change)), "pool") for item, change in own.items()]
