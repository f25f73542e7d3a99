//! The hosts: one nginx.

use crate::error::BenchError;
use sidestep_support::{Client, Folder, Process, in_path, wait_for};
use std::fmt::Write;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

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

/// So often another port is tried, should somebody else have taken one meanwhile.
const TRIES: usize = 10;

/// nginx, with one worker.
#[derive(Debug)]
pub(crate) struct Upstream {
    good: u16,
    bad: u16,
    stumbling: u16,
    _process: Process,
}

impl Upstream {
    /// Starts it and waits until it serves.
    pub(crate) async fn start() -> Result<Self, BenchError> {
        let mut last = None;
        for _ in 0..TRIES {
            match Self::try_start().await {
                Err(BenchError::Upstream(log)) if log.contains("Address already in use") => last = Some(log),
                other => return other,
            }
        }
        Err(BenchError::Upstream(last.unwrap_or_default()))
    }

    async fn try_start() -> Result<Self, BenchError> {
        let program = in_path("nginx")
            .or_else(|| Some("/usr/sbin/nginx".into()).filter(|path: &std::path::PathBuf| path.is_file()));
        let program = program.ok_or(BenchError::Missing {
            program: "nginx",
            package: "nginx-light",
        })?;
        let folder = Arc::new(Folder::new()?);
        let [good, bad, stumbling] = free_ports()?;
        let file = folder.file("nginx.conf");
        std::fs::write(&file, configuration(good, bad, stumbling, &folder))?;
        let (file, prefix) = (file.to_string_lossy().into_owned(), folder.file(""));
        let arguments = ["-c", &file, "-p", &prefix.to_string_lossy(), "-e", "stderr"];
        let mut process = Process::start("nginx", &program, Arc::clone(&folder), &prefix, &arguments)?;
        let client = Client::new(address(MOST_HOSTS - 1, good));
        let serves = wait_for("nginx", || async {
            let answer = client.get("/").await.ok()?;
            (answer.status() == 200).then_some(())
        });
        let ended = async {
            while !matches!(process.ended(), Ok(Some(_)) | Err(_)) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            outcome = serves => outcome?,
            () = ended => return Err(BenchError::Upstream(folder.log_tail())),
        }
        Ok(Self {
            good,
            bad,
            stumbling,
            _process: process,
        })
    }

    /// The first `count` hosts.
    pub(crate) fn hosts(&self, who: Who, count: usize) -> Vec<SocketAddr> {
        let all = |port| (0..count).map(move |number| address(number, port));
        match who {
            Who::Good => all(self.good).collect(),
            Who::Stumbling => all(self.stumbling).collect(),
            Who::OneBad => std::iter::once(address(0, self.bad)).chain(all(self.good)).collect(),
        }
    }
}

fn address(number: usize, port: u16) -> SocketAddr {
    let number = u32::try_from(number).unwrap_or(0);
    // From 127.0.0.1 on; all of 127.0.0.0/8 is loopback.
    SocketAddr::from((Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + number), port))
}

/// Ports that are free now.
fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut ports = [0; N];
    // All are held until all are known.
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn configuration(good: u16, bad: u16, stumbling: u16, folder: &Folder) -> String {
    let temporary = folder.file("tmp");
    let temporary = temporary.display();
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
pid {temporary}.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path {temporary}-body;
  proxy_temp_path {temporary}-proxy;
  fastcgi_temp_path {temporary}-fastcgi;
  uwsgi_temp_path {temporary}-uwsgi;
  scgi_temp_path {temporary}-scgi;
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
        listen(bad, 1),
        listen(stumbling, 16),
    )
}
