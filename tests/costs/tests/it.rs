//! The gate: costs are what the record says, and don't grow with what they must not grow with.

use sidestep_costs::{Axis, Cost, Figure, Path, Record, Scene, Setting, What};

fn scene(path: Path, hosts: usize) -> Scene {
    Scene {
        path,
        setting: Setting::hosts(hosts),
    }
}

#[test]
fn costs_are_what_the_record_says() {
    let record = Record::read().expect("the record");
    let complaints = record.complaints(&Record::counted());
    assert!(
        complaints.is_empty(),
        "{}\nIf it has to be so: `./build.sh costs --accept`.",
        complaints.join("\n")
    );
}

#[test]
fn each_path_is_what_its_name_says() {
    for path in Path::ALL {
        let cost = Cost::of_module(&scene(path, 3));
        let makes = |call| cost.figure(What::call(call).expect("a host function")) > Figure::default();
        // Headers for Envoy's router: a pin, or its orders to retry.
        let steers = matches!(path, Path::SuccessRouter | Path::Ejected);
        let fails = matches!(path, Path::Failure | Path::FailureOfAll | Path::Retry);
        let writes = fails || matches!(path, Path::SuccessAfterFailure | Path::Interval);
        let seen = ["replace_header_map_value", "set_shared_data", "http_call"].map(makes);
        assert_eq!(seen, [steers, writes, path == Path::Retry], "{path}");
        // The copy of a request's body, or the body of a callout's answer.
        let reads_a_body = matches!(path, Path::SuccessPut | Path::Retry);
        assert_eq!(makes("get_buffer_bytes"), reads_a_body, "{path}");
    }
}

#[test]
fn the_same_is_counted_twice() {
    for path in Path::ALL {
        let scene = scene(path, 3);
        assert_eq!(Cost::of(&scene), Cost::of(&scene), "{path}");
    }
}

#[test]
fn the_simulator_counts_the_same_host_calls() {
    for path in Path::ALL {
        let scene = scene(path, 3);
        let calls = |cost: &Cost| cost.calls().collect::<Vec<(What, Figure)>>();
        let (module, simulated) = (Cost::of_module(&scene), Cost::of_simulated(&scene));
        assert_eq!(calls(&module), calls(&simulated), "{path}");
    }
}

/// A request that succeeds costs the same along the axis, but for a percent, in all that is counted.
fn success_stays(path: Path, axis: Axis, few: usize, many: usize) {
    let cost = |value| {
        let setting = axis.setting(value);
        Cost::of(&Scene { path, setting })
    };
    let (few, many) = (cost(few), cost(many));
    for what in What::COLUMNS {
        let (few, many) = (few.figure(what), many.figure(what));
        assert!(many.value() <= few.value() * 1.01, "{path}: {what} {few} and {many}");
    }
}

#[test]
fn nothing_on_the_success_path_grows_with_hosts() {
    success_stays(Path::Success, Axis::Hosts, 3, 1_000);
}

#[test]
fn nothing_grows_with_hosts_while_one_is_ejected() {
    // From four hosts on a pin names three.
    success_stays(Path::Ejected, Axis::Hosts, 4, 1_000);
}

/// How long a look-up takes depends on what else has its place in the map: the numbers in between cost up to 0.9 % less than
/// one cluster, and up to 0.4 % more.
#[test]
fn nothing_on_the_success_path_grows_with_clusters() {
    success_stays(Path::Success, Axis::Clusters, 1, 100);
}
