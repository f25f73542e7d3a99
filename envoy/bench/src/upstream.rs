//! The hosts: one nginx.

use crate::error::BenchError;
use sidestep_support::{Place, Program};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};

/// What hosts a contender has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// They answer 200.
    Good,
    /// The first one answers 503, and as many as else are good.
    OneBad,
    /// Each answers 503 to one request of a hundred.
    Stumbling,
}

/// The most hosts of a cluster: each has an address of loopback of its own.
pub(crate) const MOST_HOSTS: usize = 1_000;

/// The most hosts that answer 503, and the most that stumble.
pub(crate) const MOST_BAD: usize = 16;

/// nginx, with one worker.
#[derive(Debug)]
pub(crate) struct Upstream {
    good: u16,
    bad: u16,
    stumbling: u16,
    _nginx: Program,
    /// They keep the other two ports ours.
    _places: [Place; 2],
}

impl Upstream {
    /// Starts it and waits until it serves.
    pub(crate) async fn start() -> Result<Self, BenchError> {
        let program = Program::find("nginx", "NGINX_BIN").ok_or(BenchError::Missing {
            program: "nginx",
            package: "nginx-light",
        })?;
        let places = [Place::new()?, Place::new()?, Place::new()?];
        let [good, bad, stumbling] = places.each_ref().map(|place| place.address().port());
        let [place, others @ ..] = places;
        let file = place.write("nginx.conf", &configuration(good, bad, stumbling))?;
        let arguments = ["-c", &file.to_string_lossy(), "-p", ".", "-e", "stderr"];
        Ok(Self {
            good,
            bad,
            stumbling,
            _nginx: Program::start("nginx", &program, place, &arguments).await?,
            _places: others,
        })
    }

    /// The first `count` hosts.
    pub(crate) fn hosts(&self, who: Who, count: usize) -> Vec<SocketAddr> {
        let all = |port| (0..count).map(move |number| address(number, port));
        match who {
            Who::Good => all(self.good).collect(),
            Who::Stumbling => all(self.stumbling).collect(),
            Who::OneBad => self.some_bad(1, count),
        }
    }

    /// `bad` hosts that answer 503, at most [`MOST_BAD`], and then `good` ones.
    pub(crate) fn some_bad(&self, bad: usize, good: usize) -> Vec<SocketAddr> {
        let bad = (0..bad).map(|number| address(number, self.bad));
        bad.chain((0..good).map(|number| address(number, self.good))).collect()
    }
}

fn address(number: usize, port: u16) -> SocketAddr {
    let number = u32::try_from(number).unwrap_or(0);
    // From 127.0.0.1 on; all of 127.0.0.0/8 is loopback.
    SocketAddr::from((Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + number), port))
}

fn configuration(good: u16, bad: u16, stumbling: u16) -> String {
    let listen = |port: u16, count: usize| {
        (0..count).fold(String::new(), |mut text, number| {
            // Writing to a string can't fail.
            let _ = writeln!(text, "    listen {} backlog=1024;", address(number, port));
            text
        })
    };
    let large: String = (0..20)
        .map(|number| format!("      add_header x-large-{number} \"{}\";\n", "v".repeat(100)))
        .collect();
    let body = "x".repeat(512);
    let paths = format!(
        "    location / {{ return 200 \"{body}\"; }}\n    location /large {{\n{large}      return 200 \"{body}\";\n    }}\n"
    );
    format!(
        "daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_body_buffer_size 64k;
  client_header_buffer_size 32k;
  split_clients \"$connection-$connection_requests-$msec\" $stumbles {{ 1% 1; * 0; }}
  server {{
{}{paths}  }}
  server {{
{}    return 503;
  }}
  server {{
{}    if ($stumbles) {{ return 503; }}
{paths}  }}
}}
",
        listen(good, MOST_HOSTS),
        listen(bad, MOST_BAD),
        listen(stumbling, MOST_BAD),
    )
}
