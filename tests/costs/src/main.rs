//! Counts what the filter costs: prints it beside the record, or makes it the record. `./build.sh costs`.

use sidestep_costs::{Record, RecordError, module_path};
use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "usage: sidestep-costs [--accept]

  --accept  make what is counted the record
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => show(),
        ["--accept"] => accept(),
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
    eprintln!("counting, with {}", module_path().display());
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
