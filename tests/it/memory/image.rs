//! The memory of a running process, as root sees it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use crate::process::Running;
use crate::waiting::until;

/// Of each secret this many bytes are looked for, out of its middle: an allocator writes its own notes over the ends of what is free.
const NEEDLE: usize = 32;
/// Read at once.
const PIECE: usize = 1 << 20;

/// Everything that a process may write to, at one moment.
pub struct Image(Vec<Vec<u8>>);

impl Image {
    /// Of a process that is stopped meanwhile.
    pub async fn of(running: &Running) -> io::Result<Self> {
        running.freeze().await;
        let image = Self::read(running.pid());
        running.signal("CONT").await;
        image
    }

    fn read(pid: u32) -> io::Result<Self> {
        let memory = File::open(format!("/proc/{pid}/mem"))?;
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let writable = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")));
        writable.map(|line| region(&memory, line)).collect::<io::Result<Vec<_>>>().map(Self)
    }

    /// How often the middle of `secret` is in it.
    pub fn copies(&self, secret: &str) -> usize {
        let needle = middle(secret.as_bytes());
        self.0.iter().map(|region| region.windows(needle.len()).filter(|window| *window == needle).count()).sum()
    }
}

/// One line of the table of mappings: `7f00-7f10 rw-p …`.
fn region(memory: &File, line: &str) -> io::Result<Vec<u8>> {
    let (start, rest) = line.split_once('-').unwrap();
    let number = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
    let (start, end) = (number(start), number(rest.split(' ').next().unwrap()));
    let mut used = Vec::new();
    let mut piece = vec![0; PIECE];
    for at in (start..end).step_by(PIECE) {
        let length = PIECE.min(usize::try_from(end - at).unwrap());
        memory.read_exact_at(&mut piece[..length], at)?;
        // What has never been used is most of it.
        used.extend(piece[..length].chunks(4096).filter(|page| page.iter().any(|byte| *byte != 0)).flatten());
    }
    Ok(used)
}

fn middle(secret: &[u8]) -> &[u8] {
    assert!(secret.len() >= NEEDLE, "too short to look for");
    let start = (secret.len() - NEEDLE) / 2;
    &secret[start..start + NEEDLE]
}

/// No trace is left of `gone`. A daemon reads its files now and then, so one look may find what the next does not; what stays is found
/// by every one.
pub async fn are_gone(running: &Running, gone: &[(String, String)]) {
    let mut found = Vec::new();
    for _ in 0..3 {
        let image = Image::of(running).await.unwrap();
        let copies = gone.iter().map(|(what, secret)| (what.clone(), image.copies(secret)));
        found = copies.filter(|(_, count)| *count > 0).collect();
        if found.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("copies of what was dropped: {found:?}");
}

/// Waits until none of what is in use is missing.
pub async fn are_there(running: &Running, live: &[(String, String)]) {
    until("the search finds what is in use", Duration::from_secs(5), async || {
        let image = Image::of(running).await.unwrap();
        live.iter().all(|(_, secret)| image.copies(secret) > 0).then_some(())
    })
    .await;
}
