//! `credbroker exec`: what the command finds in its environment, that it is the same process, and how it ends where there is nothing to
//! become.

use std::process::Stdio;
use std::time::Duration;

use credbroker_emulator::{Fault, FaultKind};

use crate::client::Ask;
use crate::daemon::{Daemon, free_port};
use crate::documents::{BILLING, ORDERS, REPORTS, ROLES, caller};
use crate::process::{self, CREDBROKER, Ended, Running};
use crate::site::{Site, credbroker};
use crate::waiting::{limited, until};

/// Everything that would go before the daemon in some SDK.
const SHADOWS: [(&str, &str); 17] = [
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/shadow"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/shadow"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "shadow"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nonexistent/shadow"),
    ("AWS_ACCESS_KEY_ID", "AKIASHADOW"),
    ("AWS_SECRET_ACCESS_KEY", "shadow"),
    ("AWS_SESSION_TOKEN", "shadow"),
    ("AWS_SECURITY_TOKEN", "shadow"),
    ("AWS_CREDENTIAL_EXPIRATION", "shadow"),
    ("AWS_PROFILE", "shadow"),
    ("AWS_DEFAULT_PROFILE", "shadow"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/shadow"),
    ("AWS_ROLE_ARN", "shadow"),
    ("AWS_ROLE_SESSION_NAME", "shadow"),
    ("AWS_ACCESS_KEY", "shadow"),
    ("AWS_SECRET_KEY", "shadow"),
    ("AWS_CREDENTIAL_FILE", "shadow"),
];

async fn daemon(site: &Site) -> Daemon {
    site.write("orders.bare", ORDERS);
    site.daemon(&configured()).await
}

fn configured() -> String {
    let callers =
        [caller("orders", &["tokens.billing", "credentials.orders"]), caller("reports", &["tokens.billing"])].concat();
    format!("{BILLING}{ROLES}{callers}")
}

/// Runs `credbroker exec ARGUMENTS…` with these variables.
async fn exec(daemon: &Daemon, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let url = daemon.url();
    let environment: Vec<_> = [("CREDBROKER_URL", &*url)].into_iter().chain(environment.iter().copied()).collect();
    credbroker(&daemon.dir, &[&["exec"], arguments].concat(), &environment).await
}

const AS_ORDERS: (&str, &str) = ("CREDBROKER_TOKEN", ORDERS);

fn lines(ended: &Ended) -> Vec<&str> {
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{}", ended.stdout);
    ended.stdout.lines().collect()
}

#[tokio::test]
async fn the_command_finds_the_daemon_and_nothing_that_shadows_it() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let file = [("CREDBROKER_TOKEN_FILE", "orders.bare"), ("OTHER", "kept"), ("AWS_REGION", "eu-west-1")];
        let environment = [&SHADOWS[..], &file[..]].concat();
        let given = ["--credentials", "orders", "--token", "BILLING=billing", "--", "/usr/bin/env"];
        let ended = exec(&daemon, &given, &environment).await;
        let found = lines(&ended);
        let uri = format!("AWS_CONTAINER_CREDENTIALS_FULL_URI={}/v1/credentials/orders", daemon.url());
        let token_file =
            format!("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={}", site.dir.path().join("orders.bare").display());
        let token = format!("BILLING={}", daemon.get("/v1/tokens/billing", ORDERS).await.token());
        for line in [&*uri, &token_file, &token, "OTHER=kept", "AWS_REGION=eu-west-1"] {
            assert!(found.contains(&line), "{line} is not in {found:?}");
        }
        assert!(!ended.stdout.to_lowercase().contains("shadow"), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn tokens_alone_leave_the_rest_as_it_is() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let given = ["--token", "ONE=billing", "--token", "TWO=tokens.billing", "--", "/usr/bin/env"];
        let ended = exec(&daemon, &given, &[AS_ORDERS, ("AWS_PROFILE", "mine")]).await;
        let found = lines(&ended);
        let token = daemon.get("/v1/tokens/billing", ORDERS).await.token();
        for line in [&*format!("ONE={token}"), &format!("TWO={token}"), "AWS_PROFILE=mine"] {
            assert!(found.contains(&line), "{line} is not in {found:?}");
        }
        assert!(!ended.stdout.contains("AWS_CONTAINER"), "{found:?}");
    })
    .await;
}

