//! What routes do to requests, learned from what they did.
//!
//! A callout skips the route: it sends the request as the filter saw it. Where the route (or a filter behind this one)
//! rewrites the path or the host, or adds or removes headers, that would be another request than the first attempt's.
//! Nothing tells the filter beforehand what a route does, but in the log phase Envoy shows it the request as the router
//! sent it. So a route is watched first: while it is unknown, and for ever once it was seen to change a request, Envoy's
//! router makes the retries ([`Engine::Router`](crate::config::Engine)); the rest is the filter's.
//!
//! A rewrite may depend on the request, so routes that have not changed anything yet are watched now and then
//! ([`WATCH_EVERY`]), and whenever one of their requests is retried.

use crate::http::{HeaderBlock, Pair, STANDBY_HEADER};
use crate::model::{Map, Timestamp};
use std::fmt;
use std::time::Duration;

/// The most routes that are kept apart; others stay unknown. Routes come from Envoy's configuration, not from clients.
const MAX_ROUTES: usize = 4096;

/// Each so manieth request is watched, whatever is known of its route.
const WATCH_EVERY: u32 = 64;

/// For so many requests after something new was seen, each request's route is asked for.
const UNSETTLED_FOR: u32 = 64;

/// How long a route that was seen to retry by itself is held to do so: a configuration may change.
const RETRIES_FOR: Duration = Duration::from_secs(60);

/// A route, by the names of its virtual host and its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteKey(Box<[u8]>);

impl RouteKey {
    /// The route with these names. `None` if it has none of its own: it can't be told from others.
    pub fn of(virtual_host: &[u8], route: &[u8]) -> Option<Self> {
        if route.is_empty() {
            return None;
        }
        Some(Self([virtual_host, b"\0", route].concat().into()))
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.rsplit(|byte| *byte == 0).next().unwrap_or_default();
        f.write_str(&String::from_utf8_lossy(name))
    }
}

/// What is known of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// It was seen to leave a request as it is.
    seen: bool,
    /// It was seen to change one.
    changes: bool,
    /// When it was seen to retry by itself; zero if it was not.
    retries: Timestamp,
}

/// What the filter may do about a request's retries, as far as its route is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteNature {
    /// It leaves requests as they are.
    Plain,
    /// It changes them, or nobody knows yet.
    Changing,
    /// It retries by itself.
    Retrying,
}

/// Something new about a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteNews {
    /// It changes requests.
    Changes,
    /// It retries by itself.
    Retries,
}

/// What one worker knows of routes.
#[derive(Clone, Debug)]
pub struct RouteBook {
    routes: Map<RouteKey, Known>,
    /// For so many more requests the route is asked for.
    unsettled: u32,
    /// Whether some route is not plain, so that each request's route has to be asked for.
    mixed: bool,
    /// Requests since the last one that was watched.
    since_watched: u32,
}

impl Default for RouteBook {
    fn default() -> Self {
        Self {
            routes: Map::default(),
            unsettled: UNSETTLED_FOR,
            mixed: false,
            since_watched: 0,
        }
    }
}

impl RouteBook {
    /// Whether a request that has just come has to say which route it takes. Not where all routes are plain, and no new
    /// one was seen for a while; that is what makes asking cost nothing in the end.
    pub const fn asks(&mut self) -> bool {
        self.unsettled = self.unsettled.saturating_sub(1);
        self.mixed || self.unsettled > 0
    }

    /// Whether a request that has just come is to be watched although its route is plain.
    pub const fn watches(&mut self) -> bool {
        self.since_watched += 1;
        let due = self.since_watched >= WATCH_EVERY;
        if due {
            self.since_watched = 0;
        }
        due
    }

    /// Whether nothing is known of a route.
    pub fn is_new(&self, key: &RouteKey) -> bool {
        let room = self.routes.len() < MAX_ROUTES;
        self.routes.get(key).map_or(room, |known| !known.seen)
    }

