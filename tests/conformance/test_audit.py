"""The audit log as those read it who have its documentation and a shell."""

from __future__ import annotations

import hmac
import json
import os
import re
import subprocess

from conftest import ROOT
from processes import request, until

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
TABLE = '[audit]\nto = { file = "@HOME@/audit.log" }\nkey = { file = "@HOME@/audit.key" }\n'
DOCUMENT = (ROOT / "docs" / "audit.md").read_text()


def lines_of(daemon, count: int) -> list[dict]:
    """The lines, once there are so many."""
    path = daemon.directory / "audit.log"

    def enough():
        lines = path.read_text().splitlines() if path.exists() else []
        return lines if len(lines) >= count else None

    return [json.loads(line) for line in until(enough, 10, f"{count} audit lines")]


def documented() -> tuple[list[str], list[str]]:
    """The keys and the events that the documentation knows, in its order."""
    tables = re.split(r"^\|---.*$", DOCUMENT, flags=re.M)
    first = [re.findall(r"`([a-z_0-9]+)`", row.split("|")[1]) for table in tables[1:3] for row in table.split("\n\n")[0].strip().splitlines()]
    cells = [name for row in first for name in row]
    split = cells.index("token")
    return cells[:split], cells[split:]


def test_the_command_in_the_documentation_finds_who_had_a_token(broker):
    daemon = broker(more=TABLE, files={"audit.key": KEY + "\n"})
    token = daemon.eventually("/v1/tokens/billing").json()["access_token"]
    issued = [line for line in lines_of(daemon, 1) if line["outcome"] == "issued"]
    (command,) = re.findall(r"^printf .*openssl dgst.*$", DOCUMENT, flags=re.M)
    command = command.replace("/etc/credbroker/audit.key", str(daemon.directory / "audit.key"))
    run = subprocess.run(["sh", "-c", command], env={"PATH": os.environ["PATH"], "TOKEN": token}, capture_output=True, text=True, timeout=30)
    assert (run.returncode, run.stderr) == (0, "")
    assert issued[0]["fingerprint"] == run.stdout.strip() == hmac.new(KEY.encode(), token.encode(), "sha256").hexdigest()[:32]
    assert (issued[0]["caller"], issued[0]["name"]) == ("orders", "tokens.billing")


def test_every_line_holds_documented_keys_in_their_order(broker):
    daemon = broker(more=TABLE, files={"audit.key": KEY})
    for path in ("/v1/tokens/billing", "/v1/tokens/broken", "/v1/credentials/orders", "/v1/tokens/nothing"):
        daemon.eventually(path)
    daemon.get("/v1/tokens/billing", "stranger")
    request(f"{daemon.url}/oauth2/token", method="POST", body=b"", headers={"Content-Type": "application/x-www-form-urlencoded"})
    lines = lines_of(daemon, 6)
    keys, events = documented()
    assert len(keys) == 19 and len(events) == 9, "the tables are read as they are meant"
    for line in lines:
        assert list(line) == [key for key in keys if key in line], line
        assert line["event"] in events
    assert {line["outcome"] for line in lines} == {"issued", "refused", "failed"}
