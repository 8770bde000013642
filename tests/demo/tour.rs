//! The tour: a token, AWS credentials two ways, an SDK that uses them, and all of it again from the cache.

use std::io::IsTerminal as _;
use std::process::Command;

use credbroker_emulator::Asked;
use serde_json::Value;

use crate::asking::{self, Answer};
use crate::setting::{CALLER_TOKEN, Setting};
use crate::{Fault, verified};

/// Shows everything; then ends, or stays up until Ctrl-C.
pub async fn run(once: bool) -> Result<(), Fault> {
    let setting = Setting::start().await?;
    println!("An emulator of Cognito, identity pools and STS listens on {};", setting.emulator.url());
    println!("credbroker serves on http://127.0.0.1:{} with {}", setting.port, setting.config().display());
    let outcome = tour(&setting).await;
    if let Err(fault) = outcome {
        eprintln!("\nWhat the daemon printed:\n{}", setting.log());
        return Err(fault);
    }
    if !once {
        invite(&setting);
        tokio::signal::ctrl_c().await?;
        println!();
    }
    setting.end().await
}

async fn tour(setting: &Setting) -> Result<(), Fault> {
    title("1. A bearer token: OAuth 2.0 client_credentials at Cognito's token endpoint");
    let first = get(setting, "/v1/tokens/billing").await?;
    let claims = verified(setting, first.text("access_token")?).await?;
    line("verified claims", &claims.to_string());
    line("scope", first.text("scope")?);
    line("expires_in", &first.body["expires_in"].to_string());
    timing(&first);

    title("2. The same by the GetClientToken operation, narrowed to nothing but billing/read");
    let ledger = get(setting, "/v1/tokens/ledger").await?;
    line("scope", verified(setting, ledger.text("access_token")?).await?["scope"].as_str().unwrap_or_default());

    title("3. AWS credentials by assume-role: the broker's identity → hub → orders");
    let orders = get(setting, "/v1/credentials/orders").await?;
    credentials(&orders)?;

    title("4. AWS credentials from an identity pool: a machine user's ID token, and a developer identity");
    credentials(&get(setting, "/v1/credentials/uploads").await?)?;
    credentials(&get(setting, "/v1/credentials/tenant").await?)?;

    title("5. An unmodified AWS SDK asks STS who it is, through AWS_CONTAINER_CREDENTIALS_FULL_URI");
    for (name, role) in [("orders", "assumed-role/orders/demo"), ("uploads", "assumed-role/uploads/")] {
        let arn = who_am_i(setting, name)?;
        line(name, &arn);
        expect(arn.contains(role), "STS sees another identity than the broker's configuration says")?;
    }

    title("6. All of it again, from the cache");
    let before = upstream(setting).len();
    for path in ["/v1/tokens/billing", "/v1/tokens/ledger", "/v1/credentials/orders", "/v1/credentials/uploads"] {
        let again = get(setting, path).await?;
        line(path, &format!("{:?}, Credbroker-Cache: {}", again.took, again.header("credbroker-cache")));
        expect(again.header("credbroker-cache") == "hit", "this should have come from the cache")?;
    }
    let all = upstream(setting);
    line("upstream requests", &format!("{} in all, {} of them for these four", all.len(), all.len() - before));
    for asked in &all {
        println!("      {:<38} {}", asked.operation, asked.outcome);
    }
    expect(all.len() == before, "the cache should have needed no upstream request")
}

fn invite(setting: &Setting) {
    let (port, dir) = (setting.port, setting.dir.path().display());
    title("It stays up until Ctrl-C. To try:");
    println!("   curl -H 'Authorization: Bearer {CALLER_TOKEN}' http://127.0.0.1:{port}/v1/tokens/billing");
    println!("   curl -H 'Authorization: Bearer {CALLER_TOKEN}' http://127.0.0.1:{port}/v1/credentials/orders");
    println!("   curl -H 'Authorization: Bearer {CALLER_TOKEN}' http://127.0.0.1:{port}/v1/status");
    println!(
        "   curl -H 'Authorization: Bearer {CALLER_TOKEN}' http://127.0.0.1:{port}/ > status.html   # a page for a browser"
    );
    println!(
        "   curl --unix-socket {dir}/api.sock -H 'Authorization: Bearer {CALLER_TOKEN}' 'http://localhost/v1/tokens/billing?scope=billing/read'"
    );
    println!(
        "   CREDBROKER_URL=http://127.0.0.1:{port} CREDBROKER_TOKEN={CALLER_TOKEN} target/debug/credbroker status --watch"
    );
    println!("   AWS_REGION=eu-west-1 AWS_ENDPOINT_URL_STS={} \\", setting.emulator.url());
    println!("     AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:{port}/v1/credentials/orders \\");
    println!("     AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={dir}/demo.token aws sts get-caller-identity");
    println!("   less {dir}/daemon.log    {dir}/audit.log");
}

async fn get(setting: &Setting, path: &str) -> Result<Answer, Fault> {
    let answer = asking::get(setting.port, path, CALLER_TOKEN).await?;
    expect(answer.status == 200, &format!("{path} was answered with status {}: {}", answer.status, answer.body))?;
    Ok(answer)
}

async fn verified(setting: &Setting, token: &str) -> Result<Value, Fault> {
    let port = setting
        .emulator
        .url()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .ok_or("the emulator has no port")?;
    let keys = asking::get(port, "/eu-west-1_AbCd12345/.well-known/jwks.json", "").await?;
    verified::claims(token, &keys.body)
}

/// A child process with nothing of credbroker in it but the two variables that every AWS SDK knows.
fn who_am_i(setting: &Setting, name: &str) -> Result<String, Fault> {
    let output = Command::new(std::env::current_exe()?)
        .arg("who-am-i")
        .env_clear()
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL_STS", setting.emulator.url())
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://127.0.0.1:{}/v1/credentials/{name}", setting.port))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", setting.dir.path().join("demo.token"))
        .output()?;
    expect(output.status.success(), &String::from_utf8_lossy(&output.stderr))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What the daemon asked upstream; not the key sets and identities that the tour asked for itself.
fn upstream(setting: &Setting) -> Vec<Asked> {
    let own = ["jwks", "GetCallerIdentity"];
    setting.emulator.control().journal().into_iter().filter(|asked| !own.contains(&asked.operation.as_str())).collect()
}

fn credentials(answer: &Answer) -> Result<(), Fault> {
    line("AccessKeyId", answer.text("AccessKeyId")?);
    line("Expiration", answer.text("Expiration")?);
    timing(answer);
    Ok(())
}

fn timing(answer: &Answer) {
    line("answered in", &format!("{:?}, Credbroker-Cache: {}", answer.took, answer.header("credbroker-cache")));
}

fn expect(holds: bool, otherwise: &str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

fn title(text: &str) {
    if std::io::stdout().is_terminal() {
        println!("\n\u{1b}[1m{text}\u{1b}[0m");
    } else {
        println!("\n{text}");
    }
}

fn line(name: &str, value: &str) {
    println!("   {name:<18} {value}");
}
