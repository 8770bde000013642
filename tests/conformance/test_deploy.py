"""The files in deploy/, by the checks of those who will read them: systemd, botocore's model of ECS, the daemon itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import botocore.session
import botocore.validate
import pytest

import world
from conftest import DAEMON_SECRETS, ROOT, TABLES
from processes import Daemon, clean_environment, free_port, has_ipv6, request, until

DEPLOY = ROOT / "deploy"
UNITS = ("credbroker.service", "credbroker.socket")
# Measured with systemd 252: 1.4. A line lost from the sandbox costs more than the difference.
WORST_EXPOSURE = 1.6

systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed: the units stay unchecked here")


# ---- systemd ----------------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path) -> list[str]:
    """Copies that start a program this machine has: verify looks for it. Only ExecStart= changes."""
    copies = []
    for name in UNITS:
        text = (DEPLOY / name).read_text()
        if name.endswith(".service"):
            text, changed = re.subn(r"^ExecStart=/usr/bin/credbroker ", f"ExecStart={shutil.which('true')} ", text, flags=re.M)
            assert changed == 1
        copy = tmp_path / name
        copy.write_text(text)
        copies.append(str(copy))
    return copies


def analyze(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"})


@systemd
def test_the_units_verify_without_a_word(units):
    run = analyze("verify", *units)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


@systemd
def test_verify_would_complain(units):
    """The control: an unknown key and an unknown type are only warnings to systemd, and have to be seen here."""
    service = Path(units[0])
    service.write_text(service.read_text().replace("UMask=0077", "UMaks=0077"))
    run = analyze("verify", *units)
    assert "UMaks" in run.stdout + run.stderr


@systemd
def test_the_sandbox_is_as_tight_as_the_readme_says(units):
    run = analyze("security", "--offline=true", f"--threshold={round(WORST_EXPOSURE * 10)}", units[0])
    if "unrecognized option" in run.stderr:
        pytest.skip("this systemd-analyze cannot judge a unit file that is not installed")
    score = re.search(r"exposure level for credbroker\.service: ([\d.]+)", run.stdout)
    assert score, run.stdout + run.stderr
    assert float(score[1]) <= WORST_EXPOSURE and run.returncode == 0
    assert f"rated {score[1]} by" in (DEPLOY / "README.md").read_text() or "252" not in analyze("--version").stdout


def settings(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text().splitlines():
        if "=" in line and not line.startswith(("#", " ")):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def test_the_units_fit_each_other_and_the_configuration():
    service, held = settings("credbroker.service"), settings("credbroker.socket")
    config = tomllib.loads((DEPLOY / "credbroker.toml").read_text())
    assert service["Type"] == ["notify"]
    assert config["server"]["listen"] == [f"systemd:{name}" for name in held["FileDescriptorName"]]
    assert held["ListenStream"] == ["127.0.0.1:2778", "[::1]:2778", "/run/credbroker/api.sock"]
    # Exit status 2 is a mistake in the configuration.
    assert service["Restart"] == ["on-failure"] and service["RestartPreventExitStatus"] == ["2"]
    # The signal, and then the check by which `systemctl reload` fails for a file that the daemon has refused.
    run, check = service["ExecStart"][0], service["ExecReload"][1]
    assert service["ExecReload"][0] == "/bin/kill -HUP $MAINPID" and check == run.replace(" run ", " check ")
    # Every connection has a descriptor, and 64 are left for the rest.
    assert int(service["LimitNOFILE"][0]) >= config["server"]["max_connections"] + 64
    # systemd deletes a service's RuntimeDirectory when it stops: the socket's path must not be inside one.
    socket_path = Path(held["ListenStream"][-1])
    for directory in service["RuntimeDirectory"]:
        assert not socket_path.is_relative_to(Path("/run") / directory)
    # No secret is written anywhere: not into a core, not into swap. The daemon locks its pages itself, which the filter lets it.
    assert (service["LimitCORE"], service["LimitMEMLOCK"], service["MemorySwapMax"]) == (["0"], ["infinity"], ["0"])
    assert not any("@memlock" in line for line in service["SystemCallFilter"])
    # Callers are known by uid; in a user namespace of its own the daemon would see 65534 for all of them.
    assert "PrivateUsers" not in service
    # The leases go to the next process by two places, of which older systemd does not tell the daemon by itself.
    assert service["FileDescriptorStoreMax"] == ["2"] and "FDSTORE=2" in service["Environment"]
    assert service["WatchdogSec"] == ["20s"]
    assert int(service["TimeoutStopSec"][0].removesuffix("s")) > int(config["server"]["drain"].removesuffix("s"))
    assert "AF_NETLINK" in service["RestrictAddressFamilies"][0].split()
    # Every credential the configuration names is loaded.
    loaded = {line.split(":")[0] for line in service["LoadCredential"]}
    assert set(re.findall(r"^[^#]*\{ credential = \"([^\"]+)\" \}", (DEPLOY / "credbroker.toml").read_text(), re.M)) <= loaded


# ---- the daemon's own word --------------------------------------------------------------------------


def configurations() -> list[Path]:
    return sorted(DEPLOY.glob("*.toml"))


@pytest.mark.parametrize("path", configurations(), ids=lambda path: path.name)
def test_check_accepts_the_configuration(path, credbroker, tmp_path):
    """Without a region, secrets or sockets in its environment: check looks at the document, not at the machine."""
    run = subprocess.run(
        [credbroker, "check", "--config", str(path)], capture_output=True, text=True, timeout=30, env=clean_environment(tmp_path)
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for table in tomllib.loads(path.read_text()).get("credentials", {}):
        assert table in run.stdout


def with_comments_lifted() -> dict[str, str]:
    """The annotated configuration with one thing taken out of its comment: a further key of a live table, or a whole table."""
    text = (DEPLOY / "credbroker.toml").read_text()
    lines = text.splitlines()
    found: dict[str, str] = {}
    table = key_of = None
    for number, line in enumerate(lines):
        if start := re.match(r"\[([a-z_.-]+)\]", line):
            table, key_of = start[1], None
        elif start := re.match(r"# (\[[a-z_.-]+\])$", line):
            key_of = start[1]
            found[key_of] = f"{text}\n{key_of}\n"
        elif key := re.match(r"# ([a-z_]+) = ", line):
            if key_of:
                found[key_of] += line[2:] + "\n"
            elif table:
                found[f"{table}.{key[1]}"] = "\n".join([*lines[:number], line[2:], *lines[number + 1 :]])
        elif not line.startswith("#   "):
            key_of = None
    return found


@pytest.mark.parametrize("what", with_comments_lifted())
def test_what_is_commented_out_is_spelled_right(what, credbroker, tmp_path):
    """It is accepted, or refused only because it is not built yet or because what it refers to is a comment too. An annotated
    file that teaches a key which then is unknown would be worse than none."""
    path = tmp_path / "credbroker.toml"
    path.write_text(with_comments_lifted()[what])
    run = subprocess.run([credbroker, "check", "--config", str(path)], capture_output=True, text=True, timeout=30, env=clean_environment(tmp_path))
    if run.returncode == 0:
        return
    assert run.returncode == 2, run.stdout + run.stderr
    mistakes = [line for line in (run.stdout + run.stderr).splitlines() if f"{path}:" in line]
    assert mistakes, run.stdout + run.stderr
    for line in mistakes:
        assert "not built yet" in line or "names nothing that is configured" in line, line


def test_the_annotated_configuration_speaks_of_every_key(credbroker, tmp_path):
    """Every property the daemon's own schema knows stands somewhere in the annotated file."""
    run = subprocess.run([credbroker, "schema"], capture_output=True, text=True, timeout=30, env=clean_environment(tmp_path))
    assert run.returncode == 0, run.stderr
    keys: set[str] = set()

    def collect(node):
        if isinstance(node, dict):
            keys.update(node.get("properties") or {})
            for inner in node.values():
                collect(inner)
        elif isinstance(node, list):
            for inner in node:
                collect(inner)

    collect(json.loads(run.stdout))
    assert len(keys) > 30
    text = (DEPLOY / "credbroker.toml").read_text()
    assert [key for key in sorted(keys) if not re.search(rf"\b{re.escape(key)}\b", text)] == []


