"""Everything the daemon prints at its most verbose level, searched for everything it must not print."""

from __future__ import annotations

import base64
import json
import math
import re
import urllib.parse
from collections import Counter

import pytest

import world
from conftest import DAEMON_SECRETS
from processes import request, until

# Pieces of this length are looked for: a log line that cuts a secret off still shows most of it.
WINDOW = 12


AUDIT_KEY = "4uD1tk3yXc9Vb2Nm7Qw5Er1Ty8Ui3Op6As0Df"
KEYED = '[audit]\nkey = { file = "@HOME@/audit.key" }\n'
TO_A_FILE = '[audit]\nto = { file = "@HOME@/audit.log" }\n'

# How every JWT begins: the base64 of `{"`.
JWT = re.compile(rb"eyJ[\w-]{12,}")


def forms(secret: str) -> set[bytes]:
    """A secret raw, in base64 (at each of the three alignments it can have inside a longer text), and percent-encoded."""
    raw = secret.encode()
    found = {raw, urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote_plus(secret).encode(), raw.hex().encode()}
    for pad in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # Without the first and last characters, which the neighbours in the longer text decide.
            found.add(encode(b"\0" * pad + raw).rstrip(b"=")[4 if pad else 0 : -2])
    return found


def entropy(text: str) -> float:
    """Bits a character, by how often each occurs."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def pieces(secret: str) -> set[bytes]:
    """Every run of WINDOW characters that is random enough not to occur by chance, as `0123456789ab` or an ARN in a JWT's claims could."""
    runs = (secret[i : i + WINDOW] for i in range(len(secret) - WINDOW + 1))
    return {run.encode() for run in runs if entropy(run) > 2.9}


def sightings(printed: bytes, secrets: dict[str, str]) -> list[str]:
    """The names of the secrets that show, and in which form; never the secrets."""
    found = []
    for name, secret in secrets.items():
        found += [f"{name}: a whole form of it" for form in forms(secret) if form in printed]
        found += [f"{name}: a piece of it" for piece in pieces(secret) if piece in printed][:1]
    return found


