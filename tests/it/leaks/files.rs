//! What is in files is in nothing that is printed, whether they can be written or not.

use super::{Secrets, commands};
use crate::documents::{BILLING, BROKER_SECRET, M2M_SECRET, ORDERS, ROLES, caller};
use crate::site::Site;
use crate::waiting::{limited, until};

const FORMATS: [(&str, &str); 5] = [
    ("token = \"tokens.billing\"", "raw"),
    ("token = \"tokens.billing\"", "json"),
    ("credentials = \"credentials.hub\"", "aws-profile"),
    ("credentials = \"credentials.hub\"", "json"),
    ("credentials = \"credentials.hub\"", "env"),
];

fn document() -> String {
    let files = FORMATS.iter().enumerate().flat_map(|(at, (of, format))| {
        ["DIR", "DIR/none"].map(|dir| {
            let name = if dir == "DIR" { format!("file{at}") } else { format!("lost{at}") };
            format!("[files.{name}]\n{of}\nformat = \"{format}\"\npath = \"{dir}/{name}\"\n")
        })
    });
    let callers = caller("orders", &["tokens.billing", "credentials.hub"]);
    [BILLING.to_owned(), ROLES.to_owned(), callers].into_iter().chain(files).collect()
}

#[tokio::test]
async fn nothing_that_is_written_to_files_is_printed() {
    limited(async {
        let site = Site::open().await;
        let mut secrets = Secrets::default();
        [M2M_SECRET, BROKER_SECRET, ORDERS].iter().for_each(|secret| secrets.add(secret));
        let daemon = site.launch(&document()).env("CREDBROKER_LOG", "trace").start().await;
        let states = async || {
            let status = daemon.get("/v1/status", ORDERS).await.json();
            let rows = status["files"].as_array().unwrap().clone();
            rows.iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let done = [["written"; 5], ["failed"; 5]].concat();
        until("all are written that can be", crate::files::PATIENCE, async || (states().await == done).then_some(()))
            .await;
        secrets.add_jwt(&daemon.served("/v1/tokens/billing", ORDERS).await.token());
        secrets.add_credentials(&daemon.served("/v1/credentials/hub", ORDERS).await.json());
        for at in 0..FORMATS.len() {
            let content = std::fs::read_to_string(site.dir.path().join(format!("file{at}"))).unwrap();
            assert!(!secrets.found_in(&content).is_empty(), "the secrets hunted for are those in the files");
        }
        // One of them is changed, so that it is told of.
        std::fs::remove_file(site.dir.path().join("file0")).unwrap();
        until("it is told of", crate::files::PATIENCE, async || {
            daemon.running.printed.text().contains("somebody else has removed").then_some(())
        })
        .await;
        let said = format!(
            "{}{}{}",
            daemon.get("/v1/status", ORDERS).await.text,
            commands(&daemon).await,
            daemon.said().await
        );
        for word in ["DEBUG", "written", "could not be written", "files.lost4"] {
            assert!(said.contains(word), "{word} is not in what was printed");
        }
        secrets.are_not_in(&said);
    })
    .await;
}
