//! The way of lines out of the process, those of the log and those of the audit log. Whoever has something to say never waits for
//! whoever reads it: lines go through a queue to a thread that does nothing else. Where nobody reads, as with a log collector that
//! hangs, the queue fills, and what comes then is lost, counted, and said when there is room again. Without that every refused
//! request, which anybody on the machine may make, would bring the daemon a step nearer to a halt.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines of so many bytes wait at most.
pub const ROOM: usize = 256 * 1024;
/// At the end the last lines are waited for so long.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where lines end.
pub trait Sink: Send + 'static {
    /// Writes `lines` in their order. How many of them could not be written?
    fn write(&mut self, lines: &[Vec<u8>]) -> u64;

    /// Says that `lost` lines had no room while others were written.
    fn tell(&mut self, lost: u64);
}

/// The queue. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    news: Condvar,
    quiet: Condvar,
    lost: AtomicU64,
}

/// What has not been written yet.
#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<Vec<u8>>,
    bytes: usize,
    lost: u64,
    is_writing: bool,
    is_closed: bool,
}

impl Lines {
    /// Writes to `sink` what is put into the queue, in a thread called `name` that ends with the process, or when the queue is closed.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn to(name: &str, sink: impl Sink) -> io::Result<Self> {
        let lines = Self::default();
        let taken = lines.clone();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || taken.write_all_to(sink))?;
        Ok(lines)
    }

    /// Puts a line into the queue, if no more than `room` bytes wait with it; else it is lost.
    pub fn put(&self, line: Vec<u8>, room: usize) {
        let mut waiting = self.waiting();
        if waiting.bytes.saturating_add(line.len()) > room {
            waiting.lost = waiting.lost.saturating_add(1);
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes += line.len();
        waiting.lines.push(line);
        // Behind another one it is seen with that.
        if waiting.lines.len() == 1 {
            self.0.news.notify_one();
        }
    }

    /// How many lines were lost so far, in the queue or behind it.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, but not for long.
    pub fn finish(&self) {
        let is_busy = |waiting: &mut Waiting| waiting.is_writing || !waiting.lines.is_empty();
        let waited = self.0.quiet.wait_timeout_while(self.waiting(), LAST_WORDS, is_busy);
        drop(waited);
    }

    /// No more lines will come; those that wait are written.
    pub fn close(&self) {
        self.waiting().is_closed = true;
        self.0.news.notify_one();
    }

    fn write_all_to(&self, mut sink: impl Sink) {
        while let Some((lines, lost)) = self.take() {
            let unwritten = sink.write(&lines);
            self.0.lost.fetch_add(unwritten, Ordering::Relaxed);
            if lost > 0 {
                sink.tell(lost);
            }
        }
    }

    /// Waits until there is something to write; `None` when there never will be again.
    fn take(&self) -> Option<(Vec<Vec<u8>>, u64)> {
        let mut waiting = self.waiting();
        waiting.is_writing = false;
        if waiting.lines.is_empty() {
            self.0.quiet.notify_all();
        }
        let is_empty = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.is_closed;
        let mut waiting = self.0.news.wait_while(waiting, is_empty).unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.is_empty() {
            return None;
        }
        waiting.is_writing = true;
        waiting.bytes = 0;
        Some((std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.lost)))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics between two halves of a change.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec(), ROOM);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// What is written is sent on; nothing is taken before it is let.
    struct Held(Receiver<()>, Sender<Vec<u8>>);

    impl Sink for Held {
        fn write(&mut self, lines: &[Vec<u8>]) -> u64 {
            // Let once, it is let for good.
            let _ = self.0.recv();
            lines.iter().for_each(|line| self.1.send(line.clone()).unwrap());
            0
        }

        fn tell(&mut self, lost: u64) {
            self.1.send(format!("lost {lost}\n").into_bytes()).unwrap();
        }
    }

    #[test]
    fn nobody_waits_for_a_sink_that_takes_nothing_and_what_had_room_comes_in_order() {
        let (hold, held) = channel();
        let (written, seen) = channel();
        let lines = Lines::to("lines", Held(held, written)).unwrap();
        let line = |number: usize| format!("{number:01023}\n").into_bytes();
        let many = 3 * ROOM / 1024;
        for number in 0..many {
            (&lines).write_all(&line(number)).unwrap();
        }
        drop(hold);
        lines.finish();
        let (said, came): (Vec<_>, Vec<_>) = seen.try_iter().partition(|line| line.starts_with(b"lost"));
        assert!(came.is_sorted() && came[0] == line(0));
        let lost = many - came.len();
        // In one piece or two: the thread may have come when some were lost already.
        let number = |said: &Vec<u8>| std::str::from_utf8(said).unwrap()[5..].trim().parse::<u64>().unwrap();
        assert_eq!((said.iter().map(number).sum(), lines.lost()), (lost as u64, lost as u64));
        // What the thread had taken when it came to a halt, and a full queue.
        assert!((ROOM / 1024..=2 * ROOM / 1024).contains(&came.len()), "{} of {many} lines", came.len());
        (&lines).write_all(b"again\n").unwrap();
        lines.finish();
        assert_eq!(seen.try_iter().last().unwrap(), b"again\n");
    }

    #[test]
    fn what_may_take_less_room_leaves_the_rest_to_others() {
        let (hold, held) = channel();
        let (written, seen) = channel();
        let lines = Lines::to("lines", Held(held, written)).unwrap();
        for _ in 0..3 * ROOM / 1024 {
            lines.put(vec![b'x'; 1024], ROOM / 2);
        }
        lines.put(b"another\n".to_vec(), ROOM);
        drop(hold);
        lines.finish();
        assert!(seen.try_iter().any(|line| line == b"another\n"));
    }

    #[test]
    fn the_end_does_not_wait_for_ever() {
        let (_hold, held) = channel();
        let lines = Lines::to("lines", Held(held, channel().0)).unwrap();
        (&lines).write_all(b"line\n").unwrap();
        lines.finish();
        assert!(lines.waiting().is_writing);
    }
}
