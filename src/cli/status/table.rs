//! The status as a table: aligned, as wide as the terminal, with colours and bars where somebody looks; plain and uncut when it
//! is piped.

use serde_json::Value;

use super::look::Look;
use crate::http::status::outline::{self, Life, Row, Tone, Trouble, dollars, grouped, plain};

/// No name takes more columns of a terminal.
const WIDEST_NAME: usize = 44;
/// The source is left out where it had less room.
const NARROWEST_SOURCE: usize = 16;
/// Cells of a bar.
const BAR: u64 = 10;

struct Column {
    title: &'static str,
    write: fn(&Row<'_>, &Look) -> String,
    to_the_right: bool,
}

const fn number(title: &'static str, write: fn(&Row<'_>, &Look) -> String) -> Column {
    Column { title, write, to_the_right: true }
}

const NAME: Column = Column { title: "NAME", write: name, to_the_right: false };
const STATE: Column = Column { title: "STATE", write: |row, _| plain(row.state()), to_the_right: false };
const LIFE: Column = Column { title: "LIFE", write: bar, to_the_right: false };
/// What is between the state and the source. Where there is too little room the last go first.
const COLUMNS: [Column; 6] = [
    number("EXPIRES", |row, _| row.expires_in().map_or_else(nothing, span)),
    number("REFRESH", |row, _| row.life().map_or_else(nothing, |life| span(life.until_due))),
    number("HITS", |row, _| counted(row.hits())),
    number("UPSTREAM", |row, _| counted(row.count("upstream_requests"))),
    number("AVOIDED", |row, _| counted(row.count("upstream_avoided"))),
    number("SAVED", |row, _| row.saved().map_or_else(nothing, dollars)),
];

/// The table of `document`.
pub fn table(document: &Value, look: &Look) -> String {
    let sections = outline::sections(document);
    let rows: Vec<Row<'_>> = sections.iter().flat_map(|section| section.rows.iter().copied()).collect();
    let mut out = head(document, &outline::counted(&sections), look);
    let columns = Columns::of(&rows, look);
    out += &columns.titles(look);
    for row in &rows {
        out += &columns.line(row, look);
        if let Some(trouble) = row.trouble() {
            out += &look.alarming(&look.wrapped(&explained(row, &trouble), "  "));
        }
    }
    out
}

