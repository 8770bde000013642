//! A terminal's alternate screen, drawn over from the top each time. It is given back when it is dropped, whatever ends the command.

use rustix::termios::tcgetwinsize;

use super::super::{Exit, output};

/// The terminal's other screen, without a cursor.
#[derive(Debug)]
pub struct Screen(());

impl Screen {
    /// Turns to it.
    pub fn enter() -> Self {
        output::say_bare("\u{1b}[?1049h\u{1b}[?25l");
        Self(())
    }

    /// Shows `text` from the top, as many lines as there is room for, in one step where the terminal can.
    pub fn draw(&self, text: &str) -> Exit {
        output::say_bare(&frame(text, size().1))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        output::say_bare("\u{1b}[?25h\u{1b}[?1049l");
    }
}

/// Columns and rows of the terminal; 80 and 24 where it does not say.
pub fn size() -> (usize, usize) {
    let told = tcgetwinsize(std::io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    told.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}

fn frame(text: &str, height: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let fits = lines.len() <= height;
    let shown = if fits { lines.len() } else { height.saturating_sub(1) };
    let mut frame = "\u{1b}[?2026h\u{1b}[H".to_owned();
    // Each line is cleared before it is written: afterwards, a full line's last column would go with it.
    frame += &lines.iter().take(shown).map(|line| format!("\u{1b}[2K{line}")).collect::<Vec<_>>().join("\r\n");
    if !fits {
        frame += &format!("\r\n\u{1b}[2K({} more lines; make the window higher)", lines.len() - shown);
    }
    frame + "\u{1b}[J\u{1b}[?2026l"
}

#[cfg(test)]
mod tests {
    use super::frame;

    #[test]
    fn a_frame_never_scrolls_the_screen() {
        let text = (1..=30).map(|line| format!("line {line}\n")).collect::<String>();
        let cut = frame(&text, 10);
        assert_eq!(cut.matches('\n').count(), 9);
        assert!(cut.contains("line 9\r") && !cut.contains("line 10") && cut.contains("(21 more lines"), "{cut}");
        let whole = frame(&text, 30);
        assert!(whole.contains("line 30") && !whole.contains("more lines"), "{whole}");
    }
}
