//! Which route a request takes, and what this worker knows of it.

use super::Worker;
use crate::host::{Attribute, Host};
use crate::http::HeaderBlock;
use crate::metrics::{ErrorCause, Metric};
use crate::model::Timestamp;
use crate::retry::{RouteKey, RouteNature, RouteNews, is_changed};

impl<H: Host> Worker<H> {
    /// Whether a request that has just come has to say which route it takes.
    pub const fn asks_for_routes(&mut self) -> bool {
        self.routes.asks()
    }

    /// Whether a request that has just come is to be watched, whatever is known.
    pub const fn watches_request(&mut self) -> bool {
        self.routes.watches()
    }

    /// The route of the current stream; `None` if it has no name.
    pub fn route_key(&mut self) -> Option<RouteKey> {
        let route = self.attribute(Attribute::RouteName).filter(|name| !name.is_empty())?;
        let virtual_host = self.attribute(Attribute::VirtualHostName).unwrap_or_default();
        RouteKey::of(&virtual_host, &route)
    }

    /// What is known of a route.
    pub fn route_nature(&mut self, key: Option<&RouteKey>, now: Timestamp) -> RouteNature {
        self.routes.nature(key, now)
    }

    /// Whether a route is to be watched, because nothing is known of it.
    pub fn is_new_route(&self, key: Option<&RouteKey>) -> bool {
        key.is_some_and(|key| self.routes.is_new(key))
    }

    /// The log phase: the request as it was `seen` and as the router sent it tell what its route does.
    pub fn watch_route(&mut self, seen: &HeaderBlock) {
        let sent = match self.host.request_headers() {
            Ok(sent) => sent,
            Err(error) => {
                self.error(
                    ErrorCause::Request,
                    format_args!("no request headers in the log phase: {error}"),
                );
                return;
            }
        };
        let changed = is_changed(seen, &sent, self.override_header());
        let key = self.route_key();
        let news = self.routes.learn(key.clone(), changed);
        self.tell_of_route(key, news);
    }

    /// A route made more attempts than it was asked for.
    pub fn route_retries(&mut self, now: Timestamp) {
        let key = self.route_key();
        let news = self.routes.learn_retries(key.clone(), now);
        self.tell_of_route(key, news);
    }

    fn tell_of_route(&mut self, key: Option<RouteKey>, news: Option<RouteNews>) {
        let (Some(key), Some(news)) = (key, news) else {
            return;
        };
        match news {
            RouteNews::Changes => {
                self.count(Metric::RoutesChanging);
                log::info!("route {key} changes requests: Envoy's router makes its retries");
            }
            RouteNews::Retries => {
                self.count(Metric::RoutesRetrying);
                log::warn!("route {key} retries by itself (retry_policy): the filter does not");
            }
        }
    }
}
