//! What requests and ticks cost in host calls and in instructions, with 3, 100 and 1,000 hosts.
//!
//! `cargo bench -p sidestep --bench instructions`. It runs itself under callgrind, which counts what happens inside of
//! [`counted_step`] and writes it down after each [`end_of_case`]. The same in time: `record.rs`.

mod bed;

use bed::{Case, HOSTS, Scene};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The argument of the process that is under callgrind.
const COUNTED: &str = "--counted";

/// What is counted, in the order of the tables.
const CASES: [Case; 11] = [
    Case::Success,
    Case::Failure,
    Case::FailureOfMany,
    Case::SuccessAfterFailure,
    Case::SteerAllHealthy,
    Case::SteerOneEjected,
    Case::Request,
    Case::RequestOneEjected,
    Case::Tick,
    Case::TickInterval,
    Case::Judge,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == COUNTED) {
        run_cases();
        return ExitCode::SUCCESS;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        // `cargo test --benches`: that it compiles is all there is to test.
        return ExitCode::SUCCESS;
    }
    print("host calls", &count_host_calls());
    if !has_valgrind() {
        println!("instructions: not counted, for valgrind is missing (Debian: `apt install valgrind`)");
        return ExitCode::SUCCESS;
    }
    match count_instructions() {
        Ok(counts) => {
            print("instructions", &counts);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Each case with each number of hosts, in the order of the tables.
fn all() -> impl Iterator<Item = (Case, usize)> {
    CASES.into_iter().flat_map(|case| HOSTS.map(|hosts| (case, hosts)))
}

/// The host calls of one step, in the order of [`all`]: the median of some, for now and then a request goes another way.
fn count_host_calls() -> Vec<u64> {
    all()
        .map(|(case, hosts)| {
            let mut scene = Scene::set(case, hosts);
            let mut counts = [(); 5].map(|()| scene.observe().calls);
            counts.sort_unstable();
            counts[counts.len() / 2].into()
        })
        .collect()
}

/// How often a step is counted.
const fn times(case: Case) -> u64 {
    if case.is_of_ticks() { 5 } else { 500 }
}

/// What runs under callgrind.
fn run_cases() {
    for (case, hosts) in all() {
        let mut scene = Scene::set(case, hosts);
        for _ in 0..times(case) {
            scene.prepare();
            counted_step(&mut scene);
        }
        end_of_case();
    }
}

/// What is counted: callgrind knows it by its name.
#[inline(never)]
fn counted_step(scene: &mut Scene) {
    scene.step();
}

/// Where callgrind writes down what it has counted, and starts anew.
#[inline(never)]
fn end_of_case() {
    std::hint::black_box(());
}

fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// The instructions of one step, in the order of [`all`].
fn count_instructions() -> io::Result<Vec<u64>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let counts = run_callgrind(&folder);
    std::fs::remove_dir_all(&folder)?;
    counts
}

fn run_callgrind(folder: &Path) -> io::Result<Vec<u64>> {
    let out = folder.join("counts");
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--toggle-collect=*counted_step*",
            "--dump-after=*end_of_case*",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .arg(COUNTED)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    all()
        .zip(1..)
        .map(|((case, _), number)| {
            let total = total(&folder.join(format!("counts.{number}")))?;
            Ok(total / times(case))
        })
        .collect()
}

/// The number in the line `totals: N` of what callgrind wrote.
fn total(file: &PathBuf) -> io::Result<u64> {
    let text = std::fs::read_to_string(file)?;
    text.lines()
        .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
        .filter(|total| *total > 0)
        .ok_or_else(|| io::Error::other(format!("nothing counted: {}", file.display())))
}

fn print(what: &str, counts: &[u64]) {
    print!("{what:<40}");
    for hosts in HOSTS {
        print!("{:>12}", format!("{hosts} hosts"));
    }
    println!("{:>12}", "last/first");
    for (case, row) in CASES.into_iter().zip(counts.chunks(HOSTS.len())) {
        print!("{case:<40}");
        for count in row {
            print!("{count:>12}");
        }
        if let [first, .., last] = row
            && *first > 0
        {
            print!("{:>12.3}", *last as f64 / *first as f64);
        }
        println!();
    }
    println!();
}
