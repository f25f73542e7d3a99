//! All that is known of the run so far: what the screen shows and the summary adds up.

use crate::clock::Clock;
use crate::counts::{Attempts, Counts};
use crate::ejections::{Ejection, News, Stage};
use crate::phase::{Phase, VICTIM};
use crate::traffic::{Side, Traffic};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Rates are those of so much time.
const RATE_WINDOW: Duration = Duration::from_secs(1);
/// Between two looks at Envoy's figures.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);
/// From so much on, a host has its share of the traffic: a third, less what chance takes from it.
const SHARE_PERCENT: f64 = 25.0;

/// What happened, and when.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// When.
    pub(crate) at: Duration,
    /// What.
    pub(crate) text: String,
    /// Which kind.
    pub(crate) kind: EventKind,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// Something was done to a host.
    Plot,
    /// The filter took it out.
    Ejected,
    /// It is back.
    Back,
}

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has its share.
    Healthy,
    /// It is out for so long.
    Ejected(Duration),
    /// It is tried.
    Probation,
    /// Its share grows.
    Ramp,
}

impl State {
    /// The state in a few words.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Healthy => "healthy".to_owned(),
            Self::Ejected(left) => format!("EJECTED {:.1} s left", left.as_secs_f64()),
            Self::Probation => "in probation".to_owned(),
            Self::Ramp => "its share grows".to_owned(),
        }
    }
}

/// A phase that has begun.
#[derive(Clone, Debug)]
struct Chapter {
    phase: Phase,
    began: Duration,
    /// What had been counted by then.
    before: Counts,
}

/// The run so far.
#[derive(Debug)]
pub(crate) struct Story {
    /// The time.
    pub(crate) clock: Clock,
    /// The hosts.
    pub(crate) hosts: [SocketAddr; 3],
    /// The users, and what they got.
    pub(crate) traffic: Traffic,
    chapters: Vec<Chapter>,
    /// The newest counts, and those of the second before them.
    recent: VecDeque<Counts>,
    ejections: [Vec<Ejection>; 3],
    /// Where each host is on its way back, and since when.
    stages: [Option<(Duration, Stage)>; 3],
    events: Vec<Event>,
}

impl Story {
    /// Nothing has happened yet.
    pub(crate) fn new(clock: Clock, hosts: [SocketAddr; 3], traffic: Traffic) -> Self {
        Self {
            clock,
            hosts,
            traffic,
            chapters: Vec::new(),
            recent: VecDeque::from([Counts::default()]),
            ejections: [const { Vec::new() }; 3],
            stages: [None; 3],
            events: Vec::new(),
        }
    }

    /// A phase begins.
    pub(crate) fn enter(&mut self, phase: Phase) {
        let began = self.clock.now();
        let before = self.counts().clone();
        self.traffic.enter(phase);
        self.chapters.push(Chapter { phase, began, before });
        self.events.push(Event {
            at: began,
            text: phase.caption(self.hosts[VICTIM]),
            kind: EventKind::Plot,
        });
    }

    /// Envoy was asked.
    pub(crate) fn counted(&mut self, counts: Counts) {
        self.recent.push_back(counts);
        let newest = self.counts().at;
        while self
            .recent
            .get(1)
            .is_some_and(|second| second.at + RATE_WINDOW <= newest)
        {
            self.recent.pop_front();
        }
    }

    /// A line of Envoy's log.
    pub(crate) fn logged(&mut self, line: &str) {
        let (at, text, kind) = match News::read(line, &self.clock) {
            Some(News::Ejected(address, ejection, detector)) => {
                let Some(host) = self.number(address) else { return };
                let text = self.ejection_text(host, &ejection, &detector);
                self.ejections[host].push(ejection);
                self.stages[host] = None;
                (ejection.at, text, EventKind::Ejected)
            }
            Some(News::Stage(address, at, stage)) => {
                let Some(host) = self.number(address) else { return };
                self.stages[host] = Some((at, stage));
                let number = host + 1;
                let text = match stage {
                    Stage::Probation => format!("its time is over: host {number} is tried with one request at a time"),
                    Stage::Ramp => format!("host {number} proved itself: its share of the traffic grows"),
                    Stage::Back => format!("host {number} has its full share again"),
                };
                (at, text, EventKind::Back)
            }
            None => return,
        };
        self.events.push(Event { at, text, kind });
    }

