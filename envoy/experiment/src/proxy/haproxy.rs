//! HAProxy, as somebody who knows it would have it for the same aims.
//!
//! What it can't be told as the others are: with `observe`, hosts have to be checked, for checks are what brings a host
//! back. So HAProxy is the only one here that asks the hosts by itself, at [`HEALTH_PATH`], which is answered like any
//! other path and counted nowhere. And there is no limit to how many hosts may be out.

use super::{Needed, ProxyError};
use crate::aims::{BASE_EJECTION_TIME, CONSECUTIVE, PER_TRY_TIMEOUT, RAMP_TIME, RETRIES};
use crate::hosts::{HEALTH_PATH, Hosts};
use sidestep_support::{Place, Program};
use std::collections::BTreeMap;
use std::fmt::Write;

pub(super) const NEEDED: Needed = Needed {
    program: "haproxy",
    variable: "HAPROXY_BIN",
    package: "haproxy",
};

/// Where it tells what it counted.
const STATISTICS_PATH: &str = "/haproxy/statistics";

/// From one check of a host to the next, in the plan's seconds. A quarter of the ramp: the ramp takes a step with each.
const INTER: f64 = RAMP_TIME / 4.0;
/// The same after a check that differs from the one before, and after failures were observed, in the plan's seconds.
const FAST_INTER: f64 = 0.5;
/// So many checks in a row bring a host back: what the ejection time has of them. A longer time from one to the next would
/// not do, for a host that was marked down is checked at once in a hurry.
const RISE: f64 = BASE_EJECTION_TIME / FAST_INTER;

/// Starts it.
pub(super) async fn start(hosts: &Hosts, scale: f64) -> Result<Program, ProxyError> {
    let path = NEEDED.find()?;
    let place = Place::new()?;
    let file = place.write("haproxy.cfg", &config(&place, hosts, scale))?;
    // In the foreground, and so on stderr.
    let arguments = ["-db", "-f", &file.to_string_lossy()];
    Ok(Program::start("HAProxy", &path, place, &arguments).await?)
}

fn config(place: &Place, hosts: &Hosts, scale: f64) -> String {
    let ms = |plan: f64| format!("{:.0}ms", plan * scale * 1000.0);
    let timeout = format!("{}ms", PER_TRY_TIMEOUT.as_millis());
    let mut text = format!(
        "\
global
    nbthread 2

defaults
    mode http
    timeout client 30s
    timeout connect {timeout}
    # For each attempt.
    timeout server {timeout}
    timeout check {timeout}
    retries {RETRIES}
    option redispatch 1
    retry-on conn-failure empty-response response-timeout 500 502 503 504

frontend users
    bind {address}
    stats enable
    stats uri {STATISTICS_PATH}
    default_backend backend

backend backend
    balance leastconn
    # Which a proxy must not repeat (RFC 9110, 9.2.2).
    http-request disable-l7-retry if METH_POST
    option httpchk
    http-check send meth GET uri {HEALTH_PATH} ver HTTP/1.1 hdr Host hosts hdr Connection close
    http-check expect status 200
    default-server check observe layer7 error-limit {CONSECUTIVE} on-error mark-down fall {CONSECUTIVE} rise {RISE:.0}
    default-server inter {inter} fastinter {fast} downinter {inter} slowstart {ramp}
",
        address = place.address(),
        inter = ms(INTER),
        fast = ms(FAST_INTER),
        ramp = ms(RAMP_TIME),
    );
    for (number, server) in hosts.servers().iter().enumerate() {
        // Writing to a string can't fail.
        let _ = writeln!(text, "    server host{number} {}", server.address());
    }
    text
}

/// What it counted for each host, as in `haproxy.host3.hrsp_5xx`.
pub(super) async fn counted(program: &Program) -> Result<BTreeMap<String, u64>, ProxyError> {
    let answer = program.client().get(&format!("{STATISTICS_PATH};csv")).await?;
    Ok(of_table(&answer.text()))
}

/// Columns that may explain a cell: requests, failures by what failed, retries, observed failures, failed checks, times
/// out.
const COLUMNS: [&str; 10] = [
    "stot", "econ", "eresp", "wretr", "wredis", "hrsp_2xx", "hrsp_5xx", "hanafail", "chkfail", "chkdown",
];

/// From its table, which begins with the columns' names.
fn of_table(table: &str) -> BTreeMap<String, u64> {
    let mut lines = table.lines();
    let names = lines.next().unwrap_or_default().trim_start_matches("# ");
    let names: Vec<_> = names.split(',').collect();
    let mut counted = BTreeMap::new();
    for line in lines {
        // No value of these columns has a comma in it, and those that may come last.
        let row: BTreeMap<_, _> = names.iter().copied().zip(line.split(',')).collect();
        let Some(host) = row.get("svname").filter(|name| name.starts_with("host")) else {
            continue;
        };
        for column in COLUMNS {
            if let Some(count) = row.get(column).and_then(|value| value.parse().ok()) {
                counted.insert(format!("haproxy.{host}.{column}"), count);
            }
        }
    }
    counted
}

/// Whether a line of the log says that a host went or came.
pub(super) fn is_telling(line: &str) -> bool {
    line.contains("Server backend/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_read_by_the_columns_names() {
        let table = "# pxname,svname,qcur,stot,wretr,chkdown,\n\
                     users,FRONTEND,,40,,,\n\
                     backend,host0,0,12,3,1,\n\
                     backend,host1,0,28,,,\n";
        let counted: Vec<_> = of_table(table).into_iter().collect();
        let count = |name: &str, count| (name.to_owned(), count);
        assert_eq!(
            counted,
            [
                count("haproxy.host0.chkdown", 1),
                count("haproxy.host0.stot", 12),
                count("haproxy.host0.wretr", 3),
                count("haproxy.host1.stot", 28),
            ]
        );
        assert_eq!(of_table(""), BTreeMap::new());
    }
}
