//! The row of this machine's clock: does it agree with those of the sources, has the machine slept, was the clock set?

use serde_json::{Value, json};

use crate::clock::{Clock, Offset};
use crate::http::describe::of;

/// The row.
pub fn row(clock: &Clock) -> Value {
    let (offsets, jumps) = (clock.offsets(), *clock.jumps().borrow());
    let source = |offset: &Offset| json!({ "name": *offset.of, "offset_seconds": offset.seconds });
    let mut row = json!({
        "name": "this machine's clock",
        "state": state(&offsets),
        "sources": offsets.iter().map(source).collect::<Vec<_>>(),
        "resumes": jumps.resumes,
        "slept_seconds": jumps.slept,
        "steps": jumps.steps,
    });
    if let Some(worst) = offsets.iter().max_by_key(|offset| offset.seconds.unsigned_abs()) {
        row["offset_seconds"] = json!(worst.seconds);
    }
    if jumps.steps > 0 {
        row["last_step_seconds"] = json!(jumps.last_step);
    }
    row
}

fn state(offsets: &[Offset]) -> &'static str {
    match offsets {
        [] => "unknown",
        all if all.iter().any(Offset::is_far) => "wrong",
        _ => "right",
    }
}

/// Its schemas, with their names.
pub fn described() -> [(&'static str, Value); 2] {
    let count = |what: &str| json!({ "type": "integer", "minimum": 0, "description": what });
    let offset = json!({ "type": "integer", "description": "How far the source's clock is ahead of this machine's; less than zero where it is behind." });
    let source = json!({
        "type": "object",
        "required": ["name", "offset_seconds"],
        "properties": { "name": { "type": "string" }, "offset_seconds": offset },
    });
    let clock = json!({
        "type": "object",
        "required": ["name", "state", "sources", "resumes", "slept_seconds", "steps"],
        "properties": {
            "name": { "type": "string" },
            "state": {
                "enum": ["right", "wrong", "unknown"],
                "description": "Wrong is more than 300 seconds off, by what a source says; unknown is before any has said what time it is.",
            },
            "offset_seconds": { "type": "integer", "description": "That of the source that differs most." },
            "sources": { "type": "array", "items": of("ClockOffset") },
            "resumes": count("How often the machine has slept."),
            "slept_seconds": count("How long, all in all."),
            "steps": count("How often the wall clock was set."),
            "last_step_seconds": { "type": "integer", "description": "By how much the last time; less than zero for back." },
        },
    });
    [("Clock", clock), ("ClockOffset", source)]
}
