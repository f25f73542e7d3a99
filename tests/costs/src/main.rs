//! Counts what the filter costs: prints it beside the record, or makes it the record. `./build.sh costs`.

use sidestep_costs::{Record, RecordError, csv, curves, module_path, svg};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: sidestep-costs [--accept | --growth FOLDER]

  --accept  make what is counted the record
  --growth  count what grows with hosts, clusters, headers and ejected hosts; growth.csv and growth.svg go to that folder
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => show(),
        ["--accept"] => accept(),
        ["--growth", folder] => growth(Path::new(folder)),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("costs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn counted() -> Record {
    eprintln!("counting, with {}: half a minute", module_path().display());
    Record::counted()
}

/// Nobody reads on where it ends early.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn show() -> Result<(), RecordError> {
    let counted = counted();
    print(&counted.to_text());
    for complaint in Record::read()?.complaints(&counted) {
        print(&format!("{complaint}\n"));
    }
    Ok(())
}

fn accept() -> Result<(), RecordError> {
    let counted = counted();
    counted.write()?;
    print(&counted.to_text());
    Ok(())
}

fn growth(folder: &Path) -> Result<(), RecordError> {
    let curves = curves();
    let csv = csv(&curves);
    for (name, text) in [("growth.csv", &csv), ("growth.svg", &svg(&curves))] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| RecordError::Unreadable(path, error))?;
    }
    print(&csv);
    Ok(())
}
