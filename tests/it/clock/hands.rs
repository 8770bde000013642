//! The hands of a daemon's clocks: a library of ours is loaded before the C library (`hands.c`), and moves what the clocks show.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use crate::daemon::Launch;
use crate::process;
use crate::site::Site;

const CODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clock/hands.c");

pub struct Hands {
    library: PathBuf,
    file: PathBuf,
}

impl Hands {
    /// Hands that show the time. `cc` is there wherever the tests are built, since Rust links with it.
    pub async fn of(site: &Site) -> Self {
        let (library, file) = (site.dir.path().join("hands.so"), site.write("hands", ""));
        let environment = [("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())];
        let mut cc = process::command("cc", site.dir.path(), &environment);
        cc.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library).arg(CODE);
        let ended = process::finish(cc).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let hands = Self { library, file };
        hands.show(0, 0, 0);
        hands
    }

    /// Starts a daemon by these clocks.
    pub fn moving(&self, launch: Launch) -> Launch {
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        launch.env("LD_PRELOAD", &text(&self.library)).env("HANDS", &text(&self.file))
    }

    /// From now on the clocks are so many seconds ahead: the wall clock, the boot-time clock, the monotonic one.
    pub fn show(&self, wall: i64, boot: i64, monotonic: i64) {
        let bytes: Vec<u8> = [wall, boot, monotonic].iter().flat_map(|seconds| seconds.to_ne_bytes()).collect();
        std::fs::OpenOptions::new().write(true).open(&self.file).unwrap().write_all_at(&bytes, 0).unwrap();
    }
}