    fn ejection_text(&self, host: usize, ejection: &Ejection, detector: &str) -> String {
        let lasts = ejection.lasts.as_secs();
        let mut text = format!("host {} EJECTED for {lasts} s by {detector}", host + 1);
        let broke = self
            .broke_at()
            .filter(|_| self.ejections[host].is_empty() && host == VICTIM);
        if let Some(after) = broke.and_then(|broke| ejection.at.checked_sub(broke)) {
            text.push_str(&format!(", {:.2} s after it broke", after.as_secs_f64()));
        }
        text
    }

    fn number(&self, host: SocketAddr) -> Option<usize> {
        self.hosts.iter().position(|known| *known == host)
    }

    /// The phase now.
    pub(crate) fn phase(&self) -> Phase {
        self.chapters.last().map_or(Phase::AllWell, |chapter| chapter.phase)
    }

    /// How long it has lasted.
    pub(crate) fn in_phase(&self) -> Duration {
        let began = self.chapters.last().map_or(Duration::ZERO, |chapter| chapter.began);
        self.clock.now().saturating_sub(began)
    }

    /// When the host broke.
    pub(crate) fn broke_at(&self) -> Option<Duration> {
        let broken = self.chapters.iter().find(|chapter| chapter.phase.is_broken())?;
        Some(broken.began)
    }

    /// When a phase began and ended (or now), if it has begun.
    pub(crate) fn span(&self, phase: Phase) -> Option<(Duration, Duration)> {
        let place = self.chapters.iter().position(|chapter| chapter.phase == phase)?;
        let end = self.chapters.get(place + 1).map_or(Duration::MAX, |next| next.began);
        Some((self.chapters[place].began, end))
    }

    /// What happened so far, oldest first.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// The newest counts.
    pub(crate) fn counts(&self) -> &Counts {
        self.recent.back().expect("there is always one")
    }

    /// What was counted within a phase.
    pub(crate) fn counted_in<T>(&self, phase: Phase, of: impl Fn(&Counts) -> T) -> Option<(T, T)> {
        let place = self.chapters.iter().position(|chapter| chapter.phase == phase)?;
        let after = self.chapters.get(place + 1).map_or(self.counts(), |next| &next.before);
        Some((of(&self.chapters[place].before), of(after)))
    }

    /// Attempts per second at a host.
    pub(crate) fn rate(&self, side: Side, host: usize) -> f64 {
        let (Some(old), new) = (self.recent.front(), self.counts()) else {
            return 0.0;
        };
        let seconds = new.at.saturating_sub(old.at).as_secs_f64();
        let attempts = new.attempts(side, host).since(old.attempts(side, host)).all();
        if seconds > 0.0 { as_f64(attempts) / seconds } else { 0.0 }
    }

    /// Attempts at a host in all.
    pub(crate) fn attempts(&self, side: Side, host: usize) -> Attempts {
        self.counts().attempts(side, host)
    }

    /// All ejections of a host.
    pub(crate) fn ejections(&self, host: usize) -> &[Ejection] {
        &self.ejections[host]
    }

    /// How long a host has been ejected in all.
    pub(crate) fn time_ejected(&self, host: usize) -> Duration {
        let now = self.clock.now();
        let spent = |ejection: &Ejection| now.saturating_sub(ejection.at).min(ejection.lasts);
        self.ejections[host].iter().map(spent).sum()
    }

    /// The host's ejection, if it is ejected now.
    pub(crate) fn ejected(&self, host: usize) -> Option<Ejection> {
        let now = self.clock.now();
        self.ejections[host]
            .last()
            .copied()
            .filter(|ejection| now < ejection.until())
    }

    /// What the host is now.
    pub(crate) fn state(&self, host: usize) -> State {
        if let Some(ejection) = self.ejected(host) {
            return State::Ejected(ejection.until().saturating_sub(self.clock.now()));
        }
        match self.stages[host] {
            None if self.ejections[host].is_empty() => State::Healthy,
            None | Some((_, Stage::Probation)) => State::Probation,
            Some((_, Stage::Ramp)) => State::Ramp,
            Some((_, Stage::Back)) => State::Healthy,
        }
    }

    /// Whether the host that broke has its share of the traffic again.
    pub(crate) fn is_settled(&self) -> bool {
        let all: f64 = (0..self.hosts.len()).map(|host| self.rate(Side::With, host)).sum();
        let share = 100.0 * self.rate(Side::With, VICTIM) / all.max(1.0);
        self.ejected(VICTIM).is_none() && share >= SHARE_PERCENT
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody makes that many requests")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
