//! gRPC behind the router engine: a real service, all four kinds of call.

use serde_json::{Value, json};
use sidestep_support::{Cluster, Envoy, EnvoyConfig, GrpcCall, GrpcCode, GrpcMethod, GrpcReply, GrpcUpstream};

async fn services(retry: Value) -> ([GrpcUpstream; 3], Envoy) {
    let servers = [
        GrpcUpstream::new("a").await,
        GrpcUpstream::new("b").await,
        GrpcUpstream::new("c").await,
    ];
    let mut cluster = Cluster::new("backend").http2();
    for server in &servers {
        cluster = cluster.address(server.address());
    }
    let plugin = json!({
        "picking": {"discovery_percent": 0},
        "retry": retry,
        "clusters": {"backend": {"hosts": servers.each_ref().map(|server| server.address().to_string())}},
    });
    let envoy = Envoy::start(EnvoyConfig::new([cluster]).plugin(&plugin)).await.unwrap();
    (servers, envoy)
}

fn retried() -> Value {
    json!({
        "retry_on": "cancelled,deadline-exceeded,internal,resource-exhausted,unavailable,reset,connect-failure,refused-stream",
        "budget": {"min_retries_per_second": 10_000},
    })
}

#[tokio::test]
async fn no_call_of_any_kind_fails_while_one_of_three_services_answers_trailers_only() {
    for code in [
        GrpcCode::Unavailable,
        GrpcCode::Internal,
        GrpcCode::DeadlineExceeded,
        GrpcCode::ResourceExhausted,
        GrpcCode::Cancelled,
    ] {
        let (servers, envoy) = services(retried()).await;
        servers[0].set(GrpcReply::status(code, "not now"));
        let client = envoy.grpc().await.unwrap();
        for method in GrpcMethod::ALL {
            for number in 0..6 {
                let answer = client.call(GrpcCall::of(method, &number.to_string())).await.unwrap();
                assert_eq!(answer.code, GrpcCode::Ok, "{code:?} {method:?}: {}", answer.message);
                assert_ne!(answer.upstream(), "a");
            }
        }
        assert!(servers[0].count() > 0);
    }
}

#[tokio::test]
async fn a_service_that_is_down_is_stepped_over_and_ejected() {
    let (servers, envoy) = services(retried()).await;
    servers[0].stop().await;
    let client = envoy.grpc().await.unwrap();
    for number in 0..40 {
        let answer = client.call(GrpcCall::say(&number.to_string())).await.unwrap();
        assert_eq!(answer.code, GrpcCode::Ok, "{}", answer.message);
    }
    envoy.until_log("ejected host").await.unwrap();
}

#[tokio::test]
async fn a_status_in_real_trailers_reaches_the_client_and_counts_against_the_host() {
    let (servers, envoy) = services(retried()).await;
    servers[0].set(GrpcReply::ok().notes(1).then_status(GrpcCode::Unavailable, "gone"));
    let client = envoy.grpc().await.unwrap();
    let mut failed = 0;
    for number in 0..60 {
        let answer = client.call(GrpcCall::listen(&number.to_string())).await.unwrap();
        failed += u64::from(answer.code == GrpcCode::Unavailable);
    }
    assert_eq!(failed, 5, "until it is out");
    envoy.until_log("ejected host").await.unwrap();
}

#[tokio::test]
async fn no_call_is_repeated_unless_retry_on_names_a_grpc_status() {
    let (servers, envoy) = services(json!({})).await;
    for server in &servers {
        server.set(GrpcReply::status(GrpcCode::Unavailable, "not now"));
    }
    let client = envoy.grpc().await.unwrap();
    for number in 1..=4 {
        let answer = client.call(GrpcCall::say("x")).await.unwrap();
        assert_eq!(answer.code, GrpcCode::Unavailable);
        let all: usize = servers.iter().map(GrpcUpstream::count).sum();
        assert_eq!(all, number);
    }
}

#[tokio::test]
async fn a_host_whose_calls_are_repeated_is_ejected_after_five_of_them() {
    let (servers, envoy) = services(json!({
        "retry_on": "unavailable,reset,connect-failure",
        "budget": {"min_retries_per_second": 10_000},
    }))
    .await;
    let client = envoy.grpc().await.unwrap();
    // By then it is known that pins are followed.
    for number in 0..10 {
        client.call(GrpcCall::say(&number.to_string())).await.unwrap();
    }
    let before = servers[0].count();
    servers[0].set(GrpcReply::status(GrpcCode::Unavailable, "not now"));
    for number in 0..60 {
        let answer = client.call(GrpcCall::say(&number.to_string())).await.unwrap();
        assert_eq!(answer.code, GrpcCode::Ok);
    }
    envoy.until_log("ejected host").await.unwrap();
    assert_eq!(servers[0].count() - before, 5);
}
