//! What is counted, and sums of it.

use sidestep_sim::Call;
use std::collections::BTreeMap;
use std::fmt;

/// What is counted, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// WebAssembly instructions of the module's own code; each 64 bytes of a bulk copy or fill are one more.
    Instructions,
    /// Blocks that the module allocates, those for what the host hands over among them; one that grows counts again. They are
    /// counted in the native build, so that their sizes are those of 64-bit code.
    Allocations,
    /// Bytes in these blocks.
    AllocatedBytes,
    /// Callbacks that the host makes. With the blocks, which are callbacks too, it enters the module so often.
    Callbacks,
    /// Blocks that the host has the module allocate, for what it hands over: a header map, an attribute, a body.
    Blocks,
    /// Bytes that the host copies into the module.
    BytesToModule,
    /// Bytes that the host reads from the module.
    BytesToHost,
    /// Host calls.
    Calls,
    /// Calls of this host function.
    Call(Call),
}

impl What {
    /// Those that are no single host function.
    pub const COLUMNS: [What; 8] = [
        What::Instructions,
        What::Allocations,
        What::AllocatedBytes,
        What::Callbacks,
        What::Blocks,
        What::BytesToModule,
        What::BytesToHost,
        What::Calls,
    ];

    /// The host function of that name, without what all names begin with.
    pub fn call(name: &str) -> Option<What> {
        let all = Call::ALL.iter().copied().map(What::Call);
        all.into_iter().find(|what| what.to_string() == name)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            What::Instructions => "instructions",
            What::Allocations => "allocations",
            What::AllocatedBytes => "allocated bytes",
            What::Callbacks => "callbacks",
            What::Blocks => "blocks from host",
            What::BytesToModule => "bytes in",
            What::BytesToHost => "bytes out",
            What::Calls => "host calls",
            What::Call(call) => call.symbol().trim_start_matches("proxy_"),
        })
    }
}

/// How much of each was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals(BTreeMap<What, u64>);

impl Totals {
    pub(crate) fn add(&mut self, what: What, count: u64) {
        if count > 0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    pub(crate) fn of(&self, what: What) -> u64 {
        self.0.get(&what).copied().unwrap_or(0)
    }

    /// Adds what was counted between two moments.
    pub(crate) fn add_between(&mut self, before: &Totals, after: &Totals) {
        for (what, count) in &after.0 {
            self.add(*what, count - before.of(*what));
        }
    }

    /// All that was counted at all.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (What, u64)> {
        self.0.iter().map(|(what, count)| (*what, *count))
    }
}
