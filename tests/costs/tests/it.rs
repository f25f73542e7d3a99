//! The gate: costs are what the record says, and don't grow with what they must not grow with.

use sidestep_costs::{Cost, Figure, Path, Record, Scene, Setting, What};

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
