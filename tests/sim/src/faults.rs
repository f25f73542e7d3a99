//! Faults: host functions that answer with an error instead of doing their work.

use crate::abi::{Call, Status};
use crate::chance::Chance;

enum When {
    /// The n-th call from now, counted from 1.
    Nth(u64),
    Always,
    Chance(f64, Chance),
}

struct Rule {
    call: Call,
    when: When,
    status: Status,
    seen: u64,
}

/// The faults in force, for the calls of every VM.
#[derive(Default)]
pub struct Faults {
    rules: Vec<Rule>,
    injected: u64,
}

impl Faults {
    fn add(&mut self, call: Call, when: When, status: Status) {
        assert!(
            call.legal_faults().contains(&status),
            "{call:?} may not be made to answer {status:?}: the SDK would panic on it, not the module"
        );
        self.rules.push(Rule {
            call,
            when,
            status,
            seen: 0,
        });
    }

    /// The n-th call of this function from now on fails, counted from 1.
    pub fn nth(&mut self, call: Call, n: u64, status: Status) {
        self.add(call, When::Nth(n), status);
    }

    /// Every call of this function fails.
    pub fn always(&mut self, call: Call, status: Status) {
        self.add(call, When::Always, status);
    }

    /// Each call of this function fails with that probability.
    pub fn sometimes(&mut self, call: Call, probability: f64, status: Status, seed: u64) {
        self.add(call, When::Chance(probability, Chance::new(seed)), status);
    }

    /// No faults from now on.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How many calls have been made to fail.
    pub fn injected(&self) -> u64 {
        self.injected
    }

    pub(crate) fn strike(&mut self, call: Call) -> Option<Status> {
        let mut struck = None;
        for rule in self.rules.iter_mut().filter(|rule| rule.call == call) {
            rule.seen += 1;
            let strikes = match &mut rule.when {
                When::Nth(n) => rule.seen == *n,
                When::Always => true,
                When::Chance(probability, chance) => chance.happens(*probability),
            };
            if strikes {
                struck = struck.or(Some(rule.status));
            }
        }
        self.injected += u64::from(struck.is_some());
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::Faults;
    use crate::abi::{Call, Status};

    #[test]
    fn only_the_nth_call_of_that_function_fails() {
        let mut faults = Faults::default();
        faults.nth(Call::GetProperty, 2, Status::NotFound);
        let struck: Vec<_> = [Call::GetProperty, Call::GetMap, Call::GetProperty, Call::GetProperty]
            .map(|call| faults.strike(call))
            .to_vec();
        assert_eq!(struck, [None, None, Some(Status::NotFound), None]);
        assert_eq!(faults.injected(), 1);
    }

    #[test]
    #[should_panic(expected = "proxy_http_call may not be made to answer NotFound")]
    fn a_fault_that_only_the_sdk_would_trip_over_is_refused() {
        Faults::default().always(Call::HttpCall, Status::NotFound);
    }
}
