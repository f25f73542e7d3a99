//! An upstream does as it is told, seen without Envoy in between.

use sidestep_support::{Behaviour, Client, ClientError, Gate, Reply, Request, Upstream, wait_for};
use std::time::{Duration, Instant};

#[tokio::test]
async fn answers_with_its_name_until_told_otherwise() {
    let a = Upstream::http1("a").await;
    let answer = Client::new(a.address()).get("/x?y=1").await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "a"));
    assert_eq!((answer.upstream(), answer.header("content-length")), ("a", Some("1")));
    assert_eq!(a.received()[0].path, "/x?y=1");
}

#[tokio::test]
async fn answers_with_any_status_and_body() {
    let a = Upstream::http1("a").await;
    let client = Client::new(a.address());
    a.set(Reply::status(503));
    let empty = client.get("/").await.unwrap();
    assert_eq!((empty.status(), empty.header("content-length")), (503, Some("0")));
    a.set(Reply::status(418).body("teapot").header("x-tea", "green").chunked());
    let chunked = client.get("/").await.unwrap();
    assert_eq!((chunked.status(), chunked.text().as_str()), (418, "teapot"));
    assert_eq!(chunked.header("transfer-encoding"), Some("chunked"));
    assert_eq!(
        (chunked.header("content-length"), chunked.header("x-tea")),
        (None, Some("green"))
    );
    a.set(Reply::status(204));
    assert_eq!(client.get("/").await.unwrap().header("content-length"), None);
}

#[tokio::test]
async fn sends_trailers() {
    let a = Upstream::http1("a").await;
    a.set(
        Reply::status(200)
            .body("b")
            .trailer("x-sum", "1")
            .header("trailer", "x-sum"),
    );
    let request = Request::get("/").header("te", "trailers");
    let answer = Client::new(a.address()).send(request).await.unwrap();
    assert_eq!(answer.trailers().get("x-sum").unwrap(), "1");
}

#[tokio::test]
async fn tells_head_how_long_the_body_would_be() {
    let a = Upstream::http1("a").await;
    let answer = Client::new(a.address()).send(Request::new("HEAD", "/")).await.unwrap();
    assert_eq!((answer.header("content-length"), answer.body().len()), (Some("1"), 0));
}

#[tokio::test]
async fn echoes_and_remembers_the_request() {
    let a = Upstream::http1("a").await;
    a.set(Behaviour::Echo);
    let body = vec![7; 100_000];
    for request in [
        Request::new("PUT", "/p").body(body.clone()),
        Request::new("PUT", "/p").body(body.clone()).chunked(999),
    ] {
        let answer = Client::new(a.address())
            .send(request.header("x-a", b"\xff"))
            .await
            .unwrap();
        assert_eq!(answer.body(), &body);
        assert_eq!(answer.header("x-echo-method"), Some("PUT"));
    }
    let received = a.received();
    assert!(received.iter().all(|request| request.whole && request.body == body));
    assert_eq!(received[0].headers["x-a"].as_bytes(), b"\xff");
    assert_eq!(received[1].header("transfer-encoding"), Some("chunked"));
    assert_eq!(a.count(), 2);
    a.reset();
    assert_eq!((a.count(), a.received().len()), (0, 0));
}

#[tokio::test]
async fn refuses_while_it_is_stopped_and_comes_back_on_its_port() {
    let a = Upstream::http1("a").await;
    let client = Client::new(a.address());
    let mut connection = client.connect().await.unwrap();
    connection.get("/").await.unwrap();
    a.stop().await;
    assert!(!a.is_up());
    assert!(matches!(connection.get("/").await, Err(ClientError::NoAnswer(_))));
    assert!(matches!(client.get("/").await, Err(ClientError::Connect(_))));
    a.start().await;
    assert_eq!(client.get("/").await.unwrap().status(), 200);
    assert_eq!(a.connections(), 2);
}

#[tokio::test]
async fn closes_without_a_word() {
    let a = Upstream::http1("a").await;
    a.set(Behaviour::Close);
    let answer = Client::new(a.address()).get("/").await;
    assert!(matches!(answer, Err(ClientError::NoAnswer(_))), "{answer:?}");
    assert_eq!(a.count(), 1);
}

