//! The page, out of the status document: what needs a look first, then the figures, then every entry.

use std::collections::BTreeMap;

use serde_json::Value;

use super::markup::Markup;
use super::table;
use crate::http::status::outline::{self, Row, Section, Tone, dollars, grouped, in_words};

/// Where the rows of each name begin on the page.
pub type Anchors<'a> = BTreeMap<&'a str, String>;

/// The page of `document`, with the policy and the style sheet that it names.
pub fn page(document: &Value, policy: &str, sheet: &'static str) -> String {
    let sections = outline::sections(document);
    let mut page = Markup::document();
    page.element("html", &[("lang", "en")], |page| {
        page.element("head", &[], |page| head(page, &sections, policy, sheet));
        page.line();
        page.element("body", &[], |page| body(page, document, &sections));
    });
    page.line();
    page.finish()
}

fn head(page: &mut Markup, sections: &[Section<'_>], policy: &str, sheet: &'static str) {
    let named = |name, content| [("name", name), ("content", content)];
    page.open("meta", &[("charset", "utf-8")]);
    page.open("meta", &[("http-equiv", "Content-Security-Policy"), ("content", policy)]);
    page.open("meta", &named("viewport", "width=device-width, initial-scale=1"));
    page.open("meta", &named("color-scheme", "light dark"));
    page.open("meta", &named("referrer", "no-referrer"));
    let title = match wanting(sections).count() {
        0 => "credbroker: all is well".to_owned(),
        some => format!("credbroker: {} {} attention", some, if some == 1 { "entry needs" } else { "entries need" }),
    };
    page.leaf("title", &[], &title);
    page.style(sheet);
}

fn body(page: &mut Markup, document: &Value, sections: &[Section<'_>]) {
    let anchors = anchors(sections);
    page.leaf("a", &[("class", "skip"), ("href", "#entries")], "Skip to the entries");
    page.element("header", &[], |page| banner(page, document));
    page.line();
    page.element("main", &[], |page| {
        summary(page, document, sections);
        page.element("div", &[("id", "entries")], |page| {
            let columns = table::columns(sections);
            for (at, section) in sections.iter().enumerate() {
                page.line();
                table::section(page, at, section, &columns, &anchors);
            }
            listeners(page, document);
        });
    });
    page.line();
    page.element("footer", &[], |page| footer(page, document));
}

/// Every row with its place on the page.
fn placed<'a>(sections: &'a [Section<'a>]) -> impl Iterator<Item = (String, Row<'a>)> {
    let rows = |(at, section): (usize, &'a Section<'a>)| {
        section.rows.iter().enumerate().map(move |(number, row)| (table::anchor(at, number), *row))
    };
    sections.iter().enumerate().flat_map(rows)
}

fn anchors<'a>(sections: &'a [Section<'a>]) -> Anchors<'a> {
    let mut anchors = Anchors::new();
    for (anchor, row) in placed(sections) {
        anchors.entry(row.name()).or_insert(anchor);
    }
    anchors
}

/// The rows that need a look: those that callers suffer from first.
fn wanting<'a>(sections: &'a [Section<'a>]) -> impl Iterator<Item = (String, Row<'a>)> {
    let of = |tone| move |(_, row): &(String, Row<'a>)| row.tone() == tone;
    placed(sections).filter(of(Tone::Bad)).chain(placed(sections).filter(of(Tone::Warning)))
}

fn banner(page: &mut Markup, document: &Value) {
    page.element("div", &[("class", "brand")], |page| {
        page.leaf("h1", &[], "credbroker");
        page.leaf("span", &[("class", "version")], document["version"].as_str().unwrap_or_default());
    });
    page.element("p", &[("class", "health")], |page| {
        let (tone, state) = match document["state"].as_str() {
            Some("serving") => ("good", "Serving"),
            Some("draining") => ("warning", "Draining"),
            other => ("calm", other.unwrap_or("Unknown")),
        };
        page.leaf("span", &[("class", &format!("pill {tone}"))], state);
        let (tone, ready) = if document["ready"] == true { ("good", "Ready") } else { ("warning", "Not ready") };
        page.text(" ");
        page.leaf("span", &[("class", &format!("pill {tone}"))], ready);
    });
    page.element("p", &[("class", "as-of")], |page| {
        page.text("As of ");
        table::instant(page, document["at"].as_str().unwrap_or_default());
        let up = document["uptime_seconds"].as_u64().unwrap_or_default();
        page.text(&format!(", up {}", in_words(up)));
    });
}

fn summary(page: &mut Markup, document: &Value, sections: &[Section<'_>]) {
    page.element("section", &[("aria-labelledby", "summary")], |page| {
        verdict(page, document, sections);
        page.element("dl", &[("class", "figures")], |page| figures(page, document, sections));
    });
    page.element("nav", &[("aria-label", "Sections")], |page| {
        page.element("ul", &[], |page| {
            for (at, section) in sections.iter().enumerate() {
                page.element("li", &[], |page| {
                    page.element("a", &[("href", &format!("#s{at}"))], |page| {
                        page.text(&section.title);
                        page.leaf("span", &[("class", "number")], &format!(" {}", section.rows.len()));
                    });
                });
            }
        });
    });
}

/// One sentence, and the entries that it is about.
fn verdict(page: &mut Markup, document: &Value, sections: &[Section<'_>]) {
    let rows = outline::counted(sections);
    let of = |tone: Tone| rows.iter().filter(|row| row.tone() == tone).count();
    let (all, bad, warned) = (rows.len(), of(Tone::Bad), of(Tone::Warning));
    let (class, sentence) = match (bad, warned) {
        (0, 0) if document["ready"] == true => ("verdict good", format!("All {} are in order.", counted(all))),
        (0, 0) => ("verdict calm", format!("None of {} is in trouble.", counted(all))),
        (bad, 0) => ("verdict bad", format!("{bad} of {} cannot be served.", counted(all))),
        (0, warned) => ("verdict warning", format!("{warned} of {} cannot be renewed.", counted(all))),
        (bad, warned) => {
            ("verdict bad", format!("{bad} of {} cannot be served, {warned} cannot be renewed.", counted(all)))
        }
    };
    page.element("div", &[("class", class)], |page| {
        page.leaf("h2", &[("id", "summary")], &sentence);
        if document["state"] == "draining" {
            page.leaf("p", &[], "The daemon is ending: it answers what is under way and takes no new connection.");
        } else if document["ready"] != true {
            page.leaf("p", &[], "Something that is always kept has nothing to serve yet, or a file is not in its place, so /readyz says no.");
        }
        if bad + warned > 0 {
            page.element("ul", &[], |page| wanting(sections).for_each(|(anchor, row)| pointer(page, &anchor, row)));
        }
    });
}

fn pointer(page: &mut Markup, anchor: &str, row: Row<'_>) {
    page.element("li", &[], |page| {
        let name = std::iter::once(row.name()).chain(row.variation()).collect::<Vec<_>>().join(", ");
        page.leaf("a", &[("href", &format!("#{anchor}"))], &name);
        let fault = row.trouble().map_or_else(|| row.state().to_owned(), |trouble| trouble.fault().to_owned());
        page.text(&format!(": {fault}. {}", row.consequence().unwrap_or_default()));
    });
}

fn figures(page: &mut Markup, document: &Value, sections: &[Section<'_>]) {
    let sum = |key: &str| {
        let rows = sections.iter().flat_map(|section| &section.rows);
        grouped(rows.filter_map(|row| row.count(key)).sum())
    };
    let answered = grouped(document["requests"].as_u64().unwrap_or_default());
    figure(page, "Requests answered", &answered, "since the start, of every kind");
    figure(page, "Upstream requests made", &sum("upstream_requests"), &format!("{} failed", sum("upstream_failures")));
    figure(page, "Upstream requests avoided", &sum("upstream_avoided"), "answered out of memory instead");
    let fees = &document["cognito_fees"];
    if let Some(saved) = fees["saved"].as_f64() {
        let paid = dollars(fees["paid"].as_f64().unwrap_or_default());
        figure(page, "Cognito token fees saved", &dollars(saved), &format!("an estimate; {paid} paid"));
    }
}

fn figure(page: &mut Markup, label: &str, value: &str, note: &str) {
    page.element("div", &[], |page| {
        page.leaf("dt", &[], label);
        page.element("dd", &[], |page| {
            page.leaf("span", &[("class", "value")], value);
            page.leaf("span", &[("class", "note")], note);
        });
    });
}

fn listeners(page: &mut Markup, document: &Value) {
    let listeners = outline::listeners(document);
    if listeners.is_empty() {
        return;
    }
    page.line();
    page.element("section", &[("aria-labelledby", "listeners")], |page| {
        page.leaf("h2", &[("id", "listeners")], "Listeners");
        page.element("ul", &[("class", "listeners")], |page| {
            for listener in listeners {
                page.element("li", &[], |page| page.leaf("code", &[], listener));
            }
        });
    });
}

fn footer(page: &mut Markup, document: &Value) {
    let fees = &document["cognito_fees"];
    if let (Some(per_1000), Some(compared)) = (fees["per_1000"].as_f64(), fees["compared_with"].as_str()) {
        page.leaf(
            "p",
            &[],
            &format!(
                "The fees saved are an estimate: {} for 1,000 tokens, compared with {compared}. \
                 The price is cognito_fee_per_1000 under [status] in the configuration.",
                dollars(per_1000)
            ),
        );
    }
    page.leaf("p", &[], "A bar is what is left of a life; the mark on it is where a replacement is sought.");
    page.leaf("p", &[], "This page only shows. It holds no secret and no token, runs no script and loads nothing.");
}

fn counted(entries: usize) -> String {
    if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
