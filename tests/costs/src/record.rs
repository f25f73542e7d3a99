//! The record: what each path cost when somebody last said that it may, and what has gone from it since.

use crate::cost::{Cost, Figure};
use crate::path::{Path, Scene, Setting};
use crate::totals::What;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

/// How far a figure may go from the record, either way, in per cent of what the record says. One host call more in each request
/// is beyond it on every path, for each host function has a figure of its own.
pub const ALLOWED: u64 = 3;

/// The numbers of hosts that each path is counted with.
pub const HOSTS: [usize; 3] = [3, 100, 1_000];

/// Between the columns.
const BAR: &str = " | ";

/// A path's cost with so many hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The path's name.
    pub path: String,
    /// How many hosts its cluster has.
    pub hosts: usize,
    /// The cost.
    pub cost: Cost,
}

/// All of them, with the compiler that the module came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The compiler, as it names itself.
    pub rustc: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// Why there is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// A line is none of a record.
    #[error("no line of a record: {0}")]
    Line(String),
}

impl Record {
    /// Where it is.
    pub fn path() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/costs.txt"))
    }

    /// Counts everything anew.
    pub fn counted() -> Record {
        let scenes = Path::ALL.into_iter().flat_map(|path| HOSTS.map(|hosts| (path, hosts)));
        let rows = scenes.map(|(path, hosts)| Row {
            path: path.to_string(),
            hosts,
            cost: Cost::of(&Scene {
                path,
                setting: Setting::hosts(hosts),
            }),
        });
        Record {
            rustc: rustc(),
            rows: rows.collect(),
        }
    }

    /// Reads what is checked in.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn read() -> Result<Record, RecordError> {
        let path = Record::path();
        let text = std::fs::read_to_string(&path).map_err(|error| RecordError::Unreadable(path, error))?;
        Record::parse(&text)
    }

    /// Writes it, to be checked in.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self) -> Result<(), RecordError> {
        let path = Record::path();
        std::fs::write(&path, self.to_text()).map_err(|error| RecordError::Unreadable(path, error))
    }

    /// The record as text: a table with a line for each path and number of hosts.
    pub fn to_text(&self) -> String {
        let mut table = vec![heading()];
        table.extend(self.rows.iter().map(cells));
        let widths: Vec<usize> = (0..table[0].len())
            .map(|column| table.iter().map(|cells| cells[column].len()).max().unwrap_or(0))
            .collect();
        let mut text = format!(
            "# What one request costs, or one tick: README, \"Size and speed\". Written by `./build.sh costs --accept`.\n# {}\n",
            self.rustc
        );
        for cells in table {
            let last = cells.len() - 1;
            let padded = cells.iter().enumerate().map(|(column, cell)| match column {
                0 => format!("{cell:<width$}", width = widths[column]),
                // Nothing stands behind it that it could be in line with.
                _ if column == last => cell.clone(),
                _ => format!("{cell:>width$}", width = widths[column]),
            });
            let _ = writeln!(text, "{}", padded.collect::<Vec<_>>().join(BAR));
        }
        text
    }

    /// Reads text that [`Record::to_text`] made.
    ///
    /// # Errors
    /// If a line is something else.
    pub fn parse(text: &str) -> Result<Record, RecordError> {
        let mut comments = text.lines().filter_map(|line| line.strip_prefix("# "));
        let rustc = comments.find(|comment| comment.starts_with("rustc "));
        let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        let rows = lines.map(|line| row(line).ok_or_else(|| RecordError::Line(line.to_owned())));
        Ok(Record {
            rustc: rustc.unwrap_or_default().to_owned(),
            rows: rows.collect::<Result<_, _>>()?,
        })
    }

    /// What has gone from this record, a line for each figure; none if it is true.
    pub fn complaints(&self, counted: &Record) -> Vec<String> {
        let place = |row: &Row| (row.path.clone(), row.hosts);
        let find = |record: &Record, row: &Row| record.rows.iter().find(|other| place(other) == place(row)).cloned();
        let mut complaints = Vec::new();
        for row in &counted.rows {
            match find(self, row) {
                Some(recorded) => complaints.extend(changes(&recorded, row)),
                None => complaints.push(format!("{}: not in the record", name(row))),
            }
        }
        let gone = self.rows.iter().filter(|row| find(counted, row).is_none());
        complaints.extend(gone.map(|row| format!("{}: in the record, and no path any more", name(row))));
        if !complaints.is_empty() && self.rustc != counted.rustc {
            complaints.push(format!(
                "the record is of {}, the module now of {}",
                self.rustc, counted.rustc
            ));
        }
        complaints
    }
}

/// The compiler that the module comes from, as it names itself: the one that cargo takes here.
fn rustc() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    let version = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    version.map_or_else(
        || "rustc of no known version".to_owned(),
        |version| version.trim().to_owned(),
    )
}

fn name(row: &Row) -> String {
    format!("{}, {} hosts", row.path, Figure::mean(row.hosts as u64, 1).grouped())
}

/// The figures of a row that are too far from the record.
fn changes(recorded: &Row, counted: &Row) -> Vec<String> {
    let figures = |row: &Row| row.cost.0.keys().copied().collect::<BTreeSet<What>>();
    let all = figures(recorded).union(&figures(counted)).copied().collect::<Vec<_>>();
    let change = |what: &What| {
        let (then, now) = (recorded.cost.figure(*what), counted.cost.figure(*what));
        // In whole hundredths, so that exactly as much as is allowed is allowed.
        if then.distance(now) * 100 <= then.hundredths() * ALLOWED {
            return None;
        }
        let per_cent = (now.value() / then.value() - 1.0) * 100.0;
        let mut text = format!(
            "{}: {what} {}, the record says {}",
            name(counted),
            now.grouped(),
            then.grouped()
        );
        let _ = match per_cent.is_finite() {
            true => write!(text, " ({per_cent:+.1} %, {ALLOWED} % allowed)"),
            false => write!(text, " ({ALLOWED} % allowed)"),
        };
        if now < then {
            text.push_str(": less; accept it, so that the record stays true");
        }
        Some(text)
    };
    all.iter().filter_map(change).collect()
}

