//! What becomes of hosts, as the module's log lines tell it.

use crate::clock::Clock;
use sidestep::model::parse_duration;
use std::net::SocketAddr;
use std::time::Duration;

/// A time without traffic for one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ejection {
    /// When it began.
    pub(crate) at: Duration,
    /// How long it lasts.
    pub(crate) lasts: Duration,
}

impl Ejection {
    /// When its time is over.
    pub(crate) fn until(&self) -> Duration {
        self.at + self.lasts
    }
}

/// What a line of the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A host was taken out, by this detector.
    Ejected(SocketAddr, Ejection, String),
    /// A host came to another stage on its way back.
    Stage(SocketAddr, Duration, Stage),
}

/// A stage of a host's way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is tried with one request at a time.
    Probation,
    /// It passed, and its share grows.
    Ramp,
    /// It has its full share again.
    Back,
}

impl News {
    /// Reads a line, such as
    /// `1700000000.123 warning wasm log sidestep: ejected host 127.0.0.1:1 of cluster backend for 5s: consecutive_5xx reached 5 (ejection 1)`.
    pub(crate) fn read(line: &str, clock: &Clock) -> Option<Self> {
        let at = clock.at_epoch(line.split_once(' ')?.0.parse().ok()?);
        if let Some((_, rest)) = line.split_once("ejected host ") {
            let (host, rest) = rest.split_once(" of cluster ")?;
            let (_, rest) = rest.split_once(" for ")?;
            let (lasts, why) = rest.split_once(": ")?;
            let lasts = parse_duration(lasts).ok()?;
            let (detector, _) = why.split_once([' ', ':'])?;
            return Some(Self::Ejected(
                host.parse().ok()?,
                Ejection { at, lasts },
                detector.to_owned(),
            ));
        }
        let (_, rest) = line.split_once("host ")?;
        let (host, _) = rest.split_once(" of cluster ")?;
        let stages = [
            (" is in probation", Stage::Probation),
            (": its share grows", Stage::Ramp),
            (" is back", Stage::Back),
        ];
        let (_, stage) = stages.into_iter().find(|(end, _)| rest.ends_with(end))?;
        Some(Self::Stage(host.parse().ok()?, at, stage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 8102))
    }

    #[test]
    fn an_ejection_is_read_from_the_log() {
        let line = "1.5 warning wasm log sidestep: ejected host 127.0.0.1:8102 of cluster backend for 1.500s: \
                    consecutive_5xx reached 5 (ejection 3)";
        let Some(News::Ejected(of, ejection, detector)) = News::read(line, &Clock::start()) else {
            panic!("{line}");
        };
        assert_eq!((of, ejection.lasts), (host(), Duration::from_millis(1500)));
        assert_eq!(detector, "consecutive_5xx");
    }

    #[test]
    fn a_failed_probation_is_read_from_the_log() {
        let line = "1.5 warning wasm log sidestep: ejected host 127.0.0.1:8102 of cluster backend for 10s: \
                    probation: failed its probation (ejection 2)";
        let news = News::read(line, &Clock::start());
        assert!(matches!(news, Some(News::Ejected(_, _, by)) if by == "probation"));
    }

    #[test]
    fn the_way_back_is_read_from_the_log_and_other_lines_are_not() {
        let clock = Clock::start();
        for (said, stage) in [
            ("is in probation", Stage::Probation),
            ("proved itself: its share grows", Stage::Ramp),
            ("is back", Stage::Back),
        ] {
            let line = format!("1.5 info wasm log sidestep: host 127.0.0.1:8102 of cluster backend {said}");
            let news = News::read(&line, &clock);
            assert!(
                matches!(news, Some(News::Stage(of, _, read)) if of == host() && read == stage),
                "{line}"
            );
        }
        for line in [
            "",
            "1.5 info all dependencies initialized. starting workers",
            "1.5 info wasm log sidestep: host 127.0.0.1:8102 of cluster backend stays: consecutive_5xx was reached, but no",
        ] {
            assert_eq!(News::read(line, &clock), None, "{line}");
        }
    }
}
