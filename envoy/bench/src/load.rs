//! The load: wrk, a closed loop over some connections.

use crate::error::BenchError;
use crate::setting::{Headers, Method, Setting};
use sidestep_support::{Place, Program};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Connections at once.
const CONNECTIONS: u32 = 16;

/// What the client saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Requests that were answered.
    pub(crate) requests: u64,
    /// Those of them with a status from 400 on.
    pub(crate) failed: u64,
    /// Errors of connections.
    pub(crate) broken: u64,
    /// The median time to the whole answer.
    pub(crate) p50: Duration,
    /// The 99th percentile of it.
    pub(crate) p99: Duration,
}

/// Sends requests for so long.
pub(crate) async fn run(to: SocketAddr, setting: Setting, time: Duration) -> Result<Seen, BenchError> {
    run_over(to, setting, &[], time).await
}

/// Sends requests to each of these paths in turn, or to the setting's own if there are none.
pub(crate) async fn run_over(
    to: SocketAddr,
    setting: Setting,
    paths: &[String],
    time: Duration,
) -> Result<Seen, BenchError> {
    let program = Program::find("wrk", "WRK_BIN").ok_or(BenchError::Missing {
        program: "wrk",
        package: "wrk",
    })?;
    let place = Place::new()?;
    let script = place.write("load.lua", include_str!("load.lua"))?;
    let connections = CONNECTIONS.max(setting.workers * 4);
    let output = Command::new(program)
        .args(["--threads", "1", "--timeout", "10s"])
        .args(["--connections", &connections.to_string()])
        // wrk takes whole seconds.
        .args(["--duration", &format!("{}s", time.as_secs().max(1))])
        .arg("--script")
        .arg(&script)
        .arg(format!("http://{to}/"))
        .env(
            "BENCH_HEADERS",
            match setting.headers {
                Headers::Small => "small",
                Headers::Large => "large",
            },
        )
        .env(
            "BENCH_METHOD",
            match setting.method {
                Method::Get => "get",
                Method::Put => "put",
            },
        )
        .env("BENCH_PATHS", paths.join(" "))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let result = said.lines().find_map(|line| line.strip_prefix("RESULT "));
    let result = result.and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
    let Some(result) = result else {
        return Err(BenchError::Load(format!(
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        )));
    };
    let number = |name: &str| result[name].as_u64().unwrap_or_default();
    Ok(Seen {
        requests: number("requests"),
        failed: number("failed"),
        broken: number("broken"),
        p50: Duration::from_micros(number("p50")),
        p99: Duration::from_micros(number("p99")),
    })
}
