//! The plugin that answers people: a desk with visits.
//!
//! A request's body comes piece by piece, and is taken out of Envoy's hands at once: so it is bounded here alone, by
//! `max_body_bytes`, whatever Envoy's own buffers hold.

use super::ask::{Ask, too_large};
use super::json::Writer;
use super::{Answer, backup, hosts};
use crate::config::{ConfigError, Order, StatusPolicy};
use crate::health::{Control, ControlAction, EjectionRefusal, MAX_REASON};
use crate::host::{Cas, Host, HostResult, StreamId};
use crate::metrics::{ErrorCause, Metric};
use crate::model::{Timestamp, format_duration};
use crate::worker::{NotObeyed, Seen, Worker};
use std::time::Duration;

/// How long an order holds that does not say.
const LASTS: Duration = Duration::from_secs(600);

/// A body of which nothing came for this long is not waited for any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most requests whose bodies are out at once, in one worker.
const MAX_WAITING: usize = 8;

/// The plugin.
#[derive(Debug)]
pub struct Desk<H> {
    worker: Worker<H>,
    policy: StatusPolicy,
    /// Which version of the filter's configuration the worker has.
    configuration: Option<Cas>,
    /// Whose bodies are on their way, and since when nothing came of them.
    waiting: Vec<(StreamId, Timestamp)>,
}

/// A request.
#[derive(Debug)]
pub struct Visit {
    id: StreamId,
    /// What is to be done when its body is there.
    ask: Option<Ask>,
    body: Vec<u8>,
}

impl Visit {
    /// The request of this stream.
    pub const fn new(id: StreamId) -> Self {
        Self {
            id,
            ask: None,
            body: Vec::new(),
        }
    }
}

impl<H: Host> Desk<H> {
    /// A desk, with a worker that has no requests. Its configuration is the filter's, as soon as there is one.
    pub fn new(worker: Worker<H>, policy: StatusPolicy) -> Self {
        Self {
            worker,
            policy,
            configuration: None,
            waiting: Vec::new(),
        }
    }

    /// A request has come. It never goes on.
    pub fn on_request_headers(&mut self, visit: &mut Visit, end: bool) {
        let headers = match self.worker.host.request_headers() {
            Ok(headers) => headers,
            Err(error) => {
                self.worker
                    .error(ErrorCause::Request, format_args!("no request headers: {error}"));
                self.answer(&Answer::refusal(500, "Envoy did not give the request"));
                return;
            }
        };
        match Ask::read(&headers, &self.policy) {
            Err(answer) => self.answer(&answer),
            Ok(ask) if !ask.wants_body() || end => {
                let answer = self.serve(&ask, &[]);
                self.answer(&answer);
            }
            Ok(_) if self.waiting.len() >= MAX_WAITING => {
                self.answer(&Answer::refusal(503, "too many requests at once: try again"));
            }
            Ok(ask) => {
                let now = self.worker.now();
                self.waiting.push((visit.id, now));
                visit.ask = Some(ask);
            }
        }
    }

    /// A piece of a request's body has come.
    pub fn on_request_body(&mut self, visit: &mut Visit, size: usize, end: bool) {
        // One that was answered before its end is none of ours any more.
        if !self.waits_for(visit.id) {
            return;
        }
        if visit.body.len().saturating_add(size) > self.policy.max_body_bytes {
            self.finish(visit, &too_large());
            return;
        }
        match self.take_piece(size) {
            Ok(piece) => visit.body.extend_from_slice(&piece),
            Err(error) => {
                self.worker
                    .error(ErrorCause::Request, format_args!("no request body: {error}"));
                self.finish(visit, &Answer::refusal(500, "Envoy did not give the request"));
                return;
            }
        }
        let now = self.worker.now();
        for (_, since) in self.waiting.iter_mut().filter(|(id, _)| *id == visit.id) {
            *since = now;
        }
        if end {
            self.on_request_end(visit);
        }
    }

    /// A request whose body was on its way has come to its end.
    pub fn on_request_end(&mut self, visit: &mut Visit) {
        if !self.waits_for(visit.id) {
            return;
        }
        if let Some(ask) = visit.ask.take() {
            let body = std::mem::take(&mut visit.body);
            let answer = self.serve(&ask, &body);
            self.finish(visit, &answer);
        }
    }

