//! A gRPC server does as it is told, to a client that sees it all: with Envoy in between, and without.

use sidestep_support::{
    ClientError, Cluster, Envoy, EnvoyConfig, Gate, GrpcCall, GrpcClient, GrpcCode, GrpcMethod, GrpcReply, GrpcUpstream,
};
use std::time::Duration;

async fn envoy(upstreams: &[&GrpcUpstream]) -> Envoy {
    let cluster = Cluster::new("backend").http2();
    let cluster = upstreams
        .iter()
        .fold(cluster, |cluster, a| cluster.address(a.address()));
    let config = EnvoyConfig::new([cluster]).without_filter();
    Envoy::start(config).await.unwrap()
}

/// A server with a client of its own, and one by way of Envoy. Envoy ends with its value.
async fn both() -> (GrpcUpstream, [GrpcClient; 2], Envoy) {
    let a = GrpcUpstream::new("a").await;
    let envoy = envoy(&[&a]).await;
    let clients = [
        GrpcClient::connect(a.address()).await.unwrap(),
        envoy.grpc().await.unwrap(),
    ];
    (a, clients, envoy)
}

#[tokio::test]
async fn answers_each_kind_of_call() {
    let (a, clients, _envoy) = both().await;
    for client in clients {
        a.reset();
        for (call, method, texts) in [
            (GrpcCall::say("x"), GrpcMethod::Say, vec!["x"]),
            (GrpcCall::listen("x"), GrpcMethod::Listen, vec!["x", "x", "x"]),
            (GrpcCall::collect(["x", "y"]), GrpcMethod::Collect, vec!["x,y"]),
            (GrpcCall::chat(["x", "y"]), GrpcMethod::Chat, vec!["x", "y"]),
        ] {
            let answer = client.call(call.metadata("x-a", "1")).await.unwrap();
            assert_eq!((answer.code, answer.message.as_str()), (GrpcCode::Ok, ""), "{method:?}");
            assert_eq!((answer.texts(), answer.upstream()), (texts, "a"));
            assert!(answer.notes.iter().all(|note| note.from == "a"));
            assert!(!answer.trailers_only && !answer.broken);
            assert_eq!(answer.trailers["grpc-status"], "0");
            assert_eq!(a.count_of(method), 1);
        }
        assert_eq!(a.count(), 4);
        let notes: Vec<_> = a.received().into_iter().map(|call| call.notes.join(" ")).collect();
        assert_eq!(notes, ["x", "x", "x y", "x y"]);
        assert!(a.received().iter().all(|call| call.headers["x-a"] == "1"));
    }
}

#[tokio::test]
async fn a_status_comes_after_a_note() {
    let (a, clients, _envoy) = both().await;
    let reply = GrpcReply::ok().notes(1).metadata("x-b", "2").pushback_ms(-1);
    a.set(reply.then_status(GrpcCode::Unavailable, "gone: ü"));
    for client in clients {
        for method in GrpcMethod::ALL {
            let answer = client.call(GrpcCall::of(method, "x")).await.unwrap();
            assert_eq!(answer.code, GrpcCode::Unavailable, "{method:?}");
            assert_eq!(answer.message, "gone: ü");
            assert_eq!(answer.texts(), ["x"]);
            assert!(!answer.trailers_only && !answer.broken);
            assert_eq!((answer.upstream(), answer.header("x-b")), ("a", Some("2")));
            assert_eq!(answer.trailers["grpc-retry-pushback-ms"], "-1");
            assert!(!answer.metadata.contains_key("grpc-retry-pushback-ms"));
        }
    }
}

#[tokio::test]
async fn a_status_comes_in_trailers_without_a_note() {
    let (a, clients, _envoy) = both().await;
    a.set(GrpcReply::ok().notes(0).then_status(GrpcCode::Aborted, ""));
    for client in clients {
        let answer = client.call(GrpcCall::say("x")).await.unwrap();
        assert_eq!((answer.code, answer.trailers_only), (GrpcCode::Aborted, false));
        assert!(answer.notes.is_empty());
    }
}

#[tokio::test]
async fn a_status_comes_alone() {
    let (a, clients, _envoy) = both().await;
    let reply = GrpcReply::status(GrpcCode::ResourceExhausted, "full");
    a.set(reply.metadata("x-b", "2").pushback_ms(1500));
    for client in clients {
        a.reset();
        for method in GrpcMethod::ALL {
            let answer = client.call(GrpcCall::of(method, "x")).await.unwrap();
            assert_eq!(answer.code, GrpcCode::ResourceExhausted, "{method:?}");
            assert_eq!(answer.message, "full");
            assert!(answer.trailers_only && !answer.broken);
            assert_eq!((answer.upstream(), answer.header("x-b")), ("a", Some("2")));
            assert_eq!(answer.header("grpc-retry-pushback-ms"), Some("1500"));
            assert_eq!(a.count_of(method), 1);
        }
        assert_eq!(a.received()[0].notes, ["x"]);
    }
}

#[tokio::test]
async fn replies_queue_up_and_differ_by_method() {
    let a = GrpcUpstream::new("a").await;
    let client = GrpcClient::connect(a.address()).await.unwrap();
    a.set_next(GrpcReply::status(GrpcCode::Internal, ""));
    a.set_next(GrpcReply::status(GrpcCode::DataLoss, ""));
    a.set_method(GrpcMethod::Listen, GrpcReply::ok().notes(5));
    a.set(GrpcReply::status(GrpcCode::NotFound, ""));
    let mut codes = Vec::new();
    for method in [GrpcMethod::Listen, GrpcMethod::Say, GrpcMethod::Listen, GrpcMethod::Say] {
        let answer = client.call(GrpcCall::of(method, "x")).await.unwrap();
        codes.push((answer.code, answer.notes.len()));
    }
    let expected = [
        (GrpcCode::Internal, 0),
        (GrpcCode::DataLoss, 0),
        (GrpcCode::Ok, 5),
        (GrpcCode::NotFound, 0),
    ];
    assert_eq!(codes, expected);
}

