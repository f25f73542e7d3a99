//! The standby cluster, by callout and by route.

use serde_json::{Value, json};
use sidestep_support::{Cluster, Envoy, EnvoyConfig, Reply, Request, Route, Upstream};

struct Sites {
    primary: [Upstream; 2],
    mirror: Upstream,
    envoy: Envoy,
}

impl Sites {
    async fn start(by_route: bool) -> Self {
        let primary = [Upstream::http1("a").await, Upstream::http1("b").await];
        let mirror = Upstream::http1("mirror").await;
        let plugin: Value = json!({
            "picking": {"discovery_percent": 0},
            "retry": {"budget": {"min_retries_per_second": 10_000}},
            "outlier_detection": {"base_ejection_time": "2s", "interval": "1s"},
            "clusters": {
                "backend": {
                    "hosts": primary.each_ref().map(|host| host.address().to_string()),
                    "standby_cluster": "mirror",
                },
                "mirror": {"hosts": [mirror.address().to_string()]},
            },
        });
        let clusters = [
            Cluster::new("backend").hosts(&primary),
            Cluster::new("mirror").host(&mirror),
        ];
        let mut config = EnvoyConfig::new(clusters).plugin(&plugin);
        if by_route {
            config = config.route_first(Route::new("standby", "/", "mirror").if_header("x-sidestep-cluster", "mirror"));
        }
        let envoy = Envoy::start(config).await.unwrap();
        Self { primary, mirror, envoy }
    }

    async fn all_gone(&self) {
        for host in &self.primary {
            host.set(Reply::status(503));
        }
        for host in &self.primary {
            for _ in 0..60 {
                if self.envoy.log().contains(&format!("ejected host {}", host.address())) {
                    break;
                }
                self.envoy
                    .client()
                    .send(Request::new("POST", "/").body("x"))
                    .await
                    .unwrap();
            }
            self.envoy
                .until_log(&format!("ejected host {}", host.address()))
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn while_the_primary_is_all_gone_requests_go_to_the_standby_and_back_when_it_recovers() {
    for by_route in [false, true] {
        let sites = Sites::start(by_route).await;
        sites.all_gone().await;
        for number in 0..20 {
            let answer = sites.envoy.client().get(&format!("/{number}")).await.unwrap();
            assert_eq!(
                (answer.status(), answer.header("x-upstream")),
                (200, Some("mirror")),
                "{by_route}"
            );
        }
        if by_route {
            let answer = sites
                .envoy
                .client()
                .send(Request::new("POST", "/").body("x"))
                .await
                .unwrap();
            assert_eq!((answer.status(), answer.header("x-upstream")), (200, Some("mirror")));
        }
        assert!(
            sites
                .mirror
                .received()
                .iter()
                .all(|request| request.header("x-sidestep-cluster").is_none())
        );
        for host in &sites.primary {
            host.set(Reply::status(200));
        }
        sidestep_support::wait_for("the primary's answers", || async {
            let answer = sites.envoy.client().get("/back").await.unwrap();
            assert_eq!(answer.status(), 200);
            (answer.header("x-upstream") != Some("mirror")).then_some(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_client_can_not_name_the_cluster() {
    let sites = Sites::start(true).await;
    for _ in 0..6 {
        let request = Request::get("/").header("x-sidestep-cluster", "mirror");
        assert_ne!(
            sites.envoy.client().send(request).await.unwrap().header("x-upstream"),
            Some("mirror")
        );
    }
    assert_eq!(sites.mirror.count(), 0);
}

#[tokio::test]
async fn nobody_left_anywhere_gets_envoys_own_answer() {
    let sites = Sites::start(false).await;
    sites.all_gone().await;
    sites.mirror.stop().await;
    for number in 0..5 {
        let answer = sites.envoy.client().get(&format!("/{number}")).await.unwrap();
        assert_eq!(answer.status(), 503);
    }
}
