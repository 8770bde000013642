"""Forward addresses with clients and servers we did not write: TLS and a proxy on the way out, SDKs that are told not to sign, a browser."""

import base64
import datetime
import http.server
import ipaddress
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading

import boto3
import botocore
import botocore.config
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import world
from conftest import DAEMON_SECRETS, HERE, TABLES
from processes import clean_environment, free_port, request, until

NAME = "billing.example.com"
CALLER = """
[callers.local]
allow = ["tokens.billing", "credentials.orders"]
uid = @UID@
"""


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what arrived."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else b"".join(self.chunks()) if "Transfer-Encoding" in self.headers else b""
        seen = {"method": self.command, "path": self.path, "headers": self.headers.items(), "body": base64.b64encode(body).decode()}
        answer = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST

    def chunks(self):
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def log_message(self, *args):
        pass


class Proxy(http.server.BaseHTTPRequestHandler):
    """A tunnel to `server.target`, whatever was asked for."""

    def do_CONNECT(self):
        self.server.asked.append((self.path, self.headers.get("Proxy-Authorization")))
        with socket.create_connection(("127.0.0.1", self.server.target)) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=self.pump, args=(far, self.connection), daemon=True)
            back.start()
            self.pump(self.connection, far)
            back.join(5)
        self.close_connection = True

    @staticmethod
    def pump(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """Runs a server in a thread; its port."""
    servers = []

    def start(handler, **attributes):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        for name, value in attributes.items():
            setattr(server, name, value)
        if tls := attributes.get("tls"):
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def key_and_certificate(subject, issuer=None, signer=None, names=()):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key, builder.sign(signer or key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path):
    """A certificate authority's file, and the server side of TLS with a certificate of it for NAME and 127.0.0.1."""
    ca_key, ca = key_and_certificate("authority of the tests")
    names = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    key, certificate = key_and_certificate(NAME, ca.subject, ca_key, names)
    bundle, chain = tmp_path / "ca.pem", tmp_path / "server.pem"
    bundle.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain)
    return bundle, tls


@pytest.fixture
def forward(start_daemon, emulator):
    """Starts a daemon with a forward address to `upstream`; its URL."""

    def start(upstream, added='bearer = "tokens.billing"', **env):
        port = free_port()
        table = f'[egress.api]\nlisten = "127.0.0.1:{port}"\nupstream = "{upstream}"\ncaller = "local"\n{added}\n'
        tables = TABLES.replace("@EMULATOR@", emulator.url) + CALLER.replace("@UID@", str(os.getuid())) + table
        own = {"AWS_ENDPOINT_URL": emulator.url, "AWS_ACCESS_KEY_ID": world.BROKER_KEY, "AWS_SECRET_ACCESS_KEY": world.BROKER_SECRET}
        start_daemon(tables, secrets_=DAEMON_SECRETS, env={**own, **env})
        return f"http://127.0.0.1:{port}"

    return start


def signing(service):
    return f'sigv4 = {{ credentials = "credentials.orders", service = "{service}", region = "{world.REGION}" }}'


def unsigned(service, url):
    config = botocore.config.Config(signature_version=botocore.UNSIGNED, retries={"total_max_attempts": 1}, proxies={})
    return boto3.client(service, region_name=world.REGION, endpoint_url=url, config=config)


def test_tls_is_verified_by_the_bundle(forward, serve, authority):
    bundle, tls = authority
    port = serve(Echo, tls=tls).server_port
    url = forward(f"https://127.0.0.1:{port}/base", AWS_CA_BUNDLE=str(bundle))
    for body in (None, b"x" * 300_000):
        answer = request(f"{url}/v1/invoices?a=%20", "POST" if body else "GET", body=body)
        assert answer.status == 200, answer.text
        seen = answer.json()
        headers = {name.lower(): value for name, value in seen["headers"]}
        assert seen["path"] == "/base/v1/invoices?a=%20"
        assert headers["host"] == f"127.0.0.1:{port}"
        assert headers["authorization"].startswith("Bearer ey")
        assert base64.b64decode(seen["body"]) == (body or b"")


def test_a_certificate_of_somebody_else_is_refused(forward, serve, authority):
    bundle, tls = authority
    port = serve(Echo, tls=tls).server_port
    strange = request(forward(f"https://127.0.0.1:{port}"))
    assert strange.status == 502 and strange.headers["credbroker-error"] == "BadGateway", strange.text
    assert "certificate" in strange.json()["error_description"]
    misnamed = request(forward(f"https://localhost:{port}", AWS_CA_BUNDLE=str(bundle)))
    assert misnamed.status == 502 and "certificate" in misnamed.json()["error_description"], misnamed.text


def test_the_proxy_of_the_environment_is_on_the_way(forward, serve, authority):
    bundle, tls = authority
    proxy = serve(Proxy, target=serve(Echo, tls=tls).server_port, asked=[])
    via = f"http://user:pass@127.0.0.1:{proxy.server_port}"
    url = forward(f"https://{NAME}", AWS_CA_BUNDLE=str(bundle), HTTPS_PROXY=via)
    answer = request(f"{url}/x")
    assert answer.status == 200, answer.text
    headers = {name.lower(): value for name, value in answer.json()["headers"]}
    assert headers["host"] == NAME and "proxy-authorization" not in headers
    assert proxy.asked == [(f"{NAME}:443", "Basic " + base64.b64encode(b"user:pass").decode())]

    passed = request(forward(f"https://{NAME}", AWS_CA_BUNDLE=str(bundle), HTTPS_PROXY=via, NO_PROXY="example.com"))
    assert passed.status == 502 and len(proxy.asked) == 1, "there is no such host to be reached without the proxy"