# ---- what the units rely on: readiness and inherited sockets ----------------------------------------


@pytest.fixture
def notifications(tmp_path):
    """What systemd hears on $NOTIFY_SOCKET."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        heard.settimeout(0.01)
        lines: list[str] = []

        def hear(wanted: str) -> bool:
            try:
                while True:
                    lines.extend(heard.recv(4096).decode().splitlines())
            except TimeoutError:
                return wanted in lines

        yield str(path), hear


def test_type_notify_is_told_when_it_is_ready_and_when_it_stops(start_daemon, emulator, notifications):
    path, heard = notifications
    daemon = start_daemon(
        TABLES.replace("@EMULATOR@", emulator.url), secrets_=DAEMON_SECRETS, env={"NOTIFY_SOCKET": path, "AWS_ENDPOINT_URL": emulator.url}
    )
    until(lambda: heard("READY=1"), 10, "READY=1")
    assert not heard("STOPPING=1")
    assert daemon.server.stop() == 0
    until(lambda: heard("STOPPING=1"), 5, "STOPPING=1")


# Puts the sockets at 3 and up and becomes the daemon, as systemd does: LISTEN_PID has to be the pid after exec.
ACTIVATE = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",")]
spare = [os.dup2(fd, 200 + i) for i, fd in enumerate(fds)]
for i, fd in enumerate(spare):
    os.dup2(fd, 3 + i, inheritable=True)
    os.close(fd)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": ":".join(["credbroker"] * len(fds))}
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_the_sockets_of_the_socket_unit_are_taken_and_outlive_the_daemon(credbroker, processes, tmp_path):
    """Both loopback families and the unix socket under one name, as credbroker.socket hands them over; then a restart, during which
    a connection waits instead of being refused. On the unix socket the caller is known by its uid."""
    port = free_port()
    unix = tmp_path / "api.sock"
    held = []
    wanted = [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, str(unix))]
    for family, address in wanted + ([(socket.AF_INET6, ("::1", port))] if has_ipv6() else []):
        one = socket.socket(family, socket.SOCK_STREAM)
        one.bind(address)
        one.listen(4096)
        held.append(one)
    token = tmp_path / "token"
    token.write_text("t" * 64)
    config = tmp_path / "credbroker.toml"
    config.write_text(
        f"""
