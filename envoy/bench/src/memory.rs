//! What a million requests over a thousand hosts leave in memory, and how long a start takes.

use crate::arguments::Arguments;
use crate::contender::{CLUSTER, Contender};
use crate::error::BenchError;
use crate::ratio::Spread;
use crate::setting::Setting;
use crate::upstream::{MOST_HOSTS, Upstream};
use crate::{csv, load, table, usage};
use sidestep_support::Envoy;
use std::time::{Duration, Instant};

/// The hosts of a start: so few that it is the module's.
const FEW_HOSTS: usize = 3;

/// Starts of each contender.
const STARTS: usize = 3;

/// The longest turn of one Envoy, in seconds, and how many each may have at most.
const TURN: f64 = 10.0;
const MOST_TURNS: usize = 30;

/// When memory is looked at, in requests served; the first is the end of the warm-up.
pub(crate) const MARKS: [u64; 4] = [100_000, 250_000, 500_000, 1_000_000];

/// So many workers tell what is a worker's and what the process's, after so many requests of all together.
const WORKERS: u32 = 4;
const MANY: u64 = 200_000;

/// So many Envoys of each kind tell it: of two that are started alike, one holds a MiB or two more than the other.
const ENVOYS: usize = 5;

/// What sidestep may hold above the empty filter for each worker after the last mark, in bytes.
const MOST_PER_WORKER: i64 = 2 << 20;

/// What sidestep may grow more than the empty filter between the last two marks and still be flat, in bytes: an eighth of
/// what it may hold.
const FLAT: i64 = MOST_PER_WORKER / 8;

/// Who is started.
const STARTED: [Contender; 4] = [
    Contender::Nothing,
    Contender::Empty,
    Contender::Floor,
    Contender::Sidestep,
];

/// How long a contender's starts took.
#[derive(Clone, Debug)]
pub(crate) struct Starts {
    /// Who.
    pub(crate) contender: Contender,
    /// Each from the process's start until it serves, in ms.
    pub(crate) times: Vec<f64>,
}

impl Starts {
    /// The median, in ms.
    pub(crate) fn median(&self) -> f64 {
        Spread::of(self.times.iter().copied()).map_or(0.0, |spread| spread.median)
    }
}

/// An Envoy's memory over its requests.
#[derive(Debug)]
pub(crate) struct Course {
    /// Who.
    pub(crate) contender: Contender,
    /// Its workers.
    pub(crate) workers: u32,
    /// Which Envoy of its kind, from 0.
    pub(crate) nth: usize,
    /// Bytes after the start, before any request.
    pub(crate) fresh: u64,
    /// Requests served, and bytes then: for each mark one.
    pub(crate) marks: Vec<(u64, u64)>,
    /// Connections to hosts at the end: they are most of what grows before the first mark.
    pub(crate) connections: u64,
    /// The linear memories of its VMs at the end, in bytes.
    pub(crate) linear: Vec<u64>,
}

/// An Envoy on its course.
#[derive(Debug)]
struct Running {
    course: Course,
    served: u64,
    busy: Duration,
    envoy: Envoy,
}

/// What the two filters' memory differs in, sidestep's less the empty one's, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The process with one worker, after the last mark.
    pub(crate) process: i64,
    /// The process with one worker, after the warm-up.
    pub(crate) warm: i64,
    /// What each further worker adds, after the warm-up of all: the median of several Envoys.
    pub(crate) worker: i64,
    /// The growth between the last two marks.
    pub(crate) late: i64,
}

impl Verdict {
    /// The growth since the warm-up.
    pub(crate) fn since_warm(self) -> i64 {
        self.process - self.warm
    }

    /// What is a worker's after the last mark: what a further one adds, and all growth since the warm-up.
    pub(crate) fn per_worker(self) -> i64 {
        self.worker + self.since_warm()
    }

    /// Whether a worker holds no more than it may.
    pub(crate) fn small(self) -> bool {
        self.per_worker() <= MOST_PER_WORKER
    }

    /// Whether it has stopped growing.
    pub(crate) fn flat(self) -> bool {
        self.late <= FLAT
    }
}

/// Measures both, prints them and writes the CSV. Returns whether the bounds hold.
pub(crate) async fn run(asked: &Arguments) -> Result<bool, BenchError> {
    let upstream = Upstream::start().await?;
    let starts = starts(&upstream).await?;
    print!("{}", table::of_starts(&starts));

    let mut courses = Vec::new();
    for nth in 0..ENVOYS {
        // All marks once, and then the warm-up alone.
        let marks = if nth == 0 { &MARKS[..] } else { &MARKS[..1] };
        courses.extend(serve(&upstream, nth, 1, marks).await?);
        courses.extend(serve(&upstream, nth, WORKERS, &[MANY]).await?);
    }
    let verdict = judge(&courses).ok_or_else(|| not_measured("not all marks were reached".to_owned()))?;
    print!("{}", table::of_memory(&courses, verdict, [MOST_PER_WORKER, FLAT]));
    csv::memory(&asked.output.join("memory.csv"), &courses, &starts)?;
    Ok(verdict.small() && verdict.flat())
}

