//! An upstream keeps each request as it was written, to be compared with another attempt.

use sidestep_support::{Client, Cluster, Envoy, EnvoyConfig, Head, Request, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn pairs(head: &Head) -> Vec<(&str, &[u8])> {
    let headers = head.headers.iter();
    headers.map(|(name, value)| (name.as_str(), value.as_ref())).collect()
}

#[tokio::test]
async fn http1_byte_for_byte_and_in_order() {
    let a = Upstream::http1("a").await;
    let mut stream = tokio::net::TcpStream::connect(a.address()).await.unwrap();
    let first = b"PUT /x?y=%20z HTTP/1.1\r\nX-B: 1\r\nhost:a\r\nx-a:\t\xff \r\nx-b: 2\r\ncontent-length: 70000\r\n\r\n";
    stream.write_all(first).await.unwrap();
    stream.write_all(&[b'\n'; 70_000]).await.unwrap();
    a.until_count(1).await.unwrap();
    // The next one, by the same connection.
    let second = b"GET / HTTP/1.1\r\nhost: a\r\nx-c:\r\nconnection: close\r\n\r\n";
    stream.write_all(second).await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    let [first, second]: [_; 2] = a.received().try_into().unwrap();
    assert_eq!(first.head.line, "PUT /x?y=%20z HTTP/1.1");
    let headers: [(_, &[u8]); 5] = [
        ("x-b", b"1"),
        ("host", b"a"),
        ("x-a", b"\xff"),
        ("x-b", b"2"),
        ("content-length", b"70000"),
    ];
    assert_eq!(pairs(&first.head), headers);
    assert_eq!(second.head.line, "GET / HTTP/1.1");
    assert_eq!(
        pairs(&second.head.without(&["connection"])),
        [("host", "a".as_bytes()), ("x-c", b"")]
    );
}

#[tokio::test]
async fn http2_with_what_stands_before_the_headers() {
    let a = Upstream::http2("a").await;
    let request = Request::get("/x?y=1").header("x-b", "1").header("x-a", "2");
    Client::new(a.address()).http2().send(request).await.unwrap();
    let head = &a.received()[0].head;
    assert!(head.line.is_empty());
    let headers = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "sidestep.test"),
        (":path", "/x?y=1"),
        ("x-b", "1"),
        ("x-a", "2"),
    ];
    assert_eq!(pairs(head), headers.map(|(name, value)| (name, value.as_bytes())));
}

#[tokio::test]
async fn two_of_the_same_through_envoy_are_the_same() {
    for (a, http2) in [(Upstream::http1("a").await, false), (Upstream::http2("a").await, true)] {
        let cluster = Cluster::new("backend").host(&a);
        let cluster = if http2 { cluster.http2() } else { cluster.trailers() };
        let envoy = Envoy::start(EnvoyConfig::new([cluster]).without_filter())
            .await
            .unwrap();
        let request = Request::new("PUT", "/x?y")
            .header("x-b", b"\xf1")
            .header("early-data", "1")
            .pieces(["a", "bc"])
            .trailer("x-sum", "7");
        for _ in 0..2 {
            envoy.client().http2().send(request.clone()).await.unwrap();
        }
        let [first, second]: [_; 2] = a.received().try_into().unwrap();
        // The name that Envoy gives a request is its own.
        let own = ["x-request-id"];
        assert_ne!(first.head, second.head);
        assert_eq!(first.head.clone().without(&own), second.head.without(&own));
        assert_eq!(first.header("early-data"), Some("1"));
        assert_eq!(first.trailers, [("x-sum".to_owned(), "7".into())]);
        assert_eq!((first.body, first.trailers), (second.body, second.trailers));
    }
}