/// Nothing is shown that is secret: who asks is known by the kernel's word, over TCP too.
#[tokio::test]
async fn a_caller_that_is_known_by_its_uid_alone_needs_no_token() {
    limited(async {
        let site = Site::open().await;
        let me = format!("[callers.me]\nallow = [\"credentials.orders\"]\nuid = {}\n", nix::unistd::getuid());
        let daemon = site.daemon(&format!("{}{me}", configured())).await;
        let socket = format!("unix:{}", daemon.dir.join("api.sock").display());
        for place in [daemon.url(), socket] {
            let given = ["exec", "--url", &place, "--credentials", "orders", "--", "/usr/bin/env"];
            let ended =
                credbroker(&daemon.dir, &given, &[("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nonexistent")]).await;
            let found = lines(&ended);
            let value = |name: &str| found.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
            let path = value("AWS_CONTAINER_CREDENTIALS_FULL_URI").strip_prefix(&*daemon.url()).unwrap();
            let asked = Ask::get(path).header("authorization", value("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
            let answer = daemon.ask(asked).await;
            assert_eq!(answer.status, 200, "{place}: {}", answer.text);
            assert!(site.whose(&answer.json()).await.ends_with("/me"), "{place}: {{caller}} is in the session's name");
            assert!(!ended.stdout.contains("TOKEN_FILE"), "{found:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn it_is_the_command_from_then_on() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let look = "echo $$; grep -E 'SigBlk|SigIgn' /proc/self/status; ls /proc/self/fd | wc -l";
        site.write("look.sh", &format!("{look}; exit 7"));
        let script = format!("{look}; exec '{CREDBROKER}' exec --credentials orders -- /bin/sh look.sh");
        let environment = [
            ("CREDBROKER_URL".into(), daemon.url()),
            ("CREDBROKER_TOKEN".into(), ORDERS.into()),
            ("PATH".into(), "/usr/bin:/bin".into()),
        ];
        let mut shell = process::command("/bin/sh", &daemon.dir, &environment);
        shell.args(["-c", &script]);
        let ended = process::finish(shell).await;
        let lines: Vec<_> = ended.stdout.lines().collect();
        assert_eq!((lines.len(), ended.code), (8, Some(7)), "the exit code is the command's: {ended:?}");
        let (before, after) = lines.split_at(4);
        assert_eq!(before, after, "the same process, signals (SIGPIPE among them) and descriptors as without it");
    })
    .await;
}

#[tokio::test]
async fn signals_are_for_the_command() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let environment = [("CREDBROKER_URL".into(), daemon.url()), ("CREDBROKER_TOKEN".into(), ORDERS.into())];
        for (script, code) in [
            ("trap 'exit 42' TERM; echo up; while :; do /bin/sleep 0.05; done", 42),
            ("echo up; exec /bin/sleep 60", -1),
        ] {
            let mut command = process::command(CREDBROKER, &daemon.dir, &environment);
            command.args(["exec", "--credentials", "orders", "--", "/bin/sh", "-c", script]).stdout(Stdio::piped());
            let mut running = Running::spawn(command);
            until("the command is up", Duration::from_secs(10), async || {
                running.printed.text().contains("up").then_some(())
            })
            .await;
            running.signal("TERM").await;
            assert_eq!(running.wait(Duration::from_secs(10)).await, code, "{script}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_unix_socket_is_for_exec_itself_and_sdks_get_the_tcp_address() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let socket = format!("unix:{}", daemon.dir.join("api.sock").display());
        let given = ["exec", "--url", &socket, "--credentials", "orders", "--", "/usr/bin/env"];
        let ended = credbroker(&daemon.dir, &given, &[AS_ORDERS]).await;
        let uri = format!("AWS_CONTAINER_CREDENTIALS_FULL_URI={}/v1/credentials/orders", daemon.url());
        assert!(lines(&ended).contains(&&*uri), "{}", ended.stdout);
    })
    .await;
}

#[tokio::test]
async fn a_daemon_without_a_tcp_address_is_told_with_what_to_do() {
    limited(async {
        let site = Site::open().await;
        let only =
            format!("[server]\nlisten = [\"unix:DIR/api.sock\"]\nadmin_listen = \"127.0.0.1:PORT\"\n{}", configured());
        let daemon = site.launch(&only).notified().start().await;
        let socket = format!("unix:{}", daemon.dir.join("api.sock").display());
        let given = ["exec", "--url", &socket, "--credentials", "orders", "--", "/bin/true"];
        let ended = credbroker(&daemon.dir, &given, &[AS_ORDERS]).await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("loopback:2778"), "{}", ended.stderr);
        let given = ["exec", "--url", &socket, "--token", "T=billing", "--", "/bin/sh", "-c", "test -n \"$T\""];
        assert_eq!(credbroker(&daemon.dir, &given, &[AS_ORDERS]).await.code, Some(0), "tokens need none");
    })
    .await;
}

#[tokio::test]
async fn each_way_not_to_begin_has_its_exit_code_and_a_word_about_it() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        site.write("not-executable", "");
        let [orders, reports] = [ORDERS, REPORTS].map(|token| ("CREDBROKER_TOKEN", token));
        for (arguments, who, code, word) in [
            (&["--credentials", "orders", "--", "/nonexistent"][..], orders, 127, "/nonexistent"),
            (&["--credentials", "orders", "--", "./not-executable"], orders, 126, "not-executable"),
            (&["--credentials", "nothing", "--", "/bin/true"], orders, 1, "credentials.nothing"),
            (&["--credentials", "orders", "--", "/bin/true"], reports, 4, "credentials.orders"),
            (&["--credentials", "orders", "--", "/bin/true"], ("CREDBROKER_TOKEN", "wrong"), 4, "not known"),
            (&["--credentials", "orders", "--", "/bin/true"], ("X", ""), 4, "not known"),
            (&["--credentials", "orders", "--", "/bin/true"], ("CREDBROKER_TOKEN_FILE", "orders.token"), 2, "tr -d"),
            (&["--credentials", "orders", "--", "/bin/true"], ("CREDBROKER_TOKEN_FILE", "nothing"), 2, "nothing"),
            (&["--token", "T=nothing", "--", "/bin/true"], orders, 1, "tokens.nothing"),
            (&["--token", "1T=billing", "--", "/bin/true"], orders, 2, "VAR=NAME"),
            (&["--token", "LD_PRELOAD=billing", "--", "/bin/true"], orders, 2, "LD_PRELOAD"),
            (&["--token", "PATH=billing", "--", "true"], orders, 2, "PATH"),
            (&["--", "/bin/true"], orders, 2, "--credentials"),
            (&["--credentials", "orders"], orders, 2, "CMD"),
        ] {
            let ended = exec(&daemon, arguments, &[who]).await;
            assert_eq!((ended.code, &*ended.stdout), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
            assert!(ended.stderr.contains(word), "{arguments:?}: {}", ended.stderr);
            assert!(!ended.stderr.contains(who.1) || who.1.len() < 20, "{}", ended.stderr);
        }
    })
    .await;
}