def test_a_proxy_that_wants_tls_is_not_told_its_password(forward):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        via = f"https://user:pass@127.0.0.1:{listening.getsockname()[1]}"
        answer = request(f"{forward(f'https://{NAME}', HTTPS_PROXY=via)}/x")
        assert answer.status == 502 and "HTTPS_PROXY" in answer.json()["error_description"], answer.text
        assert "pass" not in answer.text
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_plain_http_never_goes_over_a_proxy(forward, serve):
    proxy = serve(Proxy, target=0, asked=[])
    echo = serve(Echo).server_port
    url = forward(f"http://127.0.0.1:{echo}", HTTP_PROXY=f"http://127.0.0.1:{proxy.server_port}", ALL_PROXY=f"http://127.0.0.1:{proxy.server_port}")
    assert request(f"{url}/x").status == 200
    assert proxy.asked == []


def test_an_sdk_that_does_not_sign_calls_aws(forward, emulator):
    url = forward(emulator.url, signing("sts"))
    identity = unsigned("sts", url).get_caller_identity()
    assert identity["Arn"].startswith(world.assumed_role("orders")), identity


def test_an_sdk_that_does_not_sign_uploads_to_s3(forward, emulator, tmp_path):
    url = forward(f"{emulator.url}/s3", signing("s3"))
    s3 = unsigned("s3", url)
    large = tmp_path / "large"
    large.write_bytes(os.urandom(200_000))
    for key in ("a/b c/ü", "dots./.x//y", "(a)$'!+*;=@&"):
        s3.put_object(Bucket="bucket", Key=key, Body=b"hello", Metadata={"a": "1"})
        with large.open("rb") as body:
            s3.put_object(Bucket="bucket", Key=key, Body=body)
    assert [asked["outcome"] for asked in emulator.asked("s3")] == ["ok"] * 6


def test_fetch_of_node_is_no_browser(forward, serve):
    url = forward(f"http://127.0.0.1:{serve(Echo).server_port}")
    script = f"fetch('{url}/x', {{method: 'POST', body: 'hello'}}).then(r => r.json()).then(j => console.log(JSON.stringify(j)))"
    answered = subprocess.run([shutil.which("node"), "-e", script], capture_output=True, text=True, timeout=30, check=True, env={"PATH": os.environ["PATH"]})
    assert base64.b64decode(json.loads(answered.stdout)["body"]) == b"hello"


# Every way in which a page makes its browser ask elsewhere, with as little in it as a page can do; at the end it goes there itself.
PAGE = """<!doctype html><meta name="referrer" content="no-referrer"><link rel="icon" href="data:,"><body><script>
const there = (name) => "@URL@/" + name;
const add = (tag, members, to = document.body) => { const made = Object.assign(document.createElement(tag), members); to.append(made); return made; };
for (const tag of ["img", "iframe", "script", "video", "audio", "embed"]) add(tag, { src: there(tag), referrerPolicy: "no-referrer" });
add("object", { data: there("object") });
for (const rel of ["stylesheet", "prefetch", "modulepreload", "manifest", "preconnect"]) add("link", { rel, href: there(rel) }, document.head);
const quiet = { mode: "no-cors", referrerPolicy: "no-referrer", credentials: "omit" };
fetch(there("fetch"), quiet).catch(() => 0);
fetch(there("posted"), { ...quiet, method: "POST", body: "x", keepalive: true }).catch(() => 0);
fetch(there("asked-before"), { method: "DELETE", headers: { "credbroker-request": "true" } }).catch(() => 0);
fetch("/redirect", quiet).catch(() => 0);
new WebSocket(there("socket").replace("http", "ws"));
new EventSource(there("events"));
navigator.sendBeacon(there("beacon"), "x");
add("a", { href: "#", ping: there("ping") }).click();
add("iframe", { name: "frame" });
add("form", { method: "POST", action: there("form"), target: "frame" }).submit();
add("iframe", { sandbox: "", srcdoc: `<meta name="referrer" content="no-referrer"><img src="${there("sandboxed")}">` });
add("iframe", { srcdoc: `<meta http-equiv="refresh" content="0;url=${there("refresh")}">` });
new FontFace("x", `url(${there("font")})`).load().catch(() => 0);
setTimeout(() => { location = there("page"); }, 3000);
</script>"""


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """The site of an attacker."""

    def do_GET(self):
        if self.path == "/redirect":
            self.send_response(307)
            self.send_header("Location", f"{self.server.victim}/redirected")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.replace("@URL@", self.server.victim).encode())

    def log_message(self, *args):
        pass


class Recorder(Echo):
    def do_GET(self):
        self.server.asked.append(f"{self.command} {self.path}")
        super().do_POST()

    do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "rebound.example"])
def test_no_page_of_a_browser_gets_through(host, forward, serve, chromium, processes, tmp_path):
    service = serve(Recorder, asked=[])
    url = forward(f"http://127.0.0.1:{service.server_port}")
    daemon = processes.servers[-1]
    site = serve(Elsewhere, victim=url.replace("127.0.0.1", host))
    # Its own guard of the local network is off, as it is in browsers that have none.
    names = "--host-resolver-rules=MAP elsewhere.example 127.0.0.1, MAP rebound.example 127.0.0.1"
    guards = "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
    command = ["node", str(HERE / "node" / "visit.mjs"), chromium, f"http://elsewhere.example:{site.server_port}/", names, guards]
    processes.start("chromium", command, clean_environment(tmp_path))
    refused = b'"event":"egress","outcome":"refused"'
    until(lambda: daemon.printed.count(refused) >= 15, 60, "fifteen requests of the browser")
    assert service.asked == []
    assert request(f"{url}/x").status == 200 and service.asked == ["GET /x"], "a program is served meanwhile"