    /// What is known of a route; `None` is one without a name.
    pub fn nature(&mut self, key: Option<&RouteKey>, now: Timestamp) -> RouteNature {
        let known = key.and_then(|key| self.routes.get(key)).copied().unwrap_or_default();
        // A moment that is to come is from before the clock was set back.
        let retries = known.retries <= now && now.since(known.retries) < RETRIES_FOR;
        if known.retries != Timestamp::ZERO && retries {
            return RouteNature::Retrying;
        }
        if known.seen && !known.changes {
            return RouteNature::Plain;
        }
        self.mixed |= known.changes || key.is_none();
        self.unsettled = UNSETTLED_FOR;
        RouteNature::Changing
    }

    /// A request's way was watched: the route changed it or not.
    pub fn learn(&mut self, key: Option<RouteKey>, changed: bool) -> Option<RouteNews> {
        let known = self.known_mut(key)?;
        let news = changed && !known.changes;
        known.seen = true;
        known.changes |= changed;
        self.mixed |= changed;
        news.then_some(RouteNews::Changes)
    }

    /// A route made more attempts than the filter asked for.
    pub fn learn_retries(&mut self, key: Option<RouteKey>, now: Timestamp) -> Option<RouteNews> {
        let known = self.known_mut(key)?;
        let news = known.retries == Timestamp::ZERO;
        known.retries = now.max(Timestamp::from_nanos(1));
        self.mixed = true;
        news.then_some(RouteNews::Retries)
    }

    fn known_mut(&mut self, key: Option<RouteKey>) -> Option<&mut Known> {
        let key = key?;
        if self.routes.len() >= MAX_ROUTES && !self.routes.contains_key(&key) {
            self.mixed = true;
            return None;
        }
        if !self.routes.contains_key(&key) {
            self.unsettled = UNSETTLED_FOR;
        }
        Some(self.routes.entry(key).or_default())
    }
}

/// Whether the request that the router sent is another one than the one that the filter saw, in what a callout would
/// send. What the filter itself sets, and what the router takes as orders or adds to any request, does not count.
pub fn is_changed(seen: &HeaderBlock, sent: &HeaderBlock, override_header: &str) -> bool {
    fn counted<'a>(block: &'a HeaderBlock, override_header: &'a str) -> impl Iterator<Item = Pair<'a>> {
        block
            .pairs()
            .filter(move |(name, _)| *name != override_header.as_bytes() && !is_routers(name))
    }
    !counted(seen, override_header).eq(counted(sent, override_header))
}

