//! What becomes of a request whose first attempt fails: measured in a real Envoy, and written down for people in
//! `tests/envoy/CONFORMANCE.md`.
//!
//! Every server fails the first request that it or another one sees for a path, and answers the second one well. So the
//! first attempt fails wherever it goes, and nothing depends on chance.

mod cases;
mod measure;
mod table;

use cases::{Engine, Protocol};
use measure::Bench;
use sidestep_support::repository;

/// The table, in the repository.
const FILE: &str = "tests/envoy/CONFORMANCE.md";

/// Set to write the table instead of comparing it.
const UPDATE: &str = "SIDESTEP_UPDATE";

#[tokio::test]
async fn what_becomes_of_a_request_is_what_the_table_says() {
    let mut rows = Vec::new();
    for protocol in Protocol::ALL {
        for engine in Engine::ALL {
            let bench = Bench::start(protocol, engine).await;
            rows.extend(bench.measure_all().await);
        }
    }
    assert!(rows.len() >= 300, "{} rows", rows.len());
    for row in &rows {
        assert!(row.attempts <= 2, "{row:?}");
        assert!(row.attempts == 1 || row.case.method.may_be_repeated(), "{row:?}");
        assert_ne!(row.same, Some(false), "{row:?}");
    }
    let (table, file) = (table::of(&rows), repository().join(FILE));
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(file, table).expect("the table can be written");
        return;
    }
    let written = std::fs::read_to_string(file).expect("the table is there");
    let differ = table::differences(&written, &table);
    assert!(
        differ.is_empty(),
        "{FILE} is not what was measured; {UPDATE}=1 writes it anew:\n{}",
        differ.join("\n")
    );
}