    /// The request is over.
    pub fn on_done(&mut self, visit: &Visit) {
        self.forget(visit.id);
    }

    /// The timer has gone off.
    pub fn on_tick(&mut self) {
        let now = self.worker.keep_desk();
        let is_late = |since: Timestamp| since > now || now.since(since) >= PATIENCE;
        let late: Vec<StreamId> = self
            .waiting
            .iter()
            .filter(|(_, since)| is_late(*since))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.forget(id);
            if self.worker.host.act_on(id).is_ok() {
                self.answer(&Answer::refusal(
                    408,
                    "the body does not come; if none ever does, the plugin lacks `allow_on_headers_stop_iteration: true`",
                ));
            }
        }
    }

    fn waits_for(&self, visit: StreamId) -> bool {
        self.waiting.iter().any(|(id, _)| *id == visit)
    }

    fn forget(&mut self, visit: StreamId) {
        self.waiting.retain(|(id, _)| *id != visit);
    }

    fn take_piece(&self, size: usize) -> HostResult<Vec<u8>> {
        if size == 0 {
            return Ok(Vec::new());
        }
        let piece = self.worker.host.request_body(size)?;
        self.worker.host.replace_request_body(size, &[])?;
        Ok(piece)
    }

    fn finish(&mut self, visit: &mut Visit, answer: &Answer) {
        self.forget(visit.id);
        visit.body = Vec::new();
        self.answer(answer);
    }

    fn answer(&mut self, answer: &Answer) {
        if answer.status >= 400 {
            self.worker.count(Metric::StatusRefused);
        }
        let mut headers: Vec<(&[u8], &[u8])> = vec![
            (b"content-type", answer.content_type.as_bytes()),
            (b"cache-control", b"no-store"),
        ];
        headers.extend(
            answer
                .extra
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        );
        let host = &self.worker.host;
        let sent = host.send_local_response(answer.status, &headers, &answer.body, "sidestep_status");
        if let Err(error) = sent {
            // Better no answer than one that never comes.
            let _ = host.reset_stream();
            self.worker.error(
                ErrorCause::Delivery,
                format_args!("no answer by the status interface: {error}"),
            );
        }
    }

    /// Does what a whole request asks for.
    fn serve(&mut self, ask: &Ask, body: &[u8]) -> Answer {
        self.worker.adopt_configuration(&mut self.configuration);
        match ask {
            Ask::Hosts { cluster: None } => {
                let all = self.look_at_all();
                Answer::json(listing(&all))
            }
            Ask::Hosts { cluster: Some(name) } => match self.look_at(name) {
                Some(seen) => Answer::json(listing(&[(name.clone(), seen)])),
                None => unknown_cluster(name),
            },
            Ask::Order => self.obey(body).unwrap_or_else(|refusal| refusal),
            Ask::Snapshot => {
                let all = self.look_at_all();
                let now = self.worker.now();
                Answer::snapshot(backup::taken(
                    all.iter().map(|(name, seen)| (name.as_str(), &seen.table)),
                    now,
                ))
            }
            Ask::Restore { dry_run } => self.restore(body, *dry_run).unwrap_or_else(|refusal| refusal),
        }
    }

    fn look_at(&mut self, cluster: &str) -> Option<Seen> {
        if self.worker.knows(cluster) {
            self.worker.look_at(cluster)
        } else {
            None
        }
    }

    fn look_at_all(&mut self) -> Vec<(String, Seen)> {
        let names = self.worker.known_clusters();
        let seen = names.into_iter().filter_map(|name| {
            let seen = self.worker.look_at(&name)?;
            Some((name, seen))
        });
        seen.collect()
    }

    fn obey(&mut self, body: &[u8]) -> Result<Answer, Answer> {
        let order =
            Order::from_json(body, &ControlAction::ALL.map(ControlAction::name), MAX_REASON).map_err(malformed)?;
        let action = ControlAction::ALL
            .into_iter()
            .find(|known| known.name() == order.action);
        let action = action.unwrap_or(ControlAction::Release);
        let Order {
            cluster, host, reason, ..
        } = order;
        if action == ControlAction::Release && order.lasts.is_some() {
            return Err(Answer::refusal(
                400,
                "body.for: a release happens at once, and has no end",
            ));
        }
        let seen = self.look_at(&cluster).ok_or_else(|| unknown_cluster(&cluster))?;
        if seen.table.get(host).is_none() {
            return Err(unknown_host(&cluster, &host.to_string()));
        }
        let lasts = order.lasts.unwrap_or(LASTS);
        let control = Control {
            host,
            action,
            until: self.worker.now().after(lasts),
            reason: reason.trim().to_owned(),
        };
        match self.worker.obey(&cluster, &control) {
            Ok(()) => {}
            Err(NotObeyed::Refused(EjectionRefusal::UnknownHost)) => {
                return Err(unknown_host(&cluster, &host.to_string()));
            }
            Err(NotObeyed::Refused(reason)) => {
                return Err(Answer::refusal(
                    409,
                    &format!("refused: {}: {}", reason.name(), in_words(reason)),
                ));
            }
            Err(NotObeyed::Lost) => return Err(Answer::refusal(503, "the change could not be written: try again")),
        }
        self.worker.count(Metric::StatusChanges);
        let lasts = if action == ControlAction::Release {
            String::new()
        } else {
            format!(" for {}", format_duration(lasts))
        };
        log::info!(
            "by hand: {} host {host} of cluster {cluster}{lasts}: {}",
            action.name(),
            control.reason
        );
        let mut json = Writer::default();
        let seen = self.worker.look_at(&cluster);
        json.object(|json| {
            json.name("cluster").text(&cluster);
            json.name("host");
            match seen.as_ref().and_then(|seen| Some((seen, seen.table.get(host)?))) {
                Some((seen, host)) => hosts::show_host(json, host, seen),
                None => json.null(),
            }
        });
        Ok(Answer::json(json))
    }

    fn restore(&mut self, body: &[u8], dry_run: bool) -> Result<Answer, Answer> {
        let now = self.worker.now();
        let brought = backup::check(body, now)?;
        let mut json = Writer::default();
        json.object(|json| {
            json.name("dry_run").boolean(dry_run);
            json.name("origin").text(&brought.origin);
            json.name("age").text(&format_duration(brought.age));
            json.name("clusters").object(|json| {
                for (name, kept) in brought.state.clusters() {
                    json.name(name);
                    if !backup::is_name(name) {
                        backup::show_refused(json, "no cluster has this name");
                        continue;
                    }
                    match self.worker.merge(name, kept, dry_run) {
                        Err(error) => backup::show_refused(json, &backup::why(error)),
                        Ok(merged) => {
                            backup::show_merged(json, kept, &merged);
                            let count = backup::count_restored(kept, &merged);
                            if !dry_run && count > 0 {
                                self.worker.count(Metric::StatusChanges);
                                log::info!(
                                    "by hand: restored {count} of {} hosts of cluster {name} from a snapshot of {:?}, taken {} ago",
                                    kept.hosts().len(),
                                    brought.origin,
                                    format_duration(brought.age),
                                );
                            }
                        }
                    }
                }
            });
        });
        if !dry_run {
            self.worker.make_listed();
        }
        Ok(Answer::json(json))
    }
}

fn listing(clusters: &[(String, Seen)]) -> Writer {
    let mut json = Writer::default();
    json.object(|json| {
        json.name("clusters").object(|json| {
            for (name, seen) in clusters {
                hosts::show_cluster(json.name(name), seen);
            }
        });
    });
    json
}

fn malformed(error: ConfigError) -> Answer {
    Answer::refusal(400, &error.to_string())
}

fn unknown_cluster(name: &str) -> Answer {
    Answer::refusal(
        404,
        &format!("no cluster {name} is known: it had no request yet, and no block in the configuration"),
    )
}

fn unknown_host(cluster: &str, host: &str) -> Answer {
    Answer::refusal(404, &format!("no host {host} of cluster {cluster} is known"))
}

/// A refusal as a person reads it.
const fn in_words(reason: EjectionRefusal) -> &'static str {
    match reason {
        EjectionRefusal::LastHost => "it is the last host that is available",
        EjectionRefusal::TooManyControls => "so many hosts of the cluster are ejected or held by hand already",
        _ => "the rules speak against it",
    }
}
