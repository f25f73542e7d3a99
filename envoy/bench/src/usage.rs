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

/// The sizes of a process's Wasm linear memories, in bytes, the largest first (`/proc/PID/maps`).
///
/// V8 keeps 8 GiB of addresses for each, and makes accessible what the memory has grown to: the rest is a guard.
pub(crate) fn linear_memories(pid: u32) -> io::Result<Vec<u64>> {
    Ok(linear(&fs::read_to_string(format!("/proc/{pid}/maps"))?))
}

fn linear(maps: &str) -> Vec<u64> {
    const KEPT: u64 = 8 << 30;
    let areas: Vec<_> = maps.lines().filter_map(area).collect();
    let mut found: Vec<_> = areas
        .windows(2)
        .filter_map(|pair| {
            let [(start, end, "rw-p"), (guard, guard_end, "---p")] = *pair else {
                return None;
            };
            // The kernel joins a memory with what lies before it if that is accessible, too.
            let size = KEPT.checked_sub(guard_end - guard)?;
            (end == guard && size < KEPT / 2 && size > 0 && size <= end - start).then_some(size)
        })
        .collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found
}

/// Start, end and access of a line.
fn area(line: &str) -> Option<(u64, u64, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    Some((address(start)?, address(end)?, rest.split_whitespace().next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_memory_is_what_is_accessible_of_8_gib() {
        let maps = "\
6fa6ffe00000-6fa700000000 rw-p 00000000 00:00 0
7f3becba0000-7f3beccc0000 rw-p 00000000 00:00 0
7f3beccc0000-7f3decba0000 ---p 00000000 00:00 0
7f3decbac000-7f3decbbc000 r--p 00000000 00:00 0
7f4000000000-7f4000001000 rw-p 00000000 00:00 0
7f4000001000-7f4000002000 ---p 00000000 00:00 0
";
        assert_eq!(linear(maps), [0x12_0000]);
    }
}
