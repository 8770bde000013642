"""/metrics as Prometheus' own client library reads it, held against the status document."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

import world
from conftest import DAEMON_SECRETS, FOR_CLIENTS, ROOT
from processes import request, until

TABLES = FOR_CLIENTS + f"""
[tokens.broken]
from          = "cognito"
user_pool     = "{world.USER_POOL}"
domain        = "@EMULATOR@"
client_id     = "{world.M2M_CLIENT}"
client_secret = {{ env = "WRONG" }}
[credentials.hub]
from = "assume-role"
role_arn = "{world.ROLE_HUB}"
[callers.orders]
allow = ["tokens.billing", "tokens.broken", "credentials.hub", "credentials.uploads", "issuers.users"]
token = {{ file = "@HOME@/callers/orders" }}
[files.hub]
credentials = "credentials.hub"
path = "@HOME@/hub.json"
format = "json"
"""

# Seconds between two looks that a number of seconds may differ by.
SLACK = 5


@pytest.fixture
def daemon(start_daemon, emulator):
    environment = {"AWS_ENDPOINT_URL": emulator.url, "AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET, "WRONG": "not the secret"}
    return start_daemon(TABLES.replace("@EMULATOR@", emulator.url), secrets_=DAEMON_SECRETS, env=environment)


def settled(daemon, *paths: str) -> None:
    """Everything at `paths` is held, and the file is written."""
    for path in paths:
        assert daemon.eventually(path).status == 200
    until(lambda: "expires_in" in daemon.get("/v1/status").json()["files"][0], 10, "the file")


def samples(daemon) -> dict[tuple[str, frozenset], float]:
    """Every sample of /metrics by name and labels, of families that are as they should be."""
    answer = request(f"{daemon.url}/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation and family.type in ("gauge", "counter"), family
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample
            key = (sample.name.removeprefix("credbroker_"), frozenset(sample.labels.items()))
            assert key not in found, f"{key} stands there twice"
            found[key] = sample.value
    return found


def entries(status: dict) -> list[dict]:
    return [row for kind in ("tokens", "credentials", "own_identity", "issuers") for row in status[kind]]


ENTRY = {
    "entry_expires_in_seconds": "expires_in",
    "entry_refresh_due_in_seconds": "refresh_due_in",
    "entry_lifetime_seconds": "lifetime",
    "entry_age_seconds": "age",
    "entry_outage_cover_seconds": "outage_cover",
    "entry_fetching": "fetching",
    "entry_subjects": "subjects",
    "entry_hits_total": "hits",
    "entry_stale_total": "stale",
    "entry_misses_total": "misses",
    "entry_waited_total": "waited",
    "entry_upstream_requests_total": "upstream_requests",
}
DOORS = (
    *("token", "credentials", "oauth2", "introspect", "authorize", "authorizer", "imds", "egress"),
    *("metadata", "openapi", "proof", "status", "page", "metrics", "health", "nowhere"),
)
MOVING = {"entry_expires_in_seconds", "entry_refresh_due_in_seconds", "entry_age_seconds", "uptime_seconds", "file_expires_in_seconds", "tasks"}


def expected(status: dict) -> dict[tuple[str, frozenset], float]:
    """What /metrics must say by what the status says, restated."""
    load, connections, clock, configuration = status["load"], status["connections"], status["clock"], status["configuration"]
    whole = {
        "uptime_seconds": status["uptime_seconds"],
        "tasks": status["tasks"],
        "configuration_generation": configuration["generation"],
        "configuration_loaded_timestamp_seconds": datetime.fromisoformat(configuration["loaded_at"]).timestamp(),
        "configuration_reloads_applied_total": configuration["reloads_applied"],
        "configuration_reloads_refused_total": configuration["reloads_refused"],
        "configuration_reload_refused": configuration["state"] == "reload refused",
        "ready": status["ready"],
        "requests_total": status["requests"],
        "requests_in_flight": load["in_flight"],
        "requests_in_flight_limit": load["most"],
        "requests_shed_total": load["shed"],
        "connections_open": connections["open"],
        "connections_limit": connections["most"],
        "connections_moved_total": connections["moved"],
        "connections_turned_away_total": connections["turned_away"],
        "log_lines_lost_total": status["log"]["lines_lost"],
        "audit_lines_lost_total": status["audit"]["lines_lost"],
        "clock_resumes_total": clock["resumes"],
        "clock_slept_seconds_total": clock["slept_seconds"],
        "clock_steps_total": clock["steps"],
    }
    said = {(name, frozenset()): float(value) for name, value in whole.items()}
    said["build_info", frozenset({("version", status["version"])})] = 1

    def add(name: str, value: float, **labels: str):
        said[name, frozenset(labels.items())] = float(value)

    for door in DOORS:
        for class_ in ("2xx", "3xx", "4xx", "5xx"):
            add("answers_total", load["answers"].get(door, {}).get(class_, 0), **{"door": door, "class": class_})
    for source in clock["sources"]:
        add("clock_offset_seconds", source["offset_seconds"], source=source["name"])
    for caller in load["callers"]:
        for name, member in (("requests_total", "requests"), ("requests_in_flight", "in_flight"), ("requests_limited_total", "limited")):
            add(f"caller_{name}", caller[member], caller=caller["name"])
    for row in entries(status):
        labels = {"entry": row["name"]} | ({"caller": row["caller"]} if "caller" in row else {})
        for name, member in ENTRY.items():
            if member in row:
                add(name, row[member], **labels)
        add("entry_held", "expires_in" in row or row.get("subjects", 0) > 0, **labels)
        add("entry_failures_in_a_row", row.get("last_error", {}).get("failures_in_a_row", 0), **labels)
        for kind in ("denied", "misconfigured", "throttled", "unavailable", "malformed"):
            add("entry_upstream_failures_total", row["failures_by_kind"].get(kind, 0), kind=kind, **labels)
    for row in status["files"]:
        add("file_written", row["state"] == "written", file=row["name"])
        if "expires_in" in row:
            add("file_expires_in_seconds", row["expires_in"], file=row["name"])
    return said


def test_every_number_is_that_of_the_status(daemon):
    settled(daemon, "/v1/tokens/billing", "/v1/credentials/hub")
    daemon.get("/v1/tokens/billing")
    assert daemon.get("/v1/tokens/broken").status == 502

    status = daemon.get("/v1/status").json()
    found, wanted = samples(daemon), expected(status)
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        name = key[0]
        # The look at the status is a request of its own, and so is that at the metrics.
        slack = SLACK if name in MOVING else 1 if name in ("requests_total", "answers_total", "connections_open", "requests_in_flight", "caller_requests_in_flight") else 0
        assert abs(found[key] - value) <= slack, key
    assert found["entry_upstream_failures_total", frozenset({("entry", "tokens.broken"), ("kind", "denied")})] == 1
    assert found["answers_total", frozenset({("door", "token"), ("class", "5xx")})] >= 1
    assert found["clock_offset_seconds", frozenset({("source", "AWS")})] == 0


def test_what_the_documentation_names_is_there(daemon):
    """The table of docs/metrics.md, and the metrics that its alerts look at."""
    settled(daemon, "/v1/tokens/billing", "/v1/credentials/hub")
    page = (ROOT / "docs" / "metrics.md").read_text()
    documented = {name for row in page.splitlines() if row.startswith("| `") for name in row.split("|")[1].split("`")[1::2]}
    there = {name for name, _ in samples(daemon)}
    # Nothing is forwarded here, and what stands in for AWS on this machine has no quotas.
    elsewhere = {"egress_requests_total", "egress_requests_in_flight", "egress_refused_total", "egress_failures_total"}
    elsewhere |= {"quota_requests_waiting", "quota_requests_waited_total"}
    assert {f"credbroker_{name}" for name in there | elsewhere} == documented
    alerts = page.split("```yaml")[-1].split("```")[0]
    named = set(re.findall(r"credbroker_[a-z_]+", alerts))
    assert named and named <= documented, named - documented
