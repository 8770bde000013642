//! The way of the log's lines to standard error. Whoever logs never waits for whoever reads the log: lines go through a queue to a
//! thread that does nothing else. Where standard error is not read, as by a log collector that hangs, the queue fills, and what comes
//! then is lost, counted, and said when there is room again. Without that every refused request, which anybody on the machine may
//! make, would bring the daemon a step nearer to a halt.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines of so many bytes wait at most.
const ROOM: usize = 256 * 1024;
/// At the end the last lines are waited for so long.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The queue. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    news: Condvar,
    quiet: Condvar,
}

/// What has not been written yet.
#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    lost: u64,
    is_writing: bool,
}

impl Lines {
    /// Writes to `sink` what is put into the queue, in a thread that ends with the process.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn to(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Self::default();
        let taken = lines.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || taken.write_all_to(sink))?;
        Ok(lines)
    }

    /// Waits until everything is written, but not for long.
    pub fn finish(&self) {
        let is_busy = |waiting: &mut Waiting| waiting.is_writing || !waiting.lines.is_empty();
        let waited = self.0.quiet.wait_timeout_while(self.waiting(), LAST_WORDS, is_busy);
        drop(waited);
    }

    fn write_all_to(&self, mut sink: impl Write) {
        loop {
            let (lines, lost) = self.take();
            for line in lines {
                // Where standard error is closed there is nobody to tell.
                let _ = sink.write_all(&line);
            }
            if lost > 0 {
                tracing::warn!(lost, "lines of the log were lost: what reads standard error was too slow");
            }
        }
    }

    /// Waits until there is something to write.
    fn take(&self) -> (VecDeque<Vec<u8>>, u64) {
        let mut waiting = self.waiting();
        waiting.is_writing = false;
        if waiting.lines.is_empty() {
            self.0.quiet.notify_all();
        }
        let is_empty = |waiting: &mut Waiting| waiting.lines.is_empty();
        let mut waiting = self.0.news.wait_while(waiting, is_empty).unwrap_or_else(PoisonError::into_inner);
        waiting.is_writing = true;
        waiting.bytes = 0;
        (std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.lost))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics between two halves of a change.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.waiting();
        if waiting.bytes.saturating_add(line.len()) > ROOM {
            waiting.lost = waiting.lost.saturating_add(1);
        } else {
            waiting.bytes += line.len();
            waiting.lines.push_back(line.to_vec());
            self.0.news.notify_one();
        }
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

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Let once, it is let for good.
            let _ = self.0.recv();
            self.1.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_sink_that_takes_nothing_and_what_had_room_comes_in_order() {
        let (hold, held) = channel();
        let (written, seen) = channel();
        let lines = Lines::to(Held(held, written)).unwrap();
        let line = |number: usize| format!("{number:01023}\n").into_bytes();
        let many = 3 * ROOM / 1024;
        for number in 0..many {
            (&lines).write_all(&line(number)).unwrap();
        }
        drop(hold);
        lines.finish();
        let came: Vec<_> = seen.try_iter().collect();
        assert!(came.is_sorted() && came[0] == line(0));
        // What the thread had taken when it came to a halt, and a full queue.
        assert!((ROOM / 1024..=2 * ROOM / 1024).contains(&came.len()), "{} of {many} lines", came.len());
        (&lines).write_all(b"again\n").unwrap();
        lines.finish();
        assert_eq!(seen.try_iter().last().unwrap(), b"again\n");
    }

    #[test]
    fn the_end_does_not_wait_for_ever() {
        let (_hold, held) = channel();
        let lines = Lines::to(Held(held, channel().0)).unwrap();
        (&lines).write_all(b"line\n").unwrap();
        lines.finish();
        assert!(lines.waiting().is_writing);
    }
}