/// Starts each contender some times, in turns.
async fn starts(upstream: &Upstream) -> Result<Vec<Starts>, BenchError> {
    eprintln!("start: {STARTS} of {} contenders", STARTED.len());
    let mut starts: Vec<_> = STARTED
        .iter()
        .map(|contender| Starts {
            contender: *contender,
            times: Vec::new(),
        })
        .collect();
    for _ in 0..STARTS {
        for one in &mut starts {
            let config = one.contender.envoy(upstream, FEW_HOSTS, 1);
            let before = Instant::now();
            let envoy = Envoy::start(config).await?;
            one.times.push(before.elapsed().as_secs_f64() * 1e3);
            envoy.kill();
        }
    }
    Ok(starts)
}

/// Has both filters serve up to the last of these marks, in turns.
async fn serve(upstream: &Upstream, nth: usize, workers: u32, marks: &[u64]) -> Result<Vec<Course>, BenchError> {
    eprintln!(
        "memory: Envoy {} of {ENVOYS}, {workers} workers, {} requests",
        nth + 1,
        marks.last().unwrap_or(&0)
    );
    let mut all = Vec::new();
    for contender in [Contender::Empty, Contender::Sidestep] {
        let envoy = Envoy::start(contender.envoy(upstream, MOST_HOSTS, workers)).await?;
        all.push(Running {
            course: Course {
                contender,
                workers,
                nth,
                fresh: usage::memory(envoy.pid())?,
                marks: Vec::new(),
                connections: 0,
                linear: Vec::new(),
            },
            served: 0,
            busy: Duration::ZERO,
            envoy,
        });
    }
    for _ in 0..MOST_TURNS {
        for running in &mut all {
            running.turn(marks).await?;
        }
    }
    let mut courses = Vec::new();
    for running in all {
        courses.push(running.end().await?);
    }
    Ok(courses)
}

impl Running {
    /// Serves until its next mark, but for no longer than a turn.
    async fn turn(&mut self, marks: &[u64]) -> Result<(), BenchError> {
        let course = &mut self.course;
        let Some(mark) = marks.get(course.marks.len()) else {
            return Ok(());
        };
        let setting = Setting {
            workers: course.workers,
            ..Setting::PLAIN
        };
        let rate = self.served as f64 / self.busy.as_secs_f64();
        let left = mark.saturating_sub(self.served) as f64;
        let time = if self.served == 0 { 1.0 } else { (left / rate).ceil() };
        let time = Duration::from_secs_f64(time.clamp(1.0, TURN));
        let seen = load::run(self.envoy.client().address(), setting, time).await?;
        if seen.requests == 0 || seen.failed + seen.broken > 0 {
            return Err(not_measured(format!("{}: {seen:?}", course.contender.name())));
        }
        self.served += seen.requests;
        self.busy += time;
        if self.served >= *mark {
            course.marks.push((self.served, usage::memory(self.envoy.pid())?));
        }
        Ok(())
    }

    /// Looks a last time, and ends the Envoy.
    async fn end(mut self) -> Result<Course, BenchError> {
        let connections = format!("cluster.{CLUSTER}.upstream_cx_active");
        self.course.connections = self.envoy.stat(&connections).await?;
        self.course.linear = usage::linear_memories(self.envoy.pid())?;
        self.envoy.kill();
        Ok(self.course)
    }
}

fn not_measured(what: String) -> BenchError {
    BenchError::NotMeasured {
        contender: "memory",
        setting: Setting::PLAIN.to_string(),
        what,
    }
}

/// A number of bytes, as a term of differences.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// `None` if a mark is missing.
fn judge(courses: &[Course]) -> Option<Verdict> {
    let at = |contender, workers, nth, mark: usize| {
        let mut those = courses.iter().filter(|course| course.contender == contender);
        let course = those.find(|course| (course.workers, course.nth) == (workers, nth))?;
        course.marks.get(mark).map(|(_, bytes)| signed(*bytes))
    };
    let more = |workers, nth, mark| {
        Some(at(Contender::Sidestep, workers, nth, mark)? - at(Contender::Empty, workers, nth, mark)?)
    };
    let last = MARKS.len() - 1;
    let process = more(1, 0, last)?;
    let median = |workers| {
        let all: Option<Vec<_>> = (0..ENVOYS).map(|nth| more(workers, nth, 0)).collect();
        Spread::of(all?.into_iter().map(|bytes| bytes as f64)).map(|spread| spread.median as i64)
    };
    Some(Verdict {
        process,
        warm: more(1, 0, 0)?,
        worker: (median(WORKERS)? - median(1)?) / i64::from(WORKERS - 1),
        late: process - more(1, 0, last - 1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_has_what_a_further_one_adds_and_what_grows() {
        let verdict = Verdict {
            process: 9 << 20,
            warm: 8 << 20,
            worker: 1 << 20,
            late: FLAT + 1,
        };
        assert_eq!(verdict.per_worker(), 2 << 20);
        assert!(verdict.small() && !verdict.flat());
    }
}
