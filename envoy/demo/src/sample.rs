//! Envoy's configuration: the sample that ships, made fit for this run.
//!
//! The sample is what is demonstrated. So its text is taken, and as little as possible is put in the place of it:
//! ports that are free, where the module is, and an ejection time that fits into a minute. Beside it stand a listener
//! and a cluster without the filter.

use std::net::SocketAddr;
use std::path::Path;

const SAMPLE: &str = include_str!("../../envoy.yaml");
const LISTENER_WITHOUT: &str = include_str!("without_filter.listener.yaml");
const CLUSTER_WITHOUT: &str = include_str!("without_filter.cluster.yaml");

/// The sample's own ports.
const HOST_PORTS: [u16; 3] = [8101, 8102, 8103];

/// What is put in the place of the sample's `base_ejection_time`.
pub(crate) const BASE_EJECTION_TIME: &str = "5s";
/// What the sample says there.
pub(crate) const SAMPLE_EJECTION_TIME: &str = "30s";

/// The sample is not what this program was written for.
#[derive(Debug, thiserror::Error)]
#[error("envoy/envoy.yaml has no {0:?} any more: bring envoy/demo/src/sample.rs into step with it")]
pub(crate) struct SampleChanged(String);

/// The configuration for these hosts and this module. Listeners and the admin interface take ports that are free.
pub(crate) fn configuration(hosts: &[SocketAddr; 3], module: &Path) -> Result<String, SampleChanged> {
    // As JSON, the path is YAML too, whatever is in it.
    let module = serde_json::Value::from(module.to_string_lossy()).to_string();
    let ejection_time = |time| format!("\"base_ejection_time\": \"{time}\"");
    let sample_ejection_time = ejection_time(SAMPLE_EJECTION_TIME);
    let mut text = SAMPLE.to_owned();
    for (from, to) in [
        ("\n  listeners:\n", format!("\n  listeners:\n{LISTENER_WITHOUT}")),
        ("\n  clusters:\n", format!("\n  clusters:\n{CLUSTER_WITHOUT}")),
        ("port_value: 9901 ", "port_value: 0 ".to_owned()),
        ("port_value: 10000 ", "port_value: 0 ".to_owned()),
        ("port_value: 10001 ", "port_value: 0 ".to_owned()),
        ("filename: dist/sidestep.wasm ", format!("filename: {module} ")),
        (&sample_ejection_time, ejection_time(BASE_EJECTION_TIME)),
    ] {
        text = replaced(&text, from, &to)?;
    }
    // First to names that are no ports: a host's own port might be one of the sample's.
    for (number, port) in HOST_PORTS.iter().enumerate() {
        text = replaced(&text, &format!("\"127.0.0.1:{port}\""), &format!("\"<host {number}>\""))?;
        text = replaced(
            &text,
            &format!("port_value: {port} "),
            &format!("port_value: <port {number}> "),
        )?;
    }
    for (number, host) in hosts.iter().enumerate() {
        text = replaced(&text, &format!("<host {number}>"), &host.to_string())?;
        text = replaced(&text, &format!("<port {number}>"), &host.port().to_string())?;
    }
    Ok(text)
}

fn replaced(text: &str, from: &str, to: &str) -> Result<String, SampleChanged> {
    if text.contains(from) {
        Ok(text.replace(from, to))
    } else {
        Err(SampleChanged(from.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_as_it_is_can_be_made_fit() {
        let hosts = [1, 2, 8101].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let text = configuration(&hosts, Path::new("/a folder/module.wasm")).unwrap();
        for line in [
            r#""hosts": ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:8101"]"#,
            r#"local: { filename: "/a folder/module.wasm" }"#,
            r#""base_ejection_time": "5s","#,
        ] {
            assert!(text.contains(line), "{line}");
        }
        // In both clusters.
        assert_eq!(text.matches("port_value: 8101 }").count(), 2);
        assert_eq!(text.matches("port_value: 8102 }").count(), 0);
    }

    #[test]
    fn a_sample_that_has_changed_is_named_with_what_is_missing() {
        let error = replaced("admin:", "port_value: 9901 ", "").unwrap_err();
        assert!(error.to_string().contains("\"port_value: 9901\""), "{error}");
    }
}
