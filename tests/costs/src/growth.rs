//! What grows with what: the cost of a path against the number of hosts, of clusters, of headers, and of ejected hosts.

use crate::cost::Cost;
use crate::path::{Path, Scene, Setting};
use crate::totals::What;
use std::fmt::Write;

/// What there is more and more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Hosts of the one cluster.
    Hosts,
    /// Clusters of three hosts each, which requests go to in turn.
    Clusters,
    /// Headers of a request, of 40 bytes each.
    Headers,
    /// Ejected hosts of a hundred: per cent.
    Ejected,
}

/// The costs of one path along an axis.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Along what.
    pub axis: Axis,
    /// Of which path.
    pub path: Path,
    /// How many there were, and what it cost.
    pub points: Vec<(usize, Cost)>,
}

impl Axis {
    /// All of them.
    pub const ALL: [Axis; 4] = [Axis::Hosts, Axis::Clusters, Axis::Headers, Axis::Ejected];

    /// What it is the number of.
    pub fn name(self) -> &'static str {
        match self {
            Axis::Hosts => "hosts",
            Axis::Clusters => "clusters",
            Axis::Headers => "headers",
            Axis::Ejected => "per cent ejected",
        }
    }

    /// The paths that are looked at along it.
    fn paths(self) -> &'static [Path] {
        match self {
            Axis::Hosts => &[Path::Success, Path::Ejected, Path::Failure, Path::Retry, Path::Tick],
            Axis::Clusters => &[Path::Success, Path::Ejected, Path::Failure, Path::Retry, Path::Tick],
            Axis::Headers => &[Path::Success, Path::Ejected, Path::Failure, Path::Retry],
            Axis::Ejected => &[Path::Ejected],
        }
    }

    fn values(self) -> &'static [usize] {
        match self {
            Axis::Hosts => &[1, 2, 3, 10, 30, 100, 300, 1_000],
            Axis::Clusters => &[1, 3, 10, 30, 100],
            Axis::Headers => &[7, 12, 20, 40, 60, 80, 100],
            Axis::Ejected => &[0, 10, 20, 30, 40, 50],
        }
    }

    /// The setting with so many.
    pub fn setting(self, value: usize) -> Setting {
        let usual = Setting::hosts(3);
        match self {
            Axis::Hosts => Setting::hosts(value),
            Axis::Clusters => Setting {
                clusters: value,
                ..usual
            },
            Axis::Headers => Setting {
                headers: value,
                ..usual
            },
            Axis::Ejected => Setting {
                ejected: value,
                ..Setting::hosts(100)
            },
        }
    }
}

impl Curve {
    /// The path's name, where there may be more than one ejected host.
    pub(crate) fn name(&self) -> String {
        match self.path {
            Path::Ejected => "success, hosts ejected".to_owned(),
            path => path.to_string(),
        }
    }
}

/// Whether a path is what it is called in that setting: a lone host is not ejected, and nobody else could take a retry.
fn makes_sense(path: Path, setting: Setting) -> bool {
    setting.hosts > 1 || !matches!(path, Path::Ejected | Path::Retry)
}

/// Counts all curves.
pub fn curves() -> Vec<Curve> {
    let all = Axis::ALL
        .into_iter()
        .flat_map(|axis| axis.paths().iter().map(move |path| (axis, *path)));
    all.map(|(axis, path)| {
        let settings = axis.values().iter().map(|value| (*value, axis.setting(*value)));
        let points = settings.filter(|(_, setting)| makes_sense(path, *setting));
        Curve {
            axis,
            path,
            points: points
                .map(|(value, setting)| (value, Cost::of_module(&Scene { path, setting })))
                .collect(),
        }
    })
    .collect()
}

/// The curves as CSV.
pub fn csv(curves: &[Curve]) -> String {
    const COUNTED: [What; 5] = [
        What::Instructions,
        What::Calls,
        What::Blocks,
        What::BytesToModule,
        What::BytesToHost,
    ];
    let mut csv = format!("along,value,path,{}\n", COUNTED.map(|what| what.to_string()).join(","));
    for curve in curves {
        for (value, cost) in &curve.points {
            let figures = COUNTED.map(|what| cost.figure(what).to_string()).join(",");
            let _ = writeln!(csv, "{},{value},\"{}\",{figures}", curve.axis.name(), curve.name());
        }
    }
    csv
}
