//! nginx, as somebody who knows it would have it for the same aims.
//!
//! What it can't be told as the others are: a host is out for whole seconds, and for a second at least. Only failures that
//! are passed on to another host count (no 503 to a POST, and no last one), and not in a row: as long as none of them is
//! further from the next than that same time, they add up. A host comes back to a single request, which decides; there is
//! no ramp. And there is no limit to how many hosts may be out: with all of them out nginx answers 502 by itself.

use super::{Needed, ProxyError};
use crate::aims::{BASE_EJECTION_TIME, PER_TRY_TIMEOUT, RETRIES, ROUTE_TIMEOUT};
use crate::hosts::Hosts;
use sidestep_support::{Place, Program};
use std::collections::BTreeMap;
use std::fmt::Write;

pub(super) const NEEDED: Needed = Needed {
    program: "nginx",
    variable: "NGINX_BIN",
    package: "nginx-light",
};

/// Failures that eject. More than the others need in a row, for hosts that fail by chance come to that, too. With 3, ten
/// hosts that fail 2 % each were all out at once at times, and users had 6 % errors; with 5 each of them was out at some
/// time, with 10 four of them.
const MAX_FAILS: u32 = 10;
/// Idle connections to hosts that each worker keeps.
const KEEPALIVE: u32 = 32;

/// Starts it.
pub(super) async fn start(hosts: &Hosts, scale: f64) -> Result<Program, ProxyError> {
    let path = NEEDED.find()?;
    let place = Place::new()?;
    let file = place.write("nginx.conf", &config(&place, hosts, scale))?;
    // Relative paths are in its folder, in which it is started; and before it knows from its configuration where to
    // complain, it is to do it on stderr.
    let arguments = ["-p", "./", "-c", &file.to_string_lossy(), "-e", "stderr"];
    Ok(Program::start("nginx", &path, place, &arguments).await?)
}

fn config(place: &Place, hosts: &Hosts, scale: f64) -> String {
    let timeout = format!("{}ms", PER_TRY_TIMEOUT.as_millis());
    let mut text = format!(
        "\
daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{
    # Each worker has a queue of its own, so that both get connections.
    listen {address} reuseport;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_connect_timeout {timeout};
      proxy_send_timeout {timeout};
      proxy_read_timeout {timeout};
      # Not for POST, without `non_idempotent`.
      proxy_next_upstream error timeout http_500 http_502 http_503 http_504;
      proxy_next_upstream_tries {tries};
      proxy_next_upstream_timeout {whole}ms;
    }}
  }}
  upstream backend {{
    # Both workers count together.
    zone backend 256k;
    least_conn;
",
        address = place.address(),
        tries = 1 + RETRIES,
        whole = ROUTE_TIMEOUT.as_millis(),
    );
    let out = fail_timeout(scale);
    for server in hosts.servers() {
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "    server {} max_fails={MAX_FAILS} fail_timeout={out}s;",
            server.address()
        );
    }
    let _ = write!(text, "    keepalive {KEEPALIVE};\n  }}\n}}\n");
    text
}

/// How long a host is out, and how far apart failures may be, in whole seconds as nginx has it: 0 would be no detection.
fn fail_timeout(scale: f64) -> f64 {
    (BASE_EJECTION_TIME * scale).round().max(1.0)
}

/// What its log says, and how often: it has no statistics on hosts.
pub(super) fn counted(log: &str) -> BTreeMap<String, u64> {
    let count = |(name, said): (&str, &str)| {
        let lines = log.lines().filter(|line| line.contains(said)).count();
        (format!("nginx.{name}"), lines as u64)
    };
    [
        ("temporarily_disabled", DISABLED),
        ("timed_out", "upstream timed out"),
        ("no_live_upstreams", NONE_LEFT),
    ]
    .into_iter()
    .map(count)
    .collect()
}

const DISABLED: &str = "upstream server temporarily disabled";
const NONE_LEFT: &str = "no live upstreams";

/// Whether a line of the log says that a host went, or that none was left.
pub(super) fn is_telling(line: &str) -> bool {
    line.contains(DISABLED) || line.contains(NONE_LEFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_out_for_whole_seconds_and_for_one_at_least() {
        assert_eq!(fail_timeout(1.0), 3.0);
        assert_eq!(fail_timeout(0.5), 2.0);
        assert_eq!(fail_timeout(0.1), 1.0);
    }

    #[test]
    fn the_log_is_counted() {
        let log = "[warn] 1: upstream server temporarily disabled while\n[error] 2: upstream timed out (110:\n\
                   [warn] 1: upstream server temporarily disabled while\n";
        let counted = counted(log);
        assert_eq!(counted["nginx.temporarily_disabled"], 2);
        assert_eq!(counted["nginx.timed_out"], 1);
        assert_eq!(counted["nginx.no_live_upstreams"], 0);
        assert_eq!(log.lines().filter(|line| is_telling(line)).count(), 2);
    }
}
