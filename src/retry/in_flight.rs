//! The bound on the callouts that one VM has out.

use crate::model::{Map, Timestamp};

/// Callouts that are out. They can't be cancelled, and of one whose request is gone no answer may ever come: each counts
/// until its answer, or until its time is over.
#[derive(Clone, Debug)]
pub struct InFlight {
    /// From when until when.
    out: Map<u32, (Timestamp, Timestamp)>,
    limit: usize,
}

impl InFlight {
    /// At most so many.
    pub fn up_to(limit: usize) -> Self {
        Self {
            out: Map::default(),
            limit,
        }
    }

    /// Whether there may be one more.
    pub fn has_room(&mut self, now: Timestamp) -> bool {
        if self.out.len() >= self.limit {
            // What was sent later than now is from before the clock was set back.
            self.out.retain(|_, (sent, until)| *sent <= now && *until > now);
        }
        self.out.len() < self.limit
    }

    /// The one with this token is out from `now` on, `until` then at most.
    pub fn sent(&mut self, token: u32, now: Timestamp, until: Timestamp) {
        self.out.insert(token, (now, until));
    }

    /// It has its answer.
    pub fn answered(&mut self, token: u32) {
        self.out.remove(&token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counts_until_its_answer_or_its_end() {
        let at = Timestamp::from_nanos;
        let mut out = InFlight::up_to(2);
        out.sent(1, at(0), at(10));
        assert!(out.has_room(at(0)));
        out.sent(2, at(0), at(20));
        assert!(!out.has_room(at(9)));
        out.answered(2);
        assert!(out.has_room(at(9)));
        out.sent(3, at(9), at(20));
        assert!(out.has_room(at(10)));
        assert!(!InFlight::up_to(0).has_room(at(0)));
    }

    #[test]
    fn a_clock_set_back_makes_none_count_for_longer() {
        let at = Timestamp::from_nanos;
        let mut out = InFlight::up_to(1);
        out.sent(1, at(1000), at(1010));
        assert!(!out.has_room(at(1005)));
        assert!(out.has_room(at(500)));
    }
}
