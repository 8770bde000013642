"""/openapi.json by the hands of schemathesis: it makes requests out of the description, right ones and wrong ones, and judges the answers by it.

Everything upstream works and everything that is asked for by name is held, so no answer may be a 5xx.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

import world
from conftest import CLIENTS, DAEMON_SECRETS, FOR_CLIENTS
from processes import clean_environment, request, until
from test_emulator import robot_id_token

PATH = "/openapi.json"

TABLES = FOR_CLIENTS + f"""
[credentials.base]
from = "ambient"
[credentials.hub]
from = "assume-role"
role_arn = "{world.ROLE_HUB}"
as = "credentials.base"
[callers.orders]
allow = ["tokens.billing", "credentials.base", "credentials.hub", "credentials.uploads", "issuers.users"]
token = {{ file = "@HOME@/callers/orders" }}
"""

# Not `unsupported_method`: a GET with a body is refused for that (400) before anybody looks at whether there is a GET.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "allow_header_conformance",
    "ignored_auth",
)
CASES = 5000
# Seconds for a run on a busy machine; on an idle one it takes about a minute.
LONGEST = 300


@pytest.fixture
def daemon(start_daemon, emulator):
    environment = {"AWS_ENDPOINT_URL": emulator.url, "AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET}
    return start_daemon(TABLES.replace("@EMULATOR@", emulator.url), secrets_=DAEMON_SECRETS, env=environment)


def hold(daemon, token: str) -> None:
    """Asks for everything once, so that nothing has to be fetched, however slow the machine, while answers are judged."""
    for path in ("tokens/billing", "tokens/billing?scope=billing/read", "tokens/billing?scope=billing/write", "credentials/base", "credentials/hub"):
        assert daemon.eventually(f"/v1/{path}").status == 200
    known = {"Authorization": f"Bearer {daemon.caller_token('orders')}", "Content-Type": "application/json"}
    body = json.dumps({"subject_token": token, "token": token}).encode()
    for path in ("/v1/credentials/uploads", "/oauth2/introspect"):
        until(lambda: request(f"{daemon.url}{path}", "POST", known, body).status == 200, 15, f"an answer of {path}")


@dataclass
class Run:
    """One run of schemathesis: over which operations, who asks, and how often."""

    name: str
    examples: int
    only: tuple[str, ...] = ()
    bearer: str | None = None
    # The client secrets to choose from at the OAuth endpoints; an empty one is none.
    secrets: tuple[str, ...] = ("",)


def settings(run: Run, user: str) -> str:
    """What schemathesis is told: names and tokens that mean something, for a share of the requests."""
    tampered = user[:-8] + "AAAAAAAA"
    scopes = ["billing/read", "billing/write", "billing/read billing/write"]
    words = {
        "path.issuer": ["users"],
        "query.scope": scopes,
        "header.X-Original-Authorization": [f"Bearer {user}", f"Bearer {tampered}"],
        "body.scope": scopes,
        "body.client_id": ["billing", "tokens.billing", "others"],
        "body.client_secret": list(run.secrets),
        "body.audience": ["uploads", "hub"],
        "body.issuer": ["users"],
        "body.token": [user, tampered],
        "body.subject_token": [user, tampered],
        "body.authorizationToken": [user, tampered],
    }
    names = {
        "GET /v1/tokens/{name}": ["billing", "others"],
        "HEAD /v1/tokens/{name}": ["billing", "others"],
        "GET /v1/credentials/{name}": ["base", "hub", "uploads"],
        "HEAD /v1/credentials/{name}": ["base", "hub", "uploads"],
        "POST /v1/credentials/{name}": ["uploads", "uploads", "hub"],
    }
    lines = ["[auth.openapi.bearer]", f"bearer = {json.dumps(run.bearer)}"] if run.bearer else []
    for title, values in {**words, **names}.items():
        lines += [f"[dictionaries.{json.dumps(title)}]", f"values = {json.dumps(values)}"]
    lines += ["[parameters]", *(share(place, place, 1.0 if place == "body.client_secret" else 0.7) for place in words)]
    for operation in names:
        lines += ["[[operations]]", f'include-name = "{operation}"', "[operations.parameters]", share("path.name", operation, 0.8)]
    return "\n".join(lines) + "\n"


def share(place: str, words: str, probability: float) -> str:
    return f'"{place}" = {{ dictionary = "{words}", probability = {probability} }}'


def judged(daemon, directory: Path, user: str, run: Run) -> dict:
    """Runs schemathesis over the description as the daemon serves it; its report."""
    directory.mkdir()
    (directory / "schemathesis.toml").write_text(settings(run, user))
    command = [
        str(CLIENTS / "schemathesis"), "--config-file", "schemathesis.toml", "run", f"{daemon.url}{PATH}", "--url", daemon.url,
        "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--max-examples", str(run.examples), "--generation-deterministic",
        "--workers", "1", "--suppress-health-check", "too_slow", "--continue-on-failure", "--no-color",
        "--report", "json", "--report-json-path", "report.json", *run.only,
    ]
    ran = subprocess.run(command, cwd=directory, env=clean_environment(directory), capture_output=True, text=True, timeout=LONGEST)
    assert ran.returncode == 0, f"{run.name}:\n{ran.stdout[-12000:]}{ran.stderr[-4000:]}"
    return json.loads((directory / "report.json").read_text())


@pytest.mark.timeout(2 * LONGEST)
def test_whatever_is_asked_the_answer_is_described(daemon, client, tmp_path):
    user, caller = robot_id_token(client), daemon.caller_token("orders")
    hold(daemon, user)
    runs = [
        Run("verification", 190, ("--include-tag", "Verification"), caller),
        Run("the rest", 190, ("--exclude-tag", "Verification"), caller),
        Run("by secret", 100, ("--include-path-regex", "^/oauth2/"), secrets=(caller, caller, "wrong", "")),
        Run("nobody", 20),
    ]
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda run: judged(daemon, tmp_path / run.name.replace(" ", "-"), user, run), runs))

    asked = sum(report["test_cases"]["generated"] for report in reports)
    assert asked >= CASES
    # Whoever is only ever refused has tested nothing: every operation was also used as it is meant.
    served = Counter()
    for report in reports[:3]:
        for operation, phases in report["valid_rates"].items():
            served[operation] += sum(phase["accepted"] for phase in phases.values())
    items = daemon.get(PATH, None).json()["paths"].items()
    described = {f"{method.upper()} {path}" for path, item in items for method in item if method != "parameters"}
    # It leaves out the one that it has read already.
    described.remove(f"GET {PATH}")
    assert described == {operation for operation, count in served.items() if count}


def test_it_is_openapi_and_its_schemas_are_json_schema(daemon):
    answer = daemon.get(PATH, None)
    assert answer.status == 200
    description = answer.json()
    OPENAPI_31_VALIDATOR.validate(description)
    for schema in description["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
