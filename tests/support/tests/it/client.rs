//! A client sends its bodies as it is told to, and hangs up when it is told to.

use serde_json::json;
use sidestep_support::{Behaviour, Client, Cluster, Envoy, EnvoyConfig, Gate, Reply, Request, Upstream};

/// An upstream and a client of it, by HTTP/1.1 and by HTTP/2.
async fn both() -> [(Upstream, Client); 2] {
    let (one, two) = (Upstream::http1("a").await, Upstream::http2("a").await);
    let clients = [Client::new(one.address()), Client::new(two.address()).http2()];
    let [to_one, to_two] = clients;
    [(one, to_one), (two, to_two)]
}

#[tokio::test]
async fn a_body_comes_in_pieces_and_with_trailers() {
    for (a, client) in both().await {
        let request = Request::new("PUT", "/")
            .pieces(["a", "", "bc"])
            .trailer("x-sum", "1")
            .trailer("x-raw", b"\xff");
        client.send(request).await.unwrap();
        let received = &a.received()[0];
        assert!(received.whole);
        assert_eq!(received.body, "abc");
        assert_eq!(received.header("content-length"), None);
        let mut trailers = received.trailers.clone();
        trailers.sort();
        let raw = ("x-raw".to_owned(), b"\xff"[..].to_vec().into());
        assert_eq!(trailers, [raw, ("x-sum".to_owned(), "1".into())]);
    }
}

#[tokio::test]
async fn each_piece_is_a_chunk() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(listener.local_addr().unwrap());
    let request = Request::new("PUT", "/").pieces(["a", "bc"]).trailer("x-sum", "1");
    let answer = tokio::spawn(async move { client.send(request).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut seen = String::new();
    while !seen.ends_with("\r\n\r\n") || seen.matches("\r\n\r\n").count() < 2 {
        let mut buffer = [0; 1000];
        let length = stream.read(&mut buffer).await.unwrap();
        seen.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    assert!(
        seen.ends_with("\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nx-sum: 1\r\n\r\n"),
        "{seen}"
    );
    let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(ok).await.unwrap();
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_halts_at_a_gate() {
    for (a, client) in both().await {
        for request in [
            Request::new("PUT", "/").pieces(["ab", "c"]),
            Request::new("PUT", "/").body("abc"),
            Request::new("PUT", "/").body("abc").chunked(1),
        ] {
            a.reset();
            let gate = Gate::new();
            let request = request.body_held_at(&gate);
            let answer = tokio::spawn(async move { client.send(request).await });
            gate.until_arrived(1).await.unwrap();
            assert_eq!(a.count(), 0);
            gate.open();
            assert_eq!(answer.await.unwrap().unwrap().status(), 200);
            assert_eq!(a.received()[0].body, "abc");
        }
    }
}

#[tokio::test]
async fn hangs_up_in_the_middle_of_the_body() {
    for (a, client) in both().await {
        let gate = Gate::new();
        let request = Request::new("PUT", "/").pieces(["a", "b"]).body_held_at(&gate);
        let moment = async {
            gate.until_arrived(1).await.unwrap();
            while a.in_flight() == 0 {
                tokio::task::yield_now().await;
            }
        };
        assert!(client.send_until(request, moment).await.is_none());
        a.until_count(1).await.unwrap();
        assert!(!a.received()[0].whole);
    }
}

#[tokio::test]
async fn hangs_up_while_it_waits_for_the_answer() {
    for (a, client) in both().await {
        let gate = Gate::new();
        a.set(Reply::status(200).held_at(&gate));
        let moment = gate.until_arrived(1);
        assert!(client.send_until(Request::get("/"), moment).await.is_none());
        gate.until_empty().await.unwrap();
        a.set(Behaviour::Echo);
        let answer = client.send_until(Request::get("/"), std::future::pending::<()>()).await;
        assert_eq!(answer.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn gives_one_stream_up_and_keeps_the_connection() {
    let a = Upstream::http2("a").await;
    let gate = Gate::new();
    a.set_next(Reply::status(200).held_at(&gate));
    let mut connection = Client::new(a.address()).http2().connect().await.unwrap();
    let given_up = connection.send_until(Request::get("/"), gate.until_arrived(1)).await;
    assert!(given_up.is_none());
    gate.until_empty().await.unwrap();
    assert_eq!(connection.get("/").await.unwrap().status(), 200);
    assert_eq!(a.connections(), 1);
}

#[tokio::test]
async fn envoy_takes_all_of_it_by_both_protocols() {
    let a = Upstream::http2("a").await;
    let config = EnvoyConfig::new([Cluster::new("backend").host(&a).http2()])
        .without_filter()
        .connection_manager("http_protocol_options", json!({"enable_trailers": true}))
        .access_log("%RESPONSE_FLAGS%");
    let envoy = Envoy::start(config).await.unwrap();
    for client in [envoy.client(), envoy.client().http2()] {
        a.reset();
        let request = Request::new("PUT", "/").pieces(["a", "b"]).trailer("x-sum", "1");
        assert_eq!(client.send(request).await.unwrap().status(), 200);
        let received = &a.received()[0];
        assert_eq!(received.body, "ab");
        assert_eq!(received.trailers, [("x-sum".to_owned(), "1".into())]);
        let gate = Gate::new();
        a.set_next(Reply::status(200).held_at(&gate));
        let moment = gate.until_arrived(1);
        assert!(client.send_until(Request::get("/"), moment).await.is_none());
        gate.until_empty().await.unwrap();
    }
    // DC: the client closed the connection. DR: it reset the stream, which over HTTP/2 may come first.
    let flags = envoy.until_access_log(4).await.unwrap();
    let [_, one, _, two] = &flags[..] else {
        panic!("{flags:?}");
    };
    assert_eq!(one, "DC");
    assert!(["DC", "DR"].contains(&two.as_str()), "{two}");
}