fn heading() -> Vec<String> {
    let mut cells = vec!["path".to_owned(), "hosts".to_owned()];
    cells.extend(What::COLUMNS.map(|what| what.to_string()));
    cells.push("of them".to_owned());
    cells
}

fn cells(row: &Row) -> Vec<String> {
    let mut cells = vec![row.path.clone(), row.hosts.to_string()];
    cells.extend(What::COLUMNS.map(|what| row.cost.figure(what).to_string()));
    let calls = row.cost.calls().map(|(what, figure)| format!("{what} {figure}"));
    cells.push(calls.collect::<Vec<_>>().join(", "));
    cells
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.split(BAR).map(str::trim).collect();
    let [path, hosts, figures @ .., calls] = cells.as_slice() else {
        return None;
    };
    let mut cost = Cost::default();
    if figures.len() != What::COLUMNS.len() {
        return None;
    }
    for (what, figure) in What::COLUMNS.into_iter().zip(figures) {
        cost.0.insert(what, Figure::parse(figure)?);
    }
    for call in calls.split(", ").filter(|call| !call.is_empty()) {
        let (name, figure) = call.split_once(' ')?;
        cost.0.insert(What::call(name)?, Figure::parse(figure)?);
    }
    Some(Row {
        path: (*path).to_owned(),
        hosts: hosts.parse().ok()?,
        cost,
    })
}

#[cfg(test)]
mod tests {
    use super::{Record, Row};
    use crate::cost::{Cost, Figure};
    use crate::totals::What;
    use sidestep_sim::Call;

    /// A record of one path in which one figure is so many hundredths of what it is in [`usual`].
    fn with(what: What, per_cent: u64) -> Record {
        let mut record = usual();
        let figure = record.rows[0].cost.0.entry(what).or_default();
        *figure = Figure::mean((figure.value() * 100.0) as u64 * per_cent, 10_000);
        record
    }

    fn usual() -> Record {
        let figures = [
            (What::Instructions, 4_870),
            (What::Allocations, 5),
            (What::Calls, 6),
            (What::Call(Call::GetMap), 2),
            (What::Call(Call::GetProperty), 4),
        ];
        let mut cost = Cost::default();
        cost.0.extend(What::COLUMNS.map(|what| (what, Figure::default())));
        cost.0
            .extend(figures.map(|(what, figure)| (what, Figure::mean(figure, 1))));
        Record {
            rustc: "rustc 1.95.0".to_owned(),
            rows: vec![Row {
                path: "success".to_owned(),
                hosts: 1_000,
                cost,
            }],
        }
    }

    #[test]
    fn a_record_is_read_as_it_is_written() {
        let record = usual();
        assert_eq!(Record::parse(&record.to_text()).expect("a record"), record);
        for damaged in ["success | 3", "success | 3 | x | 1 | 1 | 1 | 1 | 1 | 1 | ", "success"] {
            let text = format!("{}{damaged}\n", record.to_text());
            assert!(Record::parse(&text).is_err(), "{damaged}");
        }
    }

    #[test]
    fn what_is_within_three_per_cent_is_no_complaint() {
        for per_cent in [97, 100, 103] {
            let counted = with(What::Instructions, per_cent);
            assert_eq!(usual().complaints(&counted), Vec::<String>::new(), "{per_cent}");
        }
    }

    #[test]
    fn a_complaint_names_path_hosts_and_figure() {
        let counted = with(What::Instructions, 105);
        let says = "success, 1,000 hosts: instructions 5,114, the record says 4,870 (+5.0 %, 3 % allowed)";
        assert_eq!(usual().complaints(&counted), [says]);
    }

    #[test]
    fn an_improvement_is_to_be_accepted() {
        let complaints = usual().complaints(&with(What::Instructions, 90));
        let says = "instructions 4,383, the record says 4,870 (-10.0 %, 3 % allowed): less; accept it";
        assert!(complaints.len() == 1 && complaints[0].contains(says), "{complaints:?}");
    }

    #[test]
    fn one_host_call_more_is_too_much_and_so_is_one_of_a_new_kind() {
        let mut counted = usual();
        let cost = &mut counted.rows[0].cost.0;
        cost.insert(What::Calls, Figure::mean(7, 1));
        cost.insert(What::Call(Call::Log), Figure::mean(1, 1));
        let complaints = usual().complaints(&counted);
        let says = [
            "success, 1,000 hosts: host calls 7, the record says 6 (+16.7 %, 3 % allowed)",
            "success, 1,000 hosts: log 1, the record says 0 (3 % allowed)",
        ];
        assert_eq!(complaints, says);
    }

    #[test]
    fn a_path_that_is_in_one_of_both_only_is_told() {
        let (mut more, mut newer) = (usual(), usual());
        more.rows[0].path = "detour".to_owned();
        newer.rows[0].path = "detour".to_owned();
        newer.rustc = "rustc 1.99.0".to_owned();
        let not_there = "detour, 1,000 hosts: not in the record";
        let gone = "success, 1,000 hosts: in the record, and no path any more";
        assert_eq!(usual().complaints(&more), [not_there, gone]);
        let compiler = "the record is of rustc 1.95.0, the module now of rustc 1.99.0";
        assert_eq!(usual().complaints(&newer), [not_there, gone, compiler]);
    }
}
