//! The table as people read it.

use super::measure::Row;
use std::fmt::Write;

const INTRODUCTION: &str = "\
# What becomes of a request whose first attempt fails

Measured in a real Envoy, and compared with what is measured by each run of `./build.sh test envoy`. To write it anew:
`SIDESTEP_UPDATE=1 ./build.sh test envoy`.

Three hosts, of which the first that sees a request fails it, and all others would answer it well. The configuration is the
default but for these: `retry_on` also has `retriable-status-codes` with 425, for the gRPC calls named in it
`unavailable`; `per_try_timeout` is 500ms, `max_body_bytes` 1000; no budget, and nobody is ejected. With the engine `auto`
each route has been seen before.

* *Attempts* are requests that reached a host. *Same* says whether the second one was the same as the first, header by
  header and byte by byte, but for `x-envoy-attempt-count` and `x-envoy-expected-rq-timeout-ms`. Of a body whose length was
  not known beforehand, the filter's second attempt states the length: `content-length` in the place of
  `transfer-encoding`.
* POST and PATCH are never repeated (RFC 9110, section 9.2.2), unless their route opts in and they have an
  `Idempotency-Key`. It is always the filter that repeats them, on routes that were seen to leave requests as they are: with
  the router, a 409 to the second attempt would take the place of the first failure.
* 500, 429 and 409 are not in `retry_on`. 425 is never repeated for a request in early data (RFC 8470, section 5.2).
* gRPC calls are POSTs: they are repeated by the router if `retry_on` names a gRPC status, and only while no message has
  come. The filter can't repeat them.
* A body over `max_body_bytes`, or of unknown length, is for the router; with the filter as engine, the former is not
  repeated.

";

/// The whole file.
pub(super) fn of(rows: &[Row]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut group = String::new();
    for row in rows {
        let title = format!("{} hosts, engine `{}`", row.protocol.name(), row.engine.name());
        // Writing to a string does not fail.
        if title != group {
            let _ = write!(
                text,
                "## {title}\n\n| method | body | the first attempt | attempts | client gets | same |\n|---|---|---|---:|---|---|\n"
            );
            group = title;
        }
        let same = match row.same {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {same} |",
            row.case.method.name(),
            row.case.body.name(),
            row.case.failure.name(),
            row.attempts,
            row.answer,
        );
        let next = rows.iter().skip_while(|other| !std::ptr::eq(*other, row)).nth(1);
        if next.is_none_or(|next| (next.protocol, next.engine) != (row.protocol, row.engine)) {
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The lines that one has and the other has not.
pub(super) fn differences(written: &str, measured: &str) -> Vec<String> {
    let (mut section, mut differ) = ("", Vec::new());
    let (old, new): (Vec<_>, Vec<_>) = (written.lines().collect(), measured.lines().collect());
    for at in 0..old.len().max(new.len()) {
        let (old, new) = (old.get(at).copied(), new.get(at).copied());
        if let Some(title) = new.filter(|line| line.starts_with("## ")) {
            section = title;
        }
        if old != new {
            differ.push(format!(
                "{section}\n  written:  {}\n  measured: {}",
                old.unwrap_or(""),
                new.unwrap_or("")
            ));
        }
    }
    differ
}