fn head(document: &Value, rows: &[Row<'_>], look: &Look) -> String {
    let text = |key: &str| plain(document[key].as_str().unwrap_or("-"));
    let seconds = document["uptime_seconds"].as_u64().unwrap_or_default();
    let ready = if document["ready"] == true { "ready" } else { "not ready" };
    let requests = grouped(document["requests"].as_u64().unwrap_or_default());
    let daemon = format!(
        "credbroker {}, {}, {ready}, up {}, {requests} requests",
        text("version"),
        text("state"),
        span(seconds)
    );
    let mut lines = vec![daemon, summary(rows)];
    let listeners = outline::listeners(document);
    if !listeners.is_empty() {
        lines.push(format!("listening on {}", plain(&listeners.join(", "))));
    }
    let fees = &document["cognito_fees"];
    if let Some(saved) = fees["saved"].as_f64() {
        let amount = |key: &str| dollars(fees[key].as_f64().unwrap_or_default());
        let compared = plain(fees["compared_with"].as_str().unwrap_or_default());
        lines.push(format!(
            "Cognito token fees: {} saved, {} paid (an estimate: {} for 1,000 tokens, compared with {compared})",
            dollars(saved),
            amount("paid"),
            amount("per_1000")
        ));
    }
    lines.iter().map(|line| look.wrapped(line, "")).collect::<String>() + "\n"
}

fn summary(rows: &[Row<'_>]) -> String {
    let of = |tone: Tone| rows.iter().filter(|row| row.tone() == tone).count();
    let entries = if rows.len() == 1 { "1 entry".to_owned() } else { format!("{} entries", rows.len()) };
    match (of(Tone::Bad), of(Tone::Warning)) {
        (0, 0) => format!("{entries}, none in trouble"),
        (bad, warned) => format!("{entries}: {bad} cannot be served, {warned} cannot be renewed"),
    }
}

/// The columns that there is room for, with their widths.
struct Columns {
    shown: Vec<(&'static Column, usize)>,
    source: Option<usize>,
}

impl Columns {
    fn of(rows: &[Row<'_>], look: &Look) -> Self {
        let width = |column: &Column| {
            let cells = rows.iter().map(|row| (column.write)(row, look).chars().count());
            cells.chain([column.title.len()]).max().unwrap_or_default()
        };
        let room = look.width.unwrap_or(usize::MAX);
        let most_for_name = if look.width.is_some() { WIDEST_NAME.min(room.saturating_sub(14)).max(8) } else { room };
        let mut shown = vec![(&NAME, width(&NAME).min(most_for_name)), (&STATE, width(&STATE))];
        let mut taken = shown.iter().map(|(_, width)| width + 1).sum::<usize>();
        let has_fees = |column: &&Column| column.title != "SAVED" || rows.iter().any(|row| row.saved().is_some());
        let life = look.width.map(|_| &LIFE);
        for column in life.into_iter().chain(COLUMNS.iter().filter(has_fees)) {
            let width = width(column);
            if taken + width > room {
                break;
            }
            shown.push((column, width));
            taken += width + 1;
        }
        let source = room.saturating_sub(taken);
        Self { shown, source: (source >= NARROWEST_SOURCE).then_some(source) }
    }

    fn titles(&self, look: &Look) -> String {
        let cells = self.shown.iter().map(|(column, width)| aligned(column.title, *width, column.to_the_right));
        let source = self.source.map(|_| "SOURCE".to_owned());
        let line = cells.chain(source).collect::<Vec<_>>().join(" ");
        format!("{}\n", look.painted(1, line.trim_end()))
    }

    fn line(&self, row: &Row<'_>, look: &Look) -> String {
        let cell = |(column, width): &(&Column, usize)| {
            let text = aligned(&look.cut(&(column.write)(row, look), *width), *width, column.to_the_right);
            match column.title {
                "STATE" | "LIFE" => look.toned(row.tone(), &text),
                _ => text,
            }
        };
        let source = self.source.map(|width| look.painted(2, &look.cut(&source(row, look), width)));
        let line = self.shown.iter().map(cell).chain(source).collect::<Vec<_>>().join(" ");
        format!("{}\n", line.trim_end())
    }
}

fn aligned(text: &str, width: usize, to_the_right: bool) -> String {
    // The formatting of std has no room for more than 65,535 columns.
    let gap = " ".repeat(width.saturating_sub(text.chars().count()));
    if to_the_right { format!("{gap}{text}") } else { format!("{text}{gap}") }
}

fn name(row: &Row<'_>, _: &Look) -> String {
    let variation: String = row.variation().iter().map(|variation| format!(" ({variation})")).collect();
    plain(&format!("{}{variation}", row.name()))
}

fn bar(row: &Row<'_>, look: &Look) -> String {
    let Some(Life { whole, left, .. }) = row.life() else { return String::new() };
    let cells = left.saturating_mul(BAR).checked_div(whole).unwrap_or_default() + u64::from(left > 0 && left < whole);
    let (full, empty) = if look.unicode { ("━", "╌") } else { ("=", ".") };
    let filled = cells.min(BAR);
    (0..BAR).map(|cell| if cell < filled { full } else { empty }).collect()
}

/// The kind, the chain that it stands on, and the rest of the words.
fn source(row: &Row<'_>, look: &Look) -> String {
    let words = plain(row.source().unwrap_or("-"));
    let after = if look.unicode { " ← " } else { " <- " };
    let chain: String = row.chain().iter().map(|stage| format!("{after}{}", plain(stage))).collect();
    if chain.is_empty() {
        return words;
    }
    let end = words.find([' ', ',', ':']).unwrap_or(words.len());
    let (kind, rest) = words.split_at(end);
    format!("{kind}{chain}: {}", rest.trim_start_matches([' ', ',', ':']))
}

fn explained(row: &Row<'_>, trouble: &Trouble<'_>) -> String {
    let mut said = format!("{}: {}", trouble.fault(), trouble.message);
    said += &format!(
        " ({} in a row",
        if trouble.failures == 1 { "1 failure".to_owned() } else { format!("{} failures", trouble.failures) }
    );
    if let Some(since) = trouble.since {
        said += &format!(", since {since}");
    }
    if let Some(seconds) = trouble.retry_in {
        said += &format!(", asked again in {}", span(seconds));
    }
    format!("{}). {}", plain(&said), row.consequence().unwrap_or_default()).trim_end().to_owned()
}

fn counted(count: Option<u64>) -> String {
    count.map_or_else(nothing, |count| count.to_string())
}

fn nothing() -> String {
    "-".to_owned()
}

/// Seconds, short.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
