//! What an upstream counts.

use sidestep_support::{Client, Gate, Reply, Request, Upstream};

#[tokio::test]
async fn requests_are_counted_by_path_and_by_user_agent() {
    let a = Upstream::http1("a").await;
    let client = Client::new(a.address());
    for (path, agent) in [("/x", "one"), ("/x?y=1", "one"), ("/z", "two")] {
        client
            .send(Request::get(path).header("user-agent", agent))
            .await
            .unwrap();
    }
    client.get("/z").await.unwrap();
    assert_eq!([a.count_at("/x"), a.count_at("/z"), a.count_at("/")], [2, 2, 0]);
    assert_eq!([a.count_from("one"), a.count_from("two"), a.count_from("")], [2, 1, 1]);
    a.reset();
    assert_eq!([a.count_at("/x"), a.count_from("one")], [0, 0]);
}

#[tokio::test]
async fn requests_under_way_are_counted_and_the_most_at_once() {
    let a = Upstream::http1("a").await;
    let client = Client::new(a.address());
    let gate = Gate::new();
    a.set(Reply::status(200).body("ab").body_held_at(&gate));
    let asking: Vec<_> = (0..3)
        .map(|_| tokio::spawn(async move { client.get("/").await }))
        .collect();
    gate.until_arrived(3).await.unwrap();
    assert_eq!((a.in_flight(), a.most_in_flight()), (3, 3));
    gate.open();
    for task in asking {
        task.await.unwrap().unwrap();
    }
    assert_eq!((a.in_flight(), a.most_in_flight()), (0, 3));
    a.reset();
    assert_eq!(a.most_in_flight(), 0);
}

#[tokio::test]
async fn requests_one_after_the_other_are_never_under_way_together() {
    for reply in [
        Reply::status(200).body("whole"),
        Reply::status(200).body("chunked").chunked(),
        Reply::grpc(0),
        Reply::status(200).body("cut short").cut_in_body(),
    ] {
        for (a, http2) in [(Upstream::http1("a").await, false), (Upstream::http2("a").await, true)] {
            a.set(reply.clone());
            let client = Client::new(a.address());
            let client = if http2 { client.http2() } else { client };
            for _ in 0..50 {
                let _ = client.get("/").await;
            }
            assert_eq!((a.count(), a.most_in_flight()), (50, 1), "{reply:?}");
        }
    }
}