/// Request headers that Envoy's router takes as orders, adds to any request, or leaves to the next hop; and the filter's.
fn is_routers(name: &[u8]) -> bool {
    matches!(
        name,
        b"transfer-encoding"
            | b"connection"
            | b"x-envoy-attempt-count"
            | b"x-envoy-expected-rq-timeout-ms"
            | b"x-envoy-internal"
            | b"x-envoy-is-timeout-retry"
    ) || name == STANDBY_HEADER.as_bytes()
        || std::str::from_utf8(name).is_ok_and(super::copy::is_order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(route: &str) -> Option<RouteKey> {
        RouteKey::of(b"all", route.as_bytes())
    }

    const NOW: Timestamp = Timestamp::from_nanos(1_000_000_000);

    #[test]
    fn a_route_is_the_routers_until_it_was_seen_to_change_nothing_and_for_ever_once_it_did() {
        let mut book = RouteBook::default();
        assert_eq!(book.nature(key("a").as_ref(), NOW), RouteNature::Changing);
        assert_eq!(book.learn(key("a"), false), None);
        assert_eq!(book.nature(key("a").as_ref(), NOW), RouteNature::Plain);
        assert_eq!(book.nature(key("b").as_ref(), NOW), RouteNature::Changing);
        assert_eq!(book.learn(key("a"), true), Some(RouteNews::Changes));
        for _ in 0..1000 {
            assert_eq!(book.learn(key("a"), false), None);
        }
        assert_eq!(book.nature(key("a").as_ref(), NOW), RouteNature::Changing);
    }

    #[test]
    fn a_route_without_a_name_is_never_trusted() {
        let mut book = RouteBook::default();
        assert_eq!(key(""), None);
        assert_eq!(book.learn(None, false), None);
        assert_eq!(book.nature(None, NOW), RouteNature::Changing);
    }

    #[test]
    fn the_same_name_in_another_virtual_host_is_another_route() {
        let mut book = RouteBook::default();
        book.learn(RouteKey::of(b"one", b"default"), false);
        assert_eq!(
            book.nature(RouteKey::of(b"two", b"default").as_ref(), NOW),
            RouteNature::Changing
        );
    }

    #[test]
    fn once_all_routes_are_plain_nobody_is_asked_any_more() {
        let mut book = RouteBook::default();
        book.learn(key("a"), false);
        let asked = (0..1000).filter(|_| book.asks()).count();
        assert!(asked < UNSETTLED_FOR as usize, "{asked}");
        // A new one: for a while.
        book.learn(key("b"), false);
        assert!(book.asks());
        assert!((0..1000).filter(|_| book.asks()).count() < UNSETTLED_FOR as usize);
        // One that changes requests: for ever.
        book.learn(key("b"), true);
        assert!((0..1000).all(|_| book.asks()));
    }

    #[test]
    fn some_requests_are_watched_for_ever() {
        let mut book = RouteBook::default();
        assert_eq!((0..WATCH_EVERY * 10).filter(|_| book.watches()).count(), 10);
    }

    #[test]
    fn a_route_that_retries_is_left_alone_for_a_while_and_then_tried_again() {
        let mut book = RouteBook::default();
        book.learn(key("a"), false);
        assert_eq!(book.learn_retries(key("a"), NOW), Some(RouteNews::Retries));
        assert_eq!(book.nature(key("a").as_ref(), NOW), RouteNature::Retrying);
        let later = NOW.after(RETRIES_FOR);
        assert_eq!(book.nature(key("a").as_ref(), later), RouteNature::Plain);
        assert_eq!(book.learn_retries(key("a"), later), None);
        assert_eq!(book.nature(key("a").as_ref(), later), RouteNature::Retrying);
    }

    #[test]
    fn only_so_many_routes_are_kept() {
        let mut book = RouteBook::default();
        for number in 0..=MAX_ROUTES {
            book.learn(key(&number.to_string()), false);
        }
        let known = |book: &mut RouteBook, number: usize| book.nature(key(&number.to_string()).as_ref(), NOW);
        assert_eq!(known(&mut book, MAX_ROUTES - 1), RouteNature::Plain);
        assert_eq!(known(&mut book, MAX_ROUTES), RouteNature::Changing);
    }

    #[test]
    fn a_changed_request_is_told_from_one_that_has_what_every_router_adds() {
        let seen: &[Pair<'_>] = &[(b":method", b"GET"), (b":path", b"/a"), (b"x", b"1"), (b"x", b"2")];
        let changed = |sent: &[Pair<'_>]| {
            is_changed(
                &HeaderBlock::from_pairs(seen),
                &HeaderBlock::from_pairs(sent),
                "x-sidestep-host",
            )
        };
        let with = |more: Pair<'static>| [seen, &[more]].concat();
        assert!(!changed(seen));
        for name in [
            "x-sidestep-host",
            "x-sidestep-cluster",
            "x-envoy-expected-rq-timeout-ms",
            "x-envoy-attempt-count",
            "x-envoy-retry-on",
        ] {
            assert!(!changed(&with((name.as_bytes(), b"1"))), "{name}");
        }
        for name in ["y", "x", "x-envoy-original-path", "traceparent"] {
            assert!(changed(&with((name.as_bytes(), b"1"))), "{name}");
        }
        assert!(changed(&[
            (b":method", b"GET"),
            (b":path", b"/b"),
            (b"x", b"1"),
            (b"x", b"2")
        ]));
        assert!(changed(&seen[..3]));
    }
}
