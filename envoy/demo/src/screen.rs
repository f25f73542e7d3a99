//! The live picture: what is happening, at a glance, on 80 columns and 24 rows or more.

use crate::phase::{Phase, VICTIM};
use crate::sample::{BASE_EJECTION_TIME, SAMPLE_EJECTION_TIME};
use crate::story::{Event, EventKind, State, Story};
use crate::summary::errors;
use crate::text::{Line, Style};
use crate::traffic::{Side, Tally, percent};
use std::time::Duration;

/// Columns of the labels on the left.
const LABEL: usize = 16;
/// Columns of one phase's errors.
const CELL: usize = 12;
/// So many per cent of errors fill a character of the second-by-second line.
const FULL_BAR: f64 = 50.0;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The picture now, with as many of the last events as fit into these rows.
pub(crate) fn picture(story: &Story, rows: usize) -> Vec<Line> {
    let mut lines = vec![title(story), plot(story), Line::new(), caption(story), Line::new()];
    lines.extend(hosts(story));
    lines.push(Line::new());
    {
        let tally = story.traffic.tally();
        lines.extend(errors_by_phase(story, &tally));
        lines.push(saved(story, &tally));
        lines.push(Line::new());
        let whole_seconds = usize::try_from(story.clock.now().as_secs()).unwrap_or_default();
        lines.extend(Side::ALL.map(|side| second_by_second(side, &tally, whole_seconds)));
    }
    lines.push(Line::new());
    let events = story.events();
    let skipped = events.len().saturating_sub(rows.saturating_sub(lines.len()));
    lines.extend(events.iter().skip(skipped).map(event));
    lines
}

fn title(story: &Story) -> Line {
    let configuration =
        format!("   envoy/envoy.yaml, base_ejection_time {BASE_EJECTION_TIME} instead of {SAMPLE_EJECTION_TIME}");
    Line::new()
        .and(Style::Bold, " sidestep")
        .and(Style::Dim, format!("{configuration:<60}"))
        .plain(format!("{:>3} of 42 s", story.clock.now().as_secs()))
}

/// All phases, with the one that is on.
fn plot(story: &Story) -> Line {
    let mut line = Line::new().plain(" ");
    for phase in Phase::ALL {
        if phase != Phase::AllWell {
            line = line.and(Style::Dim, " ── ");
        }
        line = if phase == story.phase() {
            line.and(Style::Bold, format!("[ {} ]", phase.label()))
        } else {
            line.and(Style::Dim, phase.label())
        };
    }
    line
}

fn caption(story: &Story) -> Line {
    let phase = story.phase();
    let style = if phase.is_broken() { Style::Bad } else { Style::Good };
    Line::new().and(style, format!(" ▶ {}", phase.caption(story.hosts[VICTIM])))
}

fn hosts(story: &Story) -> Vec<Line> {
    let mut lines = vec![
        Line::new()
            .plain(format!("{:<20}", ""))
            .and(Style::Dim, "── ")
            .and(Style::Bold, "with sidestep")
            .and(Style::Dim, format!(" {:─<26}   ── ", ""))
            .and(Style::Bold, "without")
            .and(Style::Dim, " ──"),
        Line::new().and(
            Style::Dim,
            format!(
                " {:<19}{:<20}{:>9}{:>7}{:>7}{:>9}{:>7}",
                "host", "state", "ejected", "req/s", "failed", "req/s", "failed"
            ),
        ),
    ];
    lines.extend((0..story.hosts.len()).map(|host| host_line(story, host)));
    lines
}

fn host_line(story: &Story, host: usize) -> Line {
    let broken = host == VICTIM && story.phase().is_broken();
    let name = format!(" {} {:<17}", host + 1, story.hosts[host]);
    let line = Line::new().and(if broken { Style::Bad } else { Style::Plain }, name);
    let state = story.state(host);
    let style = if state == State::Healthy {
        Style::Good
    } else {
        Style::Warn
    };
    let line = line.and(style, format!("{:<20}", state.text()));
    let ejections = story.ejections(host);
    let ejected = if ejections.is_empty() {
        "-".to_owned()
    } else {
        format!("{}x {:.0} s", ejections.len(), story.time_ejected(host).as_secs_f64())
    };
    Side::ALL
        .into_iter()
        .fold(line.plain(format!("{ejected:>9}")), |line, side| {
            let width = if side == Side::With { 7 } else { 9 };
            let failed = story.attempts(side, host).failed;
            line.plain(format!("{:>width$.0}", story.rate(side, host))).and(
                if failed > 0 { Style::Bad } else { Style::Plain },
                format!("{failed:>7}"),
            )
        })
}

fn errors_by_phase(story: &Story, tally: &Tally) -> Vec<Line> {
    let headings: String = Phase::ALL
        .iter()
        .map(|phase| format!("{:>CELL$}", phase.label()))
        .collect();
    let mut lines = vec![Line::new().and(
        Style::Dim,
        format!(" {:<LABEL$}{headings}{:>CELL$}", "users' errors", "in all"),
    )];
    for side in Side::ALL {
        let mut line = Line::new().and(Style::Bold, format!(" {:<LABEL$}", label(side)));
        for phase in Phase::ALL {
            let outcomes = tally.phase(side, phase);
            let text = if story.span(phase).is_some() {
                errors(outcomes)
            } else {
                String::new()
            };
            line = line.and(style(outcomes.errors), format!("{text:>CELL$}"));
        }
        let total = tally.total(side);
        lines.push(line.and(style(total.errors), format!("{:>CELL$}", errors(&total))));
    }
    lines
}

fn saved(story: &Story, tally: &Tally) -> Line {
    let (saved, with) = (story.counts().saved, tally.total(Side::With));
    let line = Line::new()
        .plain(" saved by retries: ")
        .and(if saved > 0 { Style::Good } else { Style::Plain }, saved.to_string());
    if with.errors == 0 {
        return line;
    }
    // Nobody should have to wonder.
    let posts = format!(
        "   errors that were POSTs, never repeated: {} of {}",
        with.post_errors, with.errors
    );
    line.and(Style::Dim, posts)
}

/// A character for each second: how many of its requests failed.
fn second_by_second(side: Side, tally: &Tally, whole: usize) -> Line {
    let label = match side {
        Side::With => "errors with",
        Side::Without => "errors without",
    };
    let mut line = Line::new().and(Style::Bold, format!(" {label:<LABEL$}"));
    for (requests, errors) in tally.seconds(side).iter().take(whole) {
        line = if *errors == 0 {
            line.and(Style::Good, "·")
        } else {
            line.and(Style::Bad, bar(percent(*errors, *requests)).to_string())
        };
    }
    line
}

fn bar(percent: f64) -> char {
    // Truncating is what finds the place.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let place = (percent / FULL_BAR * 8.0) as usize;
    BARS[place.min(BARS.len() - 1)]
}

fn event(event: &Event) -> Line {
    let style = match event.kind {
        EventKind::Plot => Style::Plain,
        EventKind::Ejected => Style::Warn,
        EventKind::Back => Style::Good,
    };
    Line::new().and(Style::Dim, moment(event.at)).and(style, &*event.text)
}

/// When, as the first column of a list.
pub(crate) fn moment(at: Duration) -> String {
    format!("{:>5.1} s  ", at.as_secs_f64())
}

fn label(side: Side) -> &'static str {
    match side {
        Side::With => "with sidestep",
        Side::Without => "without",
    }
}

fn style(errors: u64) -> Style {
    if errors > 0 { Style::Bad } else { Style::Good }
}
