//! Configurations that must not load, each with the line that says why.

mod clusters;
mod document;
mod keep;
mod matchers;
mod probe;
mod protobuf;
mod retries;
mod retry_on;
mod slow;
mod status;
mod values;

/// A configuration that is refused.
#[derive(Clone, Copy, Debug)]
pub struct BadConfig {
    /// What is wrong with it.
    pub name: &'static str,
    /// The plugin's configuration. It has no character that a text in YAML could not hold.
    pub json: &'static str,
    /// The whole error.
    pub error: &'static str,
}

/// All of them.
pub const BAD_CONFIGS: &[BadConfig] = &join::<{ count(TABLES) }>(TABLES);

const TABLES: &[&[BadConfig]] = &[
    document::DOCUMENT,
    values::VALUES,
    retry_on::RETRY_ON,
    retries::RETRIES,
    clusters::CLUSTERS,
    protobuf::PROTOBUF,
    slow::SLOW_AND_PICKING,
    probe::PROBE,
    matchers::MATCHERS,
    status::STATUS,
    keep::KEEP,
];

const fn bad(name: &'static str, json: &'static str, error: &'static str) -> BadConfig {
    BadConfig { name, json, error }
}

const fn count(tables: &[&[BadConfig]]) -> usize {
    let (mut count, mut table) = (0, 0);
    while table < tables.len() {
        count += tables[table].len();
        table += 1;
    }
    count
}

const fn join<const COUNT: usize>(tables: &[&[BadConfig]]) -> [BadConfig; COUNT] {
    let mut all = [bad("", "", ""); COUNT];
    let (mut next, mut table) = (0, 0);
    while table < tables.len() {
        let mut row = 0;
        while row < tables[table].len() {
            all[next] = tables[table][row];
            next += 1;
            row += 1;
        }
        table += 1;
    }
    all
}
