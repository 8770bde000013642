//! The log, and whoever does not read it.

use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::client::{Ask, Way};
use crate::daemon::free_port;
use crate::documents::{ORDERS, billing_for_orders};
use crate::process::{self, CREDBROKER};
use crate::site::Site;
use crate::waiting::{limited, until};

/// More refusals than a pipe and the queue before it have room for.
const REFUSALS: usize = 3_000;

/// Contract, section 7: whoever is refused can bring nobody else down, not even where the log goes nowhere.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_nobody() {
    limited(async {
        let site = Site::open().await;
        let launch =
            site.launch(&billing_for_orders()).env("CREDBROKER_LOG_FORMAT", "json").env("CREDBROKER_LOG", "debug");
        let port = free_port();
        let file = launch.configure(port);
        let mut command = process::command(CREDBROKER, site.dir.path(), launch.environment());
        let (mut log, unread) = std::io::pipe().unwrap();
        command.arg("run").arg("--config").arg(file).stdout(Stdio::null()).stderr(unread);
        let mut daemon = command.spawn().unwrap();
        drop(command);
        let way = Way::V4(port);
        let is_up = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop);
        until("the daemon's start", Duration::from_secs(10), is_up).await;

        for _ in 0..REFUSALS {
            let refused = Ask::get("/v1/status").over(&way).await.unwrap();
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        }
        let served = Ask::get("/v1/tokens/billing").bearer(ORDERS).over(&way).await.unwrap();
        assert_eq!(served.status, StatusCode::OK, "{}", served.text);

        let status = Ask::get("/v1/status").bearer(ORDERS).over(&way).await.unwrap().json();
        let told = status["log"]["lines_lost"].as_u64().unwrap();
        let metrics = Ask::get("/metrics").over(&way).await.unwrap().text;
        let sample = metrics.lines().find_map(|line| line.strip_prefix("credbroker_log_lines_lost_total "));
        assert!(told > 0 && sample.unwrap().parse::<u64>().unwrap() >= told, "{status}");

        // As soon as somebody reads it, it says what is missing, in the form that it has.
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            log.read_to_end(&mut text).unwrap();
            String::from_utf8(text).unwrap()
        });
        let terminate = format!("kill -TERM {}", daemon.id().unwrap());
        assert!(tokio::process::Command::new("/bin/sh").args(["-c", &terminate]).status().await.unwrap().success());
        assert!(daemon.wait().await.unwrap().success());
        let text = reading.await.unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let lost = lines.iter().filter_map(|line| line["fields"]["lost"].as_u64()).sum::<u64>();
        let refused = lines.iter().filter(|line| line["fields"]["message"] == "refused").count();
        assert!(lost >= told && refused > 100 && refused < REFUSALS, "{refused} refusals, {lost} lines lost");
        assert_eq!(lines.last().unwrap()["fields"]["message"], "ended");
    })
    .await;
}
