"""Tokens signed by hand, so that a test can write what no library would, and a server that publishes their keys.

The keys are those of tests/keys; the id of each is its name here. Nothing in this file is a verifier.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

import world

KEYS = Path(__file__).resolve().parents[1] / "keys"
POOL_KEYS = f"/{world.USER_POOL}/.well-known/jwks.json"


def stored(name: str):
    return load_pem_private_key((KEYS / name).read_bytes(), None)


RSA, OTHER_RSA = stored("rsa.pkcs8.pem"), stored("rsa-2048.pem")
P256, P384, ED25519 = stored("p256.pkcs8.pem"), stored("p384.pkcs8.pem"), stored("ed25519.pkcs8.pem")

# Whoever attacks has keys of his own of every kind, which nobody publishes.
EVIL_RSA = rsa.generate_private_key(65537, 2048)
EVIL_P256 = ec.generate_private_key(ec.SECP256R1())


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value) -> str | bytes:
    return value if isinstance(value, (str, bytes)) else json.dumps(value, separators=(",", ":"))


def signature(algorithm: str, key, message: bytes) -> bytes:
    """The signature of `message` (RFC 7518 section 3); for HMAC the key is bytes."""
    kind, digest = algorithm[:2], getattr(hashes, f"SHA{algorithm[2:]}", hashes.SHA256)
    if kind == "HS":
        return hmac.new(key, message, getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    if kind == "RS":
        return key.sign(message, padding.PKCS1v15(), digest())
    if kind == "PS":
        return key.sign(message, padding.PSS(padding.MGF1(digest()), digest.digest_size), digest())
    if kind == "ES":
        return fixed(*decode_dss_signature(der(key, message, digest)), key)
    return key.sign(message)


def der(key, message: bytes, digest=hashes.SHA256) -> bytes:
    return key.sign(message, ec.ECDSA(digest()))


def fixed(r: int, s: int, key) -> bytes:
    size = (key.curve.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def token(header, claims, key=RSA, algorithm: str | None = None, sign=None) -> str:
    """A token with this header and these claims, objects, or what is to stand there in their place."""
    message = f"{b64(compact(header))}.{b64(compact(claims))}"
    algorithm = algorithm or header["alg"]
    made = sign(message.encode()) if sign else signature(algorithm, key, message.encode())
    return f"{message}.{b64(made)}"


def jwk(key, kid: str, **more) -> dict:
    public = key.public_key()
    edwards = (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)
    kinds = {RSAAlgorithm: rsa.RSAPublicKey, ECAlgorithm: ec.EllipticCurvePublicKey, OKPAlgorithm: edwards}
    kind = next(kind for kind, bases in kinds.items() if isinstance(public, bases))
    members = kind.to_jwk(public, as_dict=True)
    members.pop("key_ops", None)
    return {**members, "kid": kid, **more}


class KeyServer:
    """Publishes key sets, and knows who asked for what."""

    def __init__(self):
        outer = self
        self.documents: dict[str, dict] = {}
        self.asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                found = outer.documents.get(self.path)
                body = json.dumps(found or {}).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


def now() -> int:
    return int(time.time())
