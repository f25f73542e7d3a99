//! What the system says of a process.

use std::fs;
use std::io;
use std::time::Duration;

/// The CPU time that a process has used so far, in all its threads (`/proc/PID/task/*/schedstat`).
///
/// Threads that have ended in between are not in it: Envoy's live as long as it.
pub(crate) fn cpu(pid: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let spent: u64 = text
            .split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| io::Error::other(format!("schedstat: {text:?}")))?;
        nanos += spent;
    }
    Ok(Duration::from_nanos(nanos))
}

/// The memory that a process holds of its own, in bytes (`RssAnon` in `/proc/PID/status`).
pub(crate) fn memory(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kilobytes| kilobytes * 1024)
        .ok_or_else(|| io::Error::other("no RssAnon"))
}