[server]
listen = ["systemd:credbroker"]
[aws]
region = "{world.REGION}"
[credentials.base]
from = "ambient"
[callers.by-uid]
allow = ["credentials.base"]
uid = {os.getuid()}
[callers.by-token]
allow = ["credentials.base"]
token = {{ file = "{token}" }}
"""
    )
    environment = clean_environment(tmp_path, AWS_ACCESS_KEY_ID=world.BROKER_KEY, AWS_SECRET_ACCESS_KEY=world.BROKER_SECRET)

    def activate():
        return processes.start(
            "credbroker",
            [sys.executable, "-c", ACTIVATE, ",".join(str(one.fileno()) for one in held), credbroker, "run", "--config", str(config)],
            environment,
            pass_fds=[one.fileno() for one in held],
        )

    hosts = ["127.0.0.1"] + (["[::1]"] if has_ipv6() else [])
    # A first request before the daemon is there: it waits in the socket's queue.
    first = activate()
    for host in hosts:
        assert request(f"http://{host}:{port}/healthz", timeout=20).status == 200
        known = request(f"http://{host}:{port}/v1/credentials/base", headers={"Authorization": "t" * 64})
        assert known.status == 200, known.text

    def by_uid() -> int:
        run = subprocess.run(
            [credbroker, "credentials", "base", "--format", "json"],
            env={**clean_environment(tmp_path), "CREDBROKER_URL": f"unix:{unix}"},
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert world.BROKER_SECRET not in run.stderr
        return run.returncode

    assert by_uid() == 0
    assert first.stop() == 0
    assert unix.exists(), "the path is the socket unit's, not the daemon's to delete"

    with socket.create_connection(("127.0.0.1", port), 5) as waiting:
        waiting.sendall(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        second = activate()
        waiting.settimeout(20)
        assert waiting.recv(64).startswith(b"HTTP/1.1 200 ")
    assert by_uid() == 0
    second.must_live()


# ---- ECS --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def task() -> dict:
    return json.loads((DEPLOY / "ecs-task-definition.json").read_text())


def problems(document: dict) -> str:
    """What botocore would refuse before sending, by its own model of ECS; values of enumerations as well, which it leaves to the server."""
    model = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    return botocore.validate.ParamValidator().validate(document, model).generate_report() + "".join(enumerations(document, model, ""))


def enumerations(value, shape, path):
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in value:
                yield from enumerations(value[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for i, one in enumerate(value):
            yield from enumerations(one, shape.member, f"{path}[{i}]")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path}: {value} is none of {shape.enum}\n"


def test_botocore_would_register_the_task_definition(task):
    assert problems(task) == ""


def test_botocore_would_complain(task):
    """The control."""
    spoiled = json.loads(json.dumps(task))
    spoiled["containerDefinitions"][1]["healthcheck"] = {}
    spoiled["containerDefinitions"][1]["dependsOn"][0]["condition"] = "SUCCEEDED"
    assert "healthcheck" in problems(spoiled) and "SUCCEEDED" in problems(spoiled)


def test_the_task_hangs_together(task):
    containers = {one["name"]: one for one in task["containerDefinitions"]}
    volumes = {one["name"] for one in task["volumes"]}
    for one in containers.values():
        assert {m["sourceVolume"] for m in one["mountPoints"]} <= volumes
        assert {d["containerName"] for d in one.get("dependsOn", [])} <= containers.keys()
        assert not one["image"].endswith(":latest") and ":" in one["image"].rsplit("/", 1)[-1]

    broker, app = containers["credbroker"], containers["orders"]
    assert broker["essential"] is True
    assert broker["healthCheck"]["command"] == ["CMD", "/credbroker", "health"], "the exec form: there is no shell in the image"
    assert app["dependsOn"] == [{"containerName": "credbroker", "condition": "HEALTHY"}]
    assert task["networkMode"] == "awsvpc", "loopback is shared only there"
    assert broker["user"].split(":")[0] != "0" and app["user"] != broker["user"]

    given = {one["name"]: one["value"] for one in app["environment"]}
    config = tomllib.loads((DEPLOY / "ecs.toml").read_text())
    caller = config["callers"]["orders"]
    assert given["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:2778/v1/credentials/orders"
    assert "credentials.orders" in caller["allow"] and config["server"]["listen"] == ["loopback:2778"]
    assert given["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] == given["CREDBROKER_TOKEN_FILE"] == caller["token"]["file"]
    assert {one["name"] for one in broker["secrets"]} >= {t["client_secret"]["env"] for t in config["tokens"].values()}
    # With a task role, ECS sets this one everywhere, and SDKs prefer it to the broker.
    assert "taskRoleArn" not in task or app["entryPoint"] == ["env", "-u", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]


def test_the_first_container_writes_a_token_as_sdks_want_it(task, tmp_path):
    """Its own command, in this machine's shell. The owners are ECS's to give: chown is left out where the test does not run as root."""
    writer = next(one for one in task["containerDefinitions"] if one["name"] == "caller-tokens")
    directory = tmp_path / "callers"
    directory.mkdir()
    command = writer["command"][0].replace("/callers", str(directory))
    if os.getuid() != 0:
        command = re.sub(r"chown [^;]+;", "", command)
    subprocess.run([writer["entryPoint"][0], "-euc", command], check=True, timeout=20)
    token = directory / "orders"
    assert re.fullmatch(r"[0-9a-f]{64}", token.read_text()), "64 hexadecimal digits and no newline"
    assert token.stat().st_mode & 0o777 == 0o440
    if os.getuid() == 0:
        assert (token.stat().st_uid, token.stat().st_gid) == (65532, 10001)


# ---- the container image ----------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Containerfile").read_text()
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    return [(word.upper(), rest.strip()) for word, _, rest in (line.strip().partition(" ") for line in text.splitlines()) if word]


def test_the_container_file():
    found = instructions()
    known = {"ARG", "FROM", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD"}
    assert {word for word, _ in found} <= known, "an unknown instruction; or HEALTHCHECK, which ECS and Kubernetes ignore"

    defaults = dict(rest.split("=", 1) for word, rest in found if word == "ARG")
    bases = [re.sub(r"\$\{(\w+)\}", lambda m: defaults[m[1]], rest).split()[0] for word, rest in found if word == "FROM"]
    for base in bases:
        assert base == "scratch" or re.search(r":\d+\.\d+", base), f"{base} names no version"
    assert len(bases) >= 2 and bases[-1] == "scratch", "what is shipped has no base to patch"

    last = [i for i, (word, _) in enumerate(found) if word == "FROM"][-1]
    final = dict(found[last + 1 :])
    uid, gid = final["USER"].split(":")
    assert int(uid) >= 1000 and int(gid) >= 1000, "a number, and not root"
    assert json.loads(final["ENTRYPOINT"]) == ["/credbroker"]
    assert json.loads(final["CMD"])[0] == "run"
    assert "RUN" not in final, "there is nothing in the final image to run"
    build = " ".join(rest for word, rest in found[:last] if word == "RUN")
    assert "ca-certificates.crt" in build and "--locked" in build


def test_the_image_is_built_from_files_that_exist():
    listed = [line[1:].strip() for line in (DEPLOY / "Containerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    for path in listed:
        assert (ROOT / path).exists(), path
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    needed = ["Cargo.toml", "Cargo.lock", "src", *manifest["workspace"]["members"]]
    needed += [str(Path(t["path"]).parent) for kind in ("test", "example") for t in manifest.get(kind, [])]
    assert set(needed) <= set(listed), "cargo reads the manifests of the whole workspace"