@pytest.fixture
def exercised(broker, emulator, service, credbroker):
    """A daemon at trace level after every path that touches a secret, and all the secrets there were."""
    daemon = broker(log="trace", more=KEYED, files={"audit.key": AUDIT_KEY})
    secrets = {
        "audit key": AUDIT_KEY,
        "client secret": world.M2M_SECRET,
        "wrong client secret": DAEMON_SECRETS["wrong.secret"],
        "password": world.ROBOT_PASSWORD,
        "broker's secret key": world.BROKER_SECRET,
        "caller token": daemon.caller_token("orders"),
        "other caller token": daemon.caller_token("stranger"),
        "guessed caller token": "gu3ssEdT0ken" + "Zx8Vb1Nm5Qw2Er7T" + "y4Ui9Op0",
    }

    for name in ("billing", "billing-api", "robot"):
        answer = daemon.eventually(f"/v1/tokens/{name}")
        assert answer.status == 200, answer.text
        header, claims, signature = answer.json()["access_token"].split(".")
        # The parts each on its own; the header says nothing and is the same in every token.
        secrets |= {f"{name} token's claims": claims, f"{name} token's signature": signature}
    for name in ("orders", "uploads"):
        answer = daemon.eventually(f"/v1/credentials/{name}")
        assert answer.status == 200, answer.text
        secrets |= {f"{name} secret key": answer.json()["SecretAccessKey"], f"{name} session token": answer.json()["Token"]}

    # What goes wrong is what gets logged: refused callers, a refused secret, an upstream that breaks in each of its ways.
    assert daemon.eventually("/v1/tokens/broken").status == 502
    assert daemon.get("/v1/tokens/billing", token=secrets["guessed caller token"]).status == 401
    assert daemon.get("/v1/tokens/billing", "stranger").status == 403
    assert daemon.get("/v1/tokens/billing", X_Forwarded_For="10.0.0.1").status == 403
    # Where a token does not belong, by a confused client.
    request(f"{daemon.url}/v1/tokens/{secrets['guessed caller token']}", headers={"Authorization": f"Bearer {secrets['caller token']}"})
    request(f"{daemon.url}/v1/tokens/billing?token={secrets['guessed caller token']}")
    request(f"{daemon.url}/v1/tokens/billing", headers={"Authorization": f"Basic {secrets['guessed caller token']}"})
    assert daemon.get("/v1/status").status == 200

    known = {"CREDBROKER_URL": daemon.url, "CREDBROKER_TOKEN_FILE": str(daemon.token_file("orders")), "CREDBROKER_LOG": "trace"}
    clients = [service([credbroker, "token", "broken"], **known), service([credbroker, "wait", "tokens.billing", "--timeout", "10s"], **known)]

    # A second daemon meets a broken upstream: one that says our secret back, one that stops in the middle of a token, then
    # one that is gone. What the daemon holds in its hands when a fetch fails must not show either.
    failing = broker(log="trace", more=TO_A_FILE)
    secrets |= {"second caller token": failing.caller_token("orders")}
    for operation, echo in (("token", world.M2M_SECRET), ("GetClientToken", world.M2M_SECRET), ("AssumeRole", world.BROKER_SECRET)):
        emulator.fault(operation, 1, {"status": {"status": 500, "body": f"<html>you sent {echo}, and I broke</html>"}})
        emulator.fault(operation, 1, {"cut": {"after_bytes": 400}})
    for name in ("tokens/billing", "tokens/billing-api", "credentials/orders"):
        until(lambda name=name: failing.get(f"/v1/{name}").status == 200, 20, f"{name} after two failures upstream")
    broken = [entry for entry in emulator.journal() if entry["outcome"].startswith("fault:")]
    assert len(broken) == 6, "each fault was met"
    emulator.server.stop()
    assert failing.get("/v1/tokens/robot").status == 503
    assert failing.get("/v1/credentials/uploads").status == 503

    for one in (daemon, failing):
        one.server.stop()
    audited = daemon.server.stdout.read_bytes(), (failing.directory / "audit.log").read_bytes()
    for lines in audited:
        outcomes = {json.loads(line)["outcome"] for line in lines.splitlines()}
        assert {"issued", "failed"} <= outcomes, "the audit log says what happened, so that finding nothing in it says something"
    printed = daemon.printed + failing.printed + audited[1] + "".join(run.stdout + run.stderr for run in clients).encode()
    return printed, secrets


def test_nothing_printed_at_trace_level_shows_a_secret(exercised):
    printed, secrets = exercised
    assert len(printed.splitlines()) > 50, "so quiet at trace level that finding nothing proves nothing"
    assert b"tokens.billing" in printed or b"billing" in printed
    assert sightings(printed, secrets) == []
    assert not JWT.search(printed), "a token that the test never saw, such as one of an answer that broke off"


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda s: s, id="raw"),
        pytest.param(lambda s: base64.b64encode(s.encode()).decode(), id="base64"),
        pytest.param(lambda s: base64.b64encode(f"{world.M2M_CLIENT}:{s}".encode()).decode(), id="basic"),
        pytest.param(lambda s: base64.b64encode(f"x{world.M2M_CLIENT}:{s}!".encode()).decode(), id="basic-otherwise-aligned"),
        pytest.param(lambda s: urllib.parse.quote(s, safe=""), id="percent"),
        pytest.param(lambda s: s.encode().hex(), id="hex"),
        pytest.param(lambda s: s[3 : 3 + WINDOW] + "…", id="cut-off"),
    ],
)
def test_the_search_finds_a_planted_secret(form):
    """The control: without it, a search that never finds anything would pass."""
    secret = "q8/Xv+2Lm9Zr4Tw7Kp1Nc6Bs3Yd"
    noise = b"2026-11-21T10:00:00Z DEBUG fetch{entry=tokens.billing}: credbroker::source: answered status=200\n" * 50
    assert sightings(noise, {"planted": secret}) == []
    assert sightings(noise + f"TRACE body={form(secret)}\n".encode() + noise, {"planted": secret}) != []


def test_the_search_finds_a_planted_token():
    token = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"x"}').rstrip(b"=")
    assert JWT.search(b"TRACE body=" + token + b".")