#[tokio::test]
async fn a_conversation_goes_to_and_fro() {
    let (_a, clients, _envoy) = both().await;
    for client in clients {
        let mut chat = client.open(GrpcCall::chat(["one"]));
        for text in ["two", "three"] {
            assert!(chat.next().await.unwrap().is_some());
            chat.say(text).await;
        }
        assert_eq!(chat.next().await.unwrap().unwrap().text, "three");
        chat.finish();
        assert_eq!(chat.next().await.unwrap(), None);
        let answer = chat.end().await.unwrap();
        assert_eq!(
            (answer.code, answer.texts()),
            (GrpcCode::Ok, vec!["one", "two", "three"])
        );
    }
}

#[tokio::test]
async fn waits_at_a_gate_before_its_headers_and_before_its_end() {
    let (a, clients, _envoy) = both().await;
    for client in clients {
        for method in GrpcMethod::ALL {
            let (before, after) = (Gate::new(), Gate::new());
            let reply = GrpcReply::ok().notes(1).held_at(&before).held_after_notes(&after);
            a.set(reply.then_status(GrpcCode::Aborted, ""));
            let mut call = client.open(GrpcCall::of(method, "x"));
            call.finish();
            before.until_arrived(1).await.unwrap();
            assert_eq!(after.arrived(), 0);
            before.open();
            assert_eq!(call.next().await.unwrap().unwrap().text, "x");
            after.until_arrived(1).await.unwrap();
            after.open();
            assert_eq!(call.end().await.unwrap().code, GrpcCode::Aborted);
        }
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled() {
    let (a, clients, _envoy) = both().await;
    for client in clients {
        for method in GrpcMethod::ALL {
            let (before, after) = (Gate::new(), Gate::new());
            a.set_next(GrpcReply::ok().held_at(&before));
            let mut call = client.open(GrpcCall::of(method, "x"));
            call.finish();
            before.until_arrived(1).await.unwrap();
            drop(call);
            before.until_empty().await.unwrap();
            a.set_next(GrpcReply::ok().notes(1).held_after_notes(&after));
            let mut call = client.open(GrpcCall::of(method, "x"));
            call.finish();
            call.next().await.unwrap().unwrap();
            after.until_arrived(1).await.unwrap();
            drop(call);
            after.until_empty().await.unwrap();
        }
    }
}

#[tokio::test]
async fn resets_instead_of_an_answer_and_after_a_note() {
    let (a, [client, through_envoy], envoy) = both().await;
    let unanswered = [GrpcReply::reset(), GrpcReply::refuse_stream()];
    for reply in unanswered {
        a.set(reply);
        for method in GrpcMethod::ALL {
            let call = GrpcCall::of(method, "x");
            let answer = client.call(call.clone()).await.unwrap();
            assert!(answer.broken && answer.code != GrpcCode::Ok, "{answer:?}");
            // Envoy makes it a status.
            let answer = through_envoy.call(call).await.unwrap();
            assert_eq!((answer.code, answer.broken), (GrpcCode::Unavailable, false));
        }
    }
    // One that was refused is counted elsewhere.
    assert_eq!(envoy.stat("cluster.backend.upstream_rq_rx_reset").await.unwrap(), 4);
    for client in [client, through_envoy] {
        let gate = Gate::new();
        a.set(GrpcReply::ok().notes(2).held_after_notes(&gate).then_reset());
        let mut call = client.open(GrpcCall::listen("x"));
        for _ in 0..2 {
            call.next().await.unwrap().unwrap();
        }
        gate.open();
        let answer = call.end().await.unwrap();
        assert!(answer.broken && answer.code != GrpcCode::Ok, "{answer:?}");
        assert_eq!((answer.texts(), answer.upstream()), (vec!["x", "x"], "a"));
    }
}

#[tokio::test]
async fn refuses_while_it_is_stopped_and_comes_back_on_its_port() {
    let a = GrpcUpstream::new("a").await;
    let envoy = envoy(&[&a]).await;
    let client = envoy.grpc().await.unwrap();
    a.stop().await;
    assert!(matches!(
        GrpcClient::connect(a.address()).await,
        Err(ClientError::Connect(_))
    ));
    let answer = client.call(GrpcCall::say("x")).await.unwrap();
    assert_eq!((answer.code, answer.trailers_only), (GrpcCode::Unavailable, true));
    a.start().await;
    let answer = client.call(GrpcCall::say("x")).await.unwrap();
    assert_eq!((answer.code, a.count()), (GrpcCode::Ok, 1));
}

#[tokio::test]
async fn a_timeout_is_told_to_the_server() {
    let (a, [client, _], _envoy) = both().await;
    let call = GrpcCall::say("x").timeout(Duration::from_millis(1500));
    client.call(call).await.unwrap();
    assert_eq!(a.received()[0].headers["grpc-timeout"], "1500000u");
    a.until_count(1).await.unwrap();
}

#[tokio::test]
async fn envoy_serves_all_of_them_in_turn() {
    let (a, b) = (GrpcUpstream::new("a").await, GrpcUpstream::new("b").await);
    let envoy = envoy(&[&a, &b]).await;
    let client = envoy.grpc().await.unwrap();
    for _ in 0..4 {
        client.call(GrpcCall::say("x")).await.unwrap();
    }
    assert_eq!((a.count(), b.count()), (2, 2));
}
