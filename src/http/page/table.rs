//! One section of the page: a table with a row for each entry, and below an entry what went wrong with it.
//!
//! On a narrow screen the style makes a card of each row. Browsers then forget that it is a table, so the roles are written out, and
//! the label of each value is repeated before it for the eye.

use super::markup::Markup;
use super::view::Anchors;
use crate::http::status::outline::{Life, Row, Section, Tone, Trouble, dollars, grouped, in_words};

/// A column: its title, in full and where there is little room, whether a row has something in it, and how that is written.
pub struct Column {
    title: &'static str,
    short: &'static str,
    class: &'static str,
    has: fn(&Row<'_>) -> bool,
    write: fn(&mut Markup, &Row<'_>),
}

/// After the one with the name.
const COLUMNS: [Column; 6] = [
    Column { title: "State", short: "State", class: "state", has: |_| true, write: state },
    Column { title: "Life", short: "Life", class: "life", has: |row| row.expires_in().is_some(), write: life },
    Column { title: "Hits", short: "Hits", class: "number", has: |row| row.hits().is_some(), write: hits },
    Column {
        title: "Upstream requests",
        short: "Upstream",
        class: "number",
        has: |row| row.count("upstream_requests").is_some(),
        write: upstream,
    },
    Column {
        title: "Requests avoided",
        short: "Avoided",
        class: "number",
        has: |row| row.count("upstream_avoided").is_some(),
        write: |page, row| number(page, row.count("upstream_avoided")),
    },
    Column {
        title: "Saved (estimate)",
        short: "Saved (est.)",
        class: "number",
        has: |row| row.saved().is_some(),
        write: |page, row| page.text(&row.saved().map_or_else(nothing, dollars)),
    },
];

/// The columns that any of `sections` has something in: all tables have the same, so that they stand in line.
pub fn columns(sections: &[Section<'_>]) -> Vec<&'static Column> {
    let rows = || sections.iter().flat_map(|section| &section.rows);
    COLUMNS.iter().filter(|column| rows().any(column.has)).collect()
}

/// The place of a row on the page.
pub fn anchor(section: usize, row: usize) -> String {
    format!("e{section}-{row}")
}

/// A section and its table.
pub fn section(page: &mut Markup, at: usize, section: &Section<'_>, columns: &[&Column], anchors: &Anchors<'_>) {
    let (id, heading) = (format!("s{at}"), format!("h{at}"));
    page.element("section", &[("id", &id), ("aria-labelledby", &heading)], |page| {
        page.element("h2", &[("id", &heading)], |page| {
            page.text(&section.title);
            page.leaf("span", &[("class", "number")], &format!(" {}", section.rows.len()));
        });
        page.element("table", &[("role", "table")], |page| {
            let caption = format!("{}: state, life, and requests of each", section.title);
            page.leaf("caption", &[("class", "unseen")], &caption);
            page.element("thead", &[("role", "rowgroup")], |page| {
                page.element("tr", &[("role", "row")], |page| {
                    page.leaf("th", &[("role", "columnheader"), ("scope", "col")], "Entry");
                    for column in columns {
                        let class = ("class", column.class);
                        page.leaf("th", &[("role", "columnheader"), ("scope", "col"), class], column.title);
                    }
                });
            });
            for (number, row) in section.rows.iter().enumerate() {
                page.line();
                entry(page, &anchor(at, number), row, columns, anchors);
            }
        });
    });
}

fn entry(page: &mut Markup, anchor: &str, row: &Row<'_>, columns: &[&Column], anchors: &Anchors<'_>) {
    let tone = tone(row.tone());
    page.element("tbody", &[("role", "rowgroup"), ("id", anchor), ("class", tone)], |page| {
        page.element("tr", &[("role", "row")], |page| {
            page.element("th", &[("role", "rowheader"), ("scope", "row")], |page| name(page, row, anchors));
            for column in columns {
                let class = if (column.has)(row) { column.class } else { &format!("{} nothing", column.class) };
                let attributes = [("role", "cell"), ("class", class), ("data-label", column.short)];
                page.element("td", &attributes, |page| (column.write)(page, row));
            }
        });
        if let Some(trouble) = row.trouble() {
            page.element("tr", &[("role", "row"), ("class", "trouble")], |page| {
                let width = (columns.len() + 1).to_string();
                page.element("td", &[("role", "cell"), ("colspan", &width)], |page| explain(page, row, &trouble));
            });
        }
    });
}

fn name(page: &mut Markup, row: &Row<'_>, anchors: &Anchors<'_>) {
    page.leaf("span", &[("class", "name")], row.name());
    for variation in row.variation() {
        page.text(" ");
        page.leaf("span", &[("class", "variation")], variation);
    }
    details(page, row);
    let chain = row.chain();
    if !chain.is_empty() {
        page.element("ol", &[("class", "chain"), ("aria-label", "Source chain, from its beginning")], |page| {
            for stage in chain.iter().rev() {
                page.element("li", &[], |page| match anchors.get(stage) {
                    Some(anchor) => page.leaf("a", &[("href", &format!("#{anchor}"))], stage),
                    None => page.text(stage),
                });
            }
            page.leaf("li", &[], row.name());
        });
    }
}

/// Where it comes from in one line; opened, in full, with everything else that is known.
fn details(page: &mut Markup, row: &Row<'_>) {
    page.element("details", &[], |page| {
        page.element("summary", &[], |page| page.leaf("span", &[], row.source().unwrap_or("Details")));
        page.element("dl", &[], |page| {
            for (label, value) in row.details() {
                page.leaf("dt", &[], &label);
                page.element(
                    "dd",
                    &[],
                    |page| if is_instant(&value) { instant(page, &value) } else { page.text(&value) },
                );
            }
        });
    });
}

fn state(page: &mut Markup, row: &Row<'_>) {
    page.leaf("span", &[("class", &format!("pill {}", tone(row.tone())))], row.state());
    if row.is_fetching() {
        page.text(" ");
        page.leaf("span", &[("class", "fetching")], "asking the source");
    }
}

fn life(page: &mut Markup, row: &Row<'_>) {
    let Some(life) = row.life() else {
        return without_bar(page, row);
    };
    bar(page, life);
    let due = match (life.until_due, row.is_fetching(), row.0["keep"] == "used" && row.trouble().is_none()) {
        (1.., ..) => format!("refresh in {}", in_words(life.until_due)),
        (0, true, _) => "being refreshed".to_owned(),
        (0, false, true) => "refreshed when it is asked for".to_owned(),
        (0, false, false) => "refresh is due".to_owned(),
    };
    page.element("span", &[("class", "times")], |page| {
        page.leaf("span", &[], &due);
        page.text(", ");
        page.leaf("span", &[], &format!("expires in {}", in_words(life.left)));
    });
}

/// A file's contents are shown by their end alone; and there may be nothing that ends.
fn without_bar(page: &mut Markup, row: &Row<'_>) {
    let words = match (row.expires_in(), row.state()) {
        (Some(left), _) => format!("expires in {}", in_words(left)),
        (None, "empty" | "failed" | "absent") => "nothing held".to_owned(),
        (None, _) => nothing(),
    };
    page.leaf("span", &[("class", "note")], &words);
}

/// What is left of a life, and the point at which a replacement is sought. A style attribute would be against the policy, so
/// the lengths are those of a drawing.
fn bar(page: &mut Markup, life: Life) {
    let per_mille = |part: u64| (part * 1_000).checked_div(life.whole).unwrap_or_default();
    let left = per_mille(life.left);
    let label = format!("{} % of its life left", left / 10);
    let drawing = [
        ("class", "bar"),
        ("role", "img"),
        ("aria-label", &*label),
        ("viewBox", "0 0 1000 10"),
        ("preserveAspectRatio", "none"),
    ];
    page.element("svg", &drawing, |page| {
        page.element("rect", &[("class", "left"), ("width", &left.to_string()), ("height", "10")], |_| {});
        let due = (1_000 - per_mille(life.due_after)).to_string();
        page.element("rect", &[("class", "due"), ("x", &due), ("width", "6"), ("height", "10")], |_| {});
    });
}

fn hits(page: &mut Markup, row: &Row<'_>) {
    number(page, row.hits());
    note(page, row.count("stale"), "stale");
}

fn upstream(page: &mut Markup, row: &Row<'_>) {
    number(page, row.count("upstream_requests"));
    note(page, row.count("upstream_failures"), "failed");
}

fn number(page: &mut Markup, count: Option<u64>) {
    page.text(&count.map_or_else(nothing, grouped));
}

fn nothing() -> String {
    "–".to_owned()
}

fn note(page: &mut Markup, count: Option<u64>, what: &str) {
    if let Some(count @ 1..) = count {
        page.text(" ");
        page.leaf("span", &[("class", "note")], &format!("{} {what}", grouped(count)));
    }
}

fn explain(page: &mut Markup, row: &Row<'_>, trouble: &Trouble<'_>) {
    page.element("p", &[], |page| {
        page.leaf("strong", &[], &format!("{}: ", trouble.fault()));
        page.text(trouble.message);
    });
    page.element("p", &[("class", "note")], |page| {
        let times = if trouble.failures == 1 { "1 failure" } else { &format!("{} failures", trouble.failures) };
        page.text(&format!("{times} in a row"));
        if let Some(since) = trouble.since {
            page.text(", since ");
            instant(page, since);
        }
        if let Some(seconds) = trouble.retry_in {
            page.text(&match seconds {
                0 => ". Asked again now".to_owned(),
                _ => format!(". Asked again in {} at the earliest", in_words(seconds)),
            });
        }
        page.text(&format!(". {}", row.consequence().unwrap_or_default()));
    });
}

/// Is it one of the document's instants, `2026-11-21T17:30:00Z`?
fn is_instant(text: &str) -> bool {
    let form = |c: char| if c.is_ascii_digit() { '0' } else { c };
    text.chars().map(form).eq("0000-00-00T00:00:00Z".chars())
}

/// An instant in RFC 3339, as people read it.
pub fn instant(page: &mut Markup, rfc3339: &str) {
    let shown = rfc3339.replace('T', " ").replace('Z', " UTC");
    page.leaf("time", &[("datetime", rfc3339)], &shown);
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Calm => "calm",
        Tone::Quiet => "quiet",
        Tone::Warning => "warning",
        Tone::Bad => "bad",
    }
}
