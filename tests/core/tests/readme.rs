//! The README's tables say what the code says.

#![cfg(not(target_arch = "wasm32"))]

use sidestep::metrics::{Metric, MetricKind};
use std::fmt::Write as _;

const README: &str = include_str!("../../../README.md");

/// What stands in the README between `<!-- NAME -->` and `<!-- /NAME -->`.
fn section(name: &str) -> &'static str {
    let after = README.split(&format!("<!-- {name} -->\n")).nth(1).unwrap_or_default();
    after.split(&format!("<!-- /{name} -->")).next().unwrap_or_default()
}

#[test]
fn every_metric_is_in_the_readme_with_its_kind_and_meaning() {
    let mut table = String::from("| metric | kind | counts |\n|---|---|---|\n");
    for metric in Metric::ALL {
        let kind = match metric.kind() {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        writeln!(table, "| `{}` | {kind} | {} |", metric.name(), metric.meaning()).expect("a string takes it");
    }
    assert_eq!(section("metrics"), table, "put this into the README:\n{table}");
}

#[test]
fn metrics_have_names_of_their_own_and_their_number_is_small() {
    let mut names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Metric::ALL.len());
    assert!(names.len() < 128);
}

#[test]
fn the_error_that_the_readme_shows_is_the_one_that_is_said() {
    let json = br#"{"clusters": {"backend": {"retry": {"num_retries": 99}}}}"#;
    let error = sidestep::config::Config::from_json(json)
        .expect_err("too many")
        .to_string();
    assert!(README.contains(&format!("configuration refused: {error}\n")), "{error}");
}

/// What the README says about the configuration.
fn configuration() -> &'static str {
    let after = README.split("\n## Configuration\n").nth(1).expect("the section");
    after.split("\n## ").next().unwrap_or_default()
}

#[test]
fn every_field_of_the_configuration_is_in_the_readme() {
    for stranger in [
        r#"{"stranger": 0}"#,
        r#"{"outlier_detection": {"stranger": 0}}"#,
        r#"{"outlier_detection": {"slow": {"stranger": 0}}}"#,
        r#"{"retry": {"stranger": 0}}"#,
        r#"{"picking": {"stranger": 0}}"#,
        r#"{"picking": {"admin": {"stranger": 0}}}"#,
        r#"{"retry": {"budget": {"stranger": 0}}}"#,
        r#"{"retry": {"back_off": {"stranger": 0}}}"#,
        r#"{"retry": {"hedge": {"stranger": 0}}}"#,
        r#"{"retry": {"report": {"stranger": 0}}}"#,
        r#"{"routes": {"a": {"retry": {"stranger": 0}}}}"#,
        r#"{"probe": {"stranger": 0}}"#,
        r#"{"matchers": [{"stranger": 0}]}"#,
        r#"{"matchers": [{"header": {"stranger": 0}, "outcome": "ignored"}]}"#,
        r#"{"clusters": {"a": {"stranger": 0}}}"#,
        r#"{"routes": {"a": {"stranger": 0}}}"#,
        r#"{"status": {"stranger": 0}}"#,
    ] {
        let error = sidestep::config::Config::from_json(stranger.as_bytes()).expect_err("a stranger");
        let known = error.expected.strip_prefix("one of ").expect("the known fields");
        for name in known.split(", ") {
            // On its own, or as `header.name`.
            let is_there = [format!("`{name}`"), format!(".{name}`")]
                .iter()
                .any(|quoted| configuration().contains(quoted));
            assert!(is_there, "{name}, which {} may have", error.path);
        }
    }
}

#[test]
fn the_configurations_that_the_readme_shows_load() {
    let blocks: Vec<&str> = configuration().split("```json\n").skip(1).collect();
    let examples: Vec<Vec<&str>> = blocks
        .iter()
        .map(|block| block.split("```").next().unwrap_or_default().lines().collect())
        .collect();
    let [pasted, [matchers]] = examples.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] else {
        panic!("other examples: {examples:?}");
    };
    let read = |json: &str| sidestep::config::Config::from_json(json.as_bytes()).expect("loads");
    assert_eq!(read(matchers).cluster("").matchers.len(), 2);
    let pasted: Vec<_> = pasted
        .iter()
        .map(|block| read(&format!(r#"{{"outlier_detection": {block}}}"#)))
        .collect();
    assert_eq!(pasted.len(), 3);
    assert!(pasted.iter().all(|config| *config == pasted[0]));
    assert_ne!(pasted[0], sidestep::config::Config::default());
}

#[test]
fn every_refusal_and_every_cause_of_an_error_has_a_metric_of_its_own() {
    use sidestep::health::EjectionRefusal;
    use sidestep::metrics::ErrorCause;
    use sidestep::retry::RetryRefusal;
    let metrics = RetryRefusal::ALL
        .iter()
        .map(|reason| (reason.name(), Metric::from(*reason)))
        .chain(
            EjectionRefusal::ALL
                .iter()
                .map(|reason| (reason.name(), Metric::from(*reason))),
        );
    for (reason, metric) in metrics {
        assert!(
            metric.name().ends_with(&format!("refused.{reason}")),
            "{reason} is {}",
            metric.name()
        );
    }
    let mut causes: Vec<&str> = ErrorCause::ALL
        .iter()
        .map(|cause| Metric::from(*cause).name())
        .collect();
    causes.sort_unstable();
    causes.dedup();
    assert_eq!(causes.len(), ErrorCause::ALL.len());
}