#[tokio::test]
async fn closes_in_the_middle_of_the_headers() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let a = Upstream::http1("a").await;
    a.set(Reply::status(200).cut_in_headers());
    let mut stream = tokio::net::TcpStream::connect(a.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"HTTP/1.1 200 OK\r\n");
}

#[tokio::test]
async fn closes_in_the_middle_of_the_body() {
    let a = Upstream::http1("a").await;
    for reply in [Reply::status(200), Reply::status(200).chunked()] {
        a.set(reply.body("12345678").cut_in_body());
        let answer = Client::new(a.address()).get("/").await;
        assert!(
            matches!(answer, Err(ClientError::BrokeOff { status: 200, .. })),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn is_slow_before_the_headers_and_in_the_body() {
    let a = Upstream::http1("a").await;
    let client = Client::new(a.address());
    let pause = Duration::from_millis(30);
    for reply in [
        Reply::status(200).body("ab").after(pause),
        Reply::status(200).body("ab").pausing_in_body(pause),
    ] {
        a.set(reply);
        let start = Instant::now();
        assert_eq!(client.get("/").await.unwrap().text(), "ab");
        assert!(start.elapsed() >= pause);
    }
}

#[tokio::test]
async fn waits_at_a_gate_and_notices_that_the_client_has_gone() {
    let a = Upstream::http1("a").await;
    let client = Client::new(a.address());
    let gate = Gate::new();
    a.set(Reply::status(200).held_at(&gate));
    let stays = tokio::spawn(async move { client.get("/").await });
    let goes = tokio::spawn(async move { client.get("/").await });
    gate.until_arrived(2).await.unwrap();
    assert_eq!(gate.held(), 2);
    goes.abort();
    wait_for("one left", || async { (gate.held() == 1).then_some(()) })
        .await
        .unwrap();
    gate.open();
    assert_eq!(stays.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn follows_a_script_and_the_request() {
    let a = Upstream::http1("a").await;
    let client = Client::new(a.address());
    a.set_next(Reply::status(500));
    a.set_next(Reply::status(501));
    a.set_by(|request| Reply::status(if request.path == "/bad" { 400 } else { 200 }).into());
    for (path, status) in [("/", 500), ("/", 501), ("/bad", 400), ("/good", 200)] {
        assert_eq!(client.get(path).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn many_requests_at_once_come_back_in_order() {
    let a = Upstream::http1("a").await;
    a.set(Behaviour::Echo);
    let client = Client::new(a.address());
    let answers = client.send_many(50, 8, |n| Request::get("/").body(n.to_string())).await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().text(), n.to_string());
    }
}

#[tokio::test]
async fn speaks_http2_with_a_client_that_does() {
    let a = Upstream::http2("a").await;
    a.set(Reply::status(200).body("b").trailer("x-sum", "1"));
    let client = Client::new(a.address()).http2();
    let answer = client
        .send(Request::new("PUT", "/p?q").body("c").chunked(1))
        .await
        .unwrap();
    assert_eq!(
        (answer.text().as_str(), answer.trailers()["x-sum"].as_bytes()),
        ("b", &b"1"[..])
    );
    let [received] = a.received().try_into().unwrap();
    assert_eq!((received.path.as_str(), &received.body[..]), ("/p?q", &b"c"[..]));
    assert_eq!(received.header("host"), Some("sidestep.test"));
}

#[tokio::test]
async fn speaks_grpc_with_trailers_and_without() {
    let a = Upstream::http2("a").await;
    let client = Client::new(a.address()).http2();
    a.set(Reply::grpc(14));
    let answer = client.send(Request::grpc("/s.S/M")).await.unwrap();
    assert_eq!((answer.status(), answer.grpc_status()), (200, Some(14)));
    assert_eq!((answer.body().len(), answer.header("grpc-status")), (5, None));
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(a.received()[0].header("content-type"), Some("application/grpc"));
    assert_eq!(a.received()[0].body, [0; 5][..]);
    a.set(Reply::grpc_trailers_only(8));
    let answer = client.send(Request::grpc("/s.S/M")).await.unwrap();
    assert_eq!((answer.status(), answer.grpc_status()), (200, Some(8)));
    assert_eq!((answer.body().len(), answer.trailers().len()), (0, 0));
    assert_eq!(answer.header("content-length"), None);
}

#[tokio::test]
async fn hangs_until_the_client_goes() {
    for (a, http2) in [(Upstream::http1("a").await, false), (Upstream::http2("a").await, true)] {
        a.set(Behaviour::Hang);
        let client = Client::new(a.address());
        let client = if http2 { client.http2() } else { client };
        let asking = tokio::spawn(async move { client.get("/").await });
        wait_for("a request", || async { (a.in_flight() == 1).then_some(()) })
            .await
            .unwrap();
        a.until_count(1).await.unwrap();
        assert!(!asking.is_finished());
        asking.abort();
        wait_for("nobody", || async { (a.in_flight() == 0).then_some(()) })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn fails_for_a_share_of_the_requests_that_its_seed_picks() {
    let failed = |percent, seed| async move {
        let a = Upstream::http1("a").await;
        a.set(Behaviour::sometimes(
            percent,
            seed,
            Reply::status(500),
            Reply::status(200),
        ));
        let mut connection = Client::new(a.address()).connect().await.unwrap();
        let mut failed = Vec::new();
        for n in 0..200 {
            if connection.get("/").await.unwrap().status() == 500 {
                failed.push(n);
            }
        }
        failed
    };
    assert_eq!((failed(0.0, 1).await.len(), failed(100.0, 1).await.len()), (0, 200));
    let some = failed(30.0, 1).await;
    assert!((40..80).contains(&some.len()), "{some:?}");
    assert_eq!(failed(30.0, 1).await, some);
    assert_ne!(failed(30.0, 2).await, some);
}

#[tokio::test]
async fn flaps_by_the_clock() {
    let a = Upstream::http1("a").await;
    let client = Client::new(a.address());
    let turn = Duration::from_millis(100);
    let start = Instant::now();
    a.set(Behaviour::in_turn([
        (turn, Reply::status(503).into()),
        (turn, Reply::status(200).into()),
        (Duration::ZERO, Behaviour::Hang),
    ]));
    let mut changes = vec![503];
    while changes.len() < 5 {
        let (before, status) = (start.elapsed(), client.get("/").await.unwrap().status());
        if changes.last() != Some(&status) {
            // The n-th turn begins no earlier than that.
            assert!(
                start.elapsed() >= turn * u32::try_from(changes.len()).unwrap(),
                "{before:?}"
            );
            changes.push(status);
        }
    }
    assert_eq!(changes, [503, 200, 503, 200, 503]);
}

#[tokio::test]
async fn a_path_can_be_switched_apart_from_the_others() {
    let a = Upstream::http1("a").await;
    let client = Client::new(a.address());
    a.set_path("/health", Reply::status(200));
    a.set(Reply::status(503));
    a.set_next(Reply::status(500));
    a.set_latency(Duration::from_secs(60), Duration::ZERO);
    assert_eq!(client.get("/health?x").await.unwrap().status(), 200);
    a.set_latency(Duration::ZERO, Duration::ZERO);
    assert_eq!(client.get("/").await.unwrap().status(), 500);
    assert_eq!(client.get("/").await.unwrap().status(), 503);
    a.set(Reply::status(200));
    a.set_path("/health", Reply::status(503));
    assert_eq!(client.get("/health").await.unwrap().status(), 503);
    assert_eq!(client.get("/").await.unwrap().status(), 200);
}

#[tokio::test]
async fn holds_every_answer_back_for_a_while_that_differs() {
    let a = Upstream::http1("a").await;
    let mut connection = Client::new(a.address()).connect().await.unwrap();
    let (base, jitter) = (Duration::from_millis(20), Duration::from_millis(30));
    a.set_latency(base, jitter);
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        connection.get("/").await.unwrap();
        times.push(start.elapsed());
    }
    assert!(times.iter().all(|time| *time >= base), "{times:?}");
    assert!(times.iter().any(|time| *time >= base + jitter / 2), "{times:?}");
    assert!(times.iter().any(|time| *time < base + jitter / 2), "{times:?}");
}