#[tokio::test]
async fn it_waits_for_a_daemon_that_starts_and_for_a_source_that_is_slow_and_not_for_ever() {
    limited(async {
        let site = Site::open().await;
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let environment = [("CREDBROKER_URL", &*url), AS_ORDERS];
        let given = |timeout| ["exec", "--credentials", "orders", "--timeout", timeout, "--", "/bin/echo", "started"];
        let nobody = credbroker(site.dir.path(), &given("1s"), &environment).await;
        assert_eq!((nobody.code, &*nobody.stdout), (Some(3), ""), "{}", nobody.stderr);

        // Two stages of this are more than the second that a caller waits.
        site.control().fault(Fault::always("AssumeRole", FaultKind::Delay { milliseconds: 700 }));
        let patient = given("20s");
        let (_daemon, ended) = tokio::join!(
            site.launch(&configured()).port(port).start(),
            credbroker(site.dir.path(), &patient, &environment)
        );
        assert_eq!(lines(&ended), ["started"]);
    })
    .await;
}

#[tokio::test]
async fn a_source_that_is_down_is_told_in_time() {
    limited(async {
        let site = Site::open().await;
        let daemon = daemon(&site).await;
        let down = FaultKind::Status { status: 503, body: String::new(), headers: [].into() };
        site.control().fault(Fault::always("AssumeRole", down));
        let given = ["--credentials", "orders", "--timeout", "3s", "--", "/bin/echo", "started"];
        let ended = exec(&daemon, &given, &[AS_ORDERS]).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(5), ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("credentials.orders"), "{}", ended.stderr);
    })
    .await;
}
