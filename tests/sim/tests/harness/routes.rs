//! What routes do, routes that are looked for anew, and what a module leaves for the access log.

use crate::playing;
use sidestep_sim::{Call, Request, Route, Sim};

#[test]
fn a_route_changes_what_the_host_and_the_log_see() {
    let route = Route::new()
        .rewrites_prefix("/api", "/v2")
        .rewrites_host("inner")
        .removes("k-gone")
        .adds("k-new", "1")
        .counts_attempts();
    let mut sim = playing("router").route("api", route);
    let request = || Request::get("/api/x").header("k-gone", "yes");
    sim.send(request().route("api"));
    let seen = sim.seen("a:1")[0].headers.clone();
    for (name, value) in [
        (":path", Some("/v2/x")),
        ("x-envoy-original-path", Some("/api/x")),
        (":authority", Some("inner")),
        ("k-gone", None),
        ("k-new", Some("1")),
        ("x-envoy-attempt-count", Some("1")),
    ] {
        assert_eq!(seen.get(name), value, "{name}");
    }
    let log = sim.logged("sent ").pop().unwrap();
    assert!(log.contains("(\":path\", \"/v2/x\")") && log.contains("(\"k-new\", \"1\")") && !log.contains("gone"));
    // Any other route leaves it as it is.
    sim.send(request().route("other"));
    assert_eq!(sim.seen("b:1")[0].path, "/api/x");
    assert!(sim.seen("b:1")[0].headers.has("k-gone"));
}

#[test]
fn callouts_pass_no_route() {
    let mut sim = playing("replace").route("", Route::new().adds("k-new", "1"));
    sim.host("a:1").answers(503);
    assert_eq!(sim.get("/").status, 200);
    assert!(sim.seen("a:1")[0].headers.has("k-new") && !sim.seen("b:1")[0].headers.has("k-new"));
}

fn clusters(part: &str) -> Sim {
    playing(part).cluster("standby", ["c:1"])
}

#[test]
fn a_route_that_is_looked_for_anew_leads_to_the_cluster_that_the_header_names() {
    let mut sim = clusters("cluster standby").routes_by_header("x-sidestep-cluster");
    assert_eq!(sim.get("/").tried, ["c:1"]);
    let logged = |text: &str| sim.logged(text).len();
    assert_eq!((logged("Ok("), logged("Err(NotFound)")), (1, 1), "{:?}", sim.logs());
    // Which cluster that is can't be asked before the request has gone on.
    assert_eq!(logged("to Some(\"standby\")"), 0);
    assert_eq!(sim.calls().of(Call::ForeignFunction), 2);
}

#[test]
fn a_header_that_names_no_cluster_leads_to_the_routes_own() {
    let mut sim = clusters("cluster nowhere").routes_by_header("x-sidestep-cluster");
    let answer = sim.send(Request::get("/").to("standby"));
    assert_eq!(answer.tried, ["c:1"]);
    assert_eq!(sim.logged("to Some(\"standby\")").len(), 1);
    assert_eq!(sim.get("/").tried, ["a:1"]);
}

#[test]
fn routes_that_know_no_such_header_stay_as_they_are() {
    let mut sim = clusters("cluster standby");
    assert_eq!(sim.get("/").tried, ["a:1"]);
    let logged = |text: &str| sim.logged(text).len();
    assert_eq!((logged("Ok("), logged("to Some(\"backend\")")), (1, 1));
}

#[test]
fn what_a_module_sets_as_properties_is_kept_for_the_access_log() {
    let mut sim = playing("state");
    let answer = sim.get("/");
    let expected = [("wasm.changed", "3"), ("wasm.early", "1"), ("wasm.late", "4")];
    assert_eq!(
        answer.filter_state,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    );
    assert_eq!(sim.logged("state Some(\"1\") None").len(), 1);
    assert!(playing("nothing").get("/").filter_state.is_empty());
}
