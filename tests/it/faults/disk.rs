//! Disks without room: for the log, and for the file of a token.

use std::path::Path;
use std::time::Duration;

use crate::client::{Ask, Way};
use crate::daemon::free_port;
use crate::documents::{ORDERS, billing_for_orders};
use crate::privilege::{has_mounts, is_root};
use crate::process::{self, CREDBROKER, Running};
use crate::site::Site;
use crate::waiting::{limited, until};

const PATH: &str = "/v1/tokens/billing";

/// `/dev/full` is a disk that has no room for anything, ever.
#[tokio::test]
async fn a_log_without_room_stops_nobody() {
    limited(async {
        let site = Site::open().await;
        let launch = site.launch(&billing_for_orders());
        let port = free_port();
        let script = format!("exec '{CREDBROKER}' run --config '{}' 2>/dev/full", launch.configure(port).display());
        let mut command = process::command("/bin/sh", Path::new("/"), launch.environment());
        command.args(["-c", &script]);
        let mut daemon = Running::spawn(command);
        let way = Way::V4(port);
        let served = async || Ask::get(PATH).bearer(ORDERS).over(&way).await.ok().filter(|answer| answer.status == 200);
        until("the daemon's start", Duration::from_secs(10), served).await;
        // Each refusal is a line of the log.
        for _ in 0..300 {
            assert_eq!(Ask::get(PATH).over(&way).await.unwrap().status, 401);
        }
        assert!(served().await.is_some());
        daemon.signal("TERM").await;
        assert_eq!(daemon.wait(Duration::from_secs(10)).await, 0);
    })
    .await;
}

/// A file system of one page beside the file's own, in a mount namespace of the daemon's, which root sees by `/proc`.
#[tokio::test]
async fn on_a_full_disk_the_old_file_stays_whole_until_there_is_room() {
    let what = "a full disk";
    if !is_root(what) || !has_mounts(what, "mount -t tmpfs -o size=64k tmpfs /mnt") {
        return;
    }
    limited(async {
        let site = Site::open().await;
        site.control().set_lifetime("token", 12);
        let out = site.dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let within = format!("mount -t tmpfs -o size=64k,mode=755 tmpfs \"{}\" && exec \"$@\"", out.display());
        let document =
            format!("{}[files.billing]\ntoken = \"tokens.billing\"\npath = \"DIR/out/token\"\n", billing_for_orders());
        let daemon =
            site.launch(&document).through(&format!("exec unshare --mount sh -c '{within}' sh \"$@\"")).start().await;
        let seen =
            Path::new("/proc").join(daemon.running.pid().to_string()).join("root").join(out.strip_prefix("/").unwrap());
        let file = seen.join("token");
        let read = || std::fs::read_to_string(&file).ok();
        let first = until("the file", Duration::from_secs(10), async || read()).await;

        // Whatever is left of the disk is taken, to the last byte.
        let filling = seen.join("filling");
        let _ = std::fs::write(&filling, vec![0; 256 * 1024]);
        let row = async || daemon.get("/v1/status", ORDERS).await.json()["files"][0].clone();
        until("the failure is told", Duration::from_secs(12), async || {
            row().await["last_error"]["message"].as_str().is_some_and(|said| said.contains("space")).then_some(())
        })
        .await;
        assert_eq!(read().as_ref(), Some(&first), "the old one, whole");
        assert_eq!(std::fs::read_dir(&seen).unwrap().count(), 2, "and nothing half written beside it");
        assert_eq!(daemon.get(PATH, ORDERS).await.status, 200);

        std::fs::remove_file(filling).unwrap();
        let second = until("a newer file", Duration::from_secs(15), async || read().filter(|now| *now != first)).await;
        assert_eq!(second.split('.').count(), 3);
    })
    .await;
}
