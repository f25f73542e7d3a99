//! The bound on the callouts that one VM has out.

use crate::model::{Map, Timestamp};

/// Callouts that are out. They can't be cancelled, and of one whose request is gone no answer may ever come: each counts
/// until its answer, or until its time is over.
#[derive(Clone, Debug)]
pub struct InFlight {
    until: Map<u32, Timestamp>,
    limit: usize,
}

impl InFlight {
    /// At most so many.
    pub fn up_to(limit: usize) -> Self {
        Self {
            until: Map::default(),
            limit,
        }
    }

    /// Whether there may be one more.
    pub fn has_room(&mut self, now: Timestamp) -> bool {
        if self.until.len() >= self.limit {
            self.until.retain(|_, until| *until > now);
        }
        self.until.len() < self.limit
    }

    /// The one with this token is out, until then at most.
    pub fn sent(&mut self, token: u32, until: Timestamp) {
        self.until.insert(token, until);
    }

    /// It has its answer.
    pub fn answered(&mut self, token: u32) {
        self.until.remove(&token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counts_until_its_answer_or_its_end() {
        let at = Timestamp::from_nanos;
        let mut out = InFlight::up_to(2);
        out.sent(1, at(10));
        assert!(out.has_room(at(0)));
        out.sent(2, at(20));
        assert!(!out.has_room(at(9)));
        out.answered(2);
        assert!(out.has_room(at(9)));
        out.sent(3, at(20));
        assert!(out.has_room(at(10)));
        assert!(!InFlight::up_to(0).has_room(at(0)));
    }
}
