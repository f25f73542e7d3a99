//! Every metric, in one table: names, kinds and meanings.
//!
//! Envoy shows a metric as `wasmcustom.<name>`. Their number is fixed: no name depends on traffic. Counters are
//! added up in memory and handed to Envoy by the tick, so that counting costs the request nothing.

use crate::detect::Detector;
use crate::health::EjectionRefusal;
use crate::retry::RetryRefusal;

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// What went wrong inside the filter. The request went on as it would have without the filter; but where an answer was
/// half in another one's place, its stream was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCause {
    /// Envoy did not tell the time.
    Clock,
    /// Envoy did not give the request's headers, body or trailers.
    Request,
    /// Envoy did not give the response's status or another header of it.
    Response,
    /// Envoy did not give an attribute of the stream.
    Attribute,
    /// The override header could not be set, or a client's not be removed.
    OverrideHeader,
    /// The answer of a callout could not be read.
    CalloutAnswer,
    /// An answer could not be put in the place of another.
    Delivery,
    /// Shared data could not be read.
    SharedDataRead,
    /// Shared data could not be written.
    SharedDataWrite,
    /// Other workers kept changing a record while this one tried to: the change is lost.
    SharedDataContention,
    /// A record did not decode; it counts as empty.
    Record,
    /// A cluster has more hosts than `max_hosts`: one is not watched.
    MaxHosts,
    /// There are more clusters than are kept: one is not watched.
    MaxClusters,
    /// The host's address is no `ip:port`: it can't be pinned and is not watched.
    HostAddress,
    /// The cluster sent an attempt elsewhere than its pin said.
    PinIgnored,
    /// A metric could not be defined, read or set.
    Metric,
    /// Envoy did not take a probe.
    Probe,
    /// etcd could not be asked, did not answer, or not well.
    Etcd,
    /// A snapshot was not restored, or not written for its size.
    Backup,
    /// The list of hosts could not be read from Envoy's admin interface.
    Admin,
    /// What a request went through could not be told to the client or the access log.
    Report,
    /// Envoy did not set the tick.
    Timer,
    /// A request could not be sent to the standby cluster by its route.
    Route,
}

impl ErrorCause {
    /// All causes.
    pub const ALL: [Self; 23] = [
        Self::Clock,
        Self::Request,
        Self::Response,
        Self::Attribute,
        Self::OverrideHeader,
        Self::CalloutAnswer,
        Self::Delivery,
        Self::SharedDataRead,
        Self::SharedDataWrite,
        Self::SharedDataContention,
        Self::Record,
        Self::MaxHosts,
        Self::MaxClusters,
        Self::HostAddress,
        Self::PinIgnored,
        Self::Metric,
        Self::Probe,
        Self::Etcd,
        Self::Backup,
        Self::Admin,
        Self::Report,
        Self::Timer,
        Self::Route,
    ];
}

macro_rules! metrics {
    ($( $variant:ident $kind:ident $name:literal $meaning:literal; )*) => {
        /// A metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Metric {
            $( #[doc = $meaning] $variant, )*
        }

        impl Metric {
            /// All metrics.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The name; Envoy puts `wasmcustom.` before it.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// The kind.
            pub const fn kind(self) -> MetricKind {
                match self { $( Self::$variant => MetricKind::$kind, )* }
            }

            /// What it counts.
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$variant => $meaning, )* }
            }
        }
    };
}

metrics! {
    AttemptsSuccess Counter "sidestep.attempts.success" "Attempts that the host answered well.";
    AttemptsFailureExternal Counter "sidestep.attempts.failure_external" "Attempts that the host answered badly.";
    AttemptsFailureLocalOrigin Counter "sidestep.attempts.failure_local_origin" "Attempts that got no answer: no connection, reset, time-out.";
    AttemptsOverload Counter "sidestep.attempts.overload" "Attempts answered by 429 or RESOURCE_EXHAUSTED.";
    AttemptsCut Counter "sidestep.attempts.cut" "Answers that the host cut short after their headers, which had counted as a success.";
    AttemptsIgnored Counter "sidestep.attempts.ignored" "Attempts that say nothing about a host.";
    EjectionsActive Gauge "sidestep.ejections_active" "Hosts that are ejected now, in all clusters.";
    ProbationActive Gauge "sidestep.probation_active" "Hosts that are in probation now, in all clusters.";
    RampActive Gauge "sidestep.ramp_active" "Hosts whose share is growing now, in all clusters.";
    EjectionsConsecutive5xx Counter "sidestep.ejections.consecutive_5xx" "Ejections by this detector.";
    EjectionsConsecutiveGatewayFailure Counter "sidestep.ejections.consecutive_gateway_failure" "Ejections by this detector.";
    EjectionsConsecutiveLocalOriginFailure Counter "sidestep.ejections.consecutive_local_origin_failure" "Ejections by this detector.";
    EjectionsSuccessRate Counter "sidestep.ejections.success_rate" "Ejections by this detector.";
    EjectionsLocalOriginSuccessRate Counter "sidestep.ejections.local_origin_success_rate" "Ejections by this detector.";
    EjectionsFailurePercentage Counter "sidestep.ejections.failure_percentage" "Ejections by this detector.";
    EjectionsFailurePercentageLocalOrigin Counter "sidestep.ejections.failure_percentage_local_origin" "Ejections by this detector.";
    EjectionsSlow Counter "sidestep.ejections.slow" "Ejections by this detector.";
    EjectionsProbation Counter "sidestep.ejections.probation" "Ejections by this detector.";
    EjectionsProbe Counter "sidestep.ejections.probe" "Ejections by this detector.";
    EjectionsControl Counter "sidestep.ejections.control" "Ejections by this detector.";
    EjectionsFleet Counter "sidestep.ejections.fleet" "Ejections by this detector.";
    EjectionsRefusedMaxEjectionPercent Counter "sidestep.ejections_refused.max_ejection_percent" "A detector accused a host, but `max_ejection_percent` of its cluster is out.";
    EjectionsRefusedLastHost Counter "sidestep.ejections_refused.last_host" "A detector accused a host, but it is the last one available.";
    EjectionsRefusedNotEnforced Counter "sidestep.ejections_refused.not_enforced" "A detector accused a host, but it only reports (`enforcing_*`).";
    EjectionsRefusedLikeItsPeers Counter "sidestep.ejections_refused.like_its_peers" "A detector accused a host that is not significantly worse than its peers.";
    EjectionsRefusedHeld Counter "sidestep.ejections_refused.held" "A detector accused a host that a person holds.";
    EjectionsRefusedUnknownHost Counter "sidestep.ejections_refused.unknown_host" "A person named a host that is not known.";
    EjectionsRefusedTooManyControls Counter "sidestep.ejections_refused.too_many_controls" "A person named one host more of a cluster than are kept.";
    Restored Counter "sidestep.restored" "Ejections from before a restart that were taken over with the time they had left.";
    ProbationTrials Counter "sidestep.probation.trials" "Requests sent to a host in probation, to try it.";
    ProbationPassed Counter "sidestep.probation.passed" "Hosts that proved themselves in probation.";
    ProbationFailed Counter "sidestep.probation.failed" "Hosts that did not.";
    ProbesSent Counter "sidestep.probes.sent" "Active probes sent.";
    ProbesPassed Counter "sidestep.probes.passed" "Active probes that passed.";
    ProbesFailed Counter "sidestep.probes.failed" "Active probes that failed.";
    BackupWritten Counter "sidestep.backup.written" "Snapshots written to etcd.";
    BackupTooLarge Counter "sidestep.backup.too_large" "Snapshots that etcd would not take, for their size.";
    RestoreRefused Counter "sidestep.restore.refused" "Snapshots that were not restored: damaged, foreign, too old, from the future.";
    EtcdFailed Counter "sidestep.etcd.failed" "Calls to etcd that were not answered, or not well.";
    AdminReads Counter "sidestep.admin.reads" "Lists of hosts read from Envoy's admin interface.";
    AdminSkipped Counter "sidestep.admin.skipped" "Entries of such lists that are no ip:port, or more than `max_hosts`.";
    PinsSet Counter "sidestep.pins.set" "First attempts sent with a pin.";
    PinsIgnored Counter "sidestep.pins.ignored" "Pinned attempts that another host answered: the cluster lacks the override_host policy.";
    PinsClient Counter "sidestep.pins.client" "Override headers sent by clients and removed.";
    PinsRefusedPanic Counter "sidestep.pins_refused.panic" "Requests sent without a pin although hosts are out: fewer than `panic_threshold` are available.";
    Discovery Counter "sidestep.discovery" "Retriable requests sent unpinned while others are pinned, so that new hosts are found.";
    RetriesAttempted Counter "sidestep.retries.attempted" "Retries sent.";
    RetriesSucceeded Counter "sidestep.retries.succeeded" "Requests whose failure a retry turned into a good answer.";
    RetriesFailed Counter "sidestep.retries.failed" "Retries that gave no good answer.";
    RetriesRefusedMethod Counter "sidestep.retries_refused.method" "No retry: the method is not idempotent.";
    RetriesRefusedConnect Counter "sidestep.retries_refused.connect" "No retry: CONNECT.";
    RetriesRefusedUpgrade Counter "sidestep.retries_refused.upgrade" "No retry: the request asks for another protocol.";
    RetriesRefusedGrpc Counter "sidestep.retries_refused.grpc" "No retry: gRPC, and `retry_on` names none of its statuses, or the engine is the filter.";
    RetriesRefusedBodyTooLarge Counter "sidestep.retries_refused.body_too_large" "No retry: the body is over `max_body_bytes`.";
    RetriesRefusedHeldBytes Counter "sidestep.retries_refused.held_bytes" "No retry, or its answer not delivered: the VM holds `max_held_bytes` of bodies.";
    RetriesRefusedRequestIncomplete Counter "sidestep.retries_refused.request_incomplete" "No retry: the failure came before the whole request.";
    RetriesRefusedNoCopy Counter "sidestep.retries_refused.no_copy" "No retry: Envoy did not give the request to copy.";
    RetriesRefusedHeadersNotUtf8 Counter "sidestep.retries_refused.headers_not_utf8" "No retry: a header's value is not UTF-8.";
    RetriesRefusedOverloaded Counter "sidestep.retries_refused.overloaded" "No retry: Envoy shed the request.";
    RetriesRefusedRateLimited Counter "sidestep.retries_refused.rate_limited" "No retry: `x-envoy-ratelimited`.";
    RetriesRefusedRouteRetries Counter "sidestep.retries_refused.route_retries" "No retry: the route retries by itself.";
    RetriesRefusedNumRetries Counter "sidestep.retries_refused.num_retries" "No retry: `num_retries` were made.";
    RetriesRefusedDeadline Counter "sidestep.retries_refused.deadline" "No retry: the time is over.";
    RetriesRefusedNoOtherHost Counter "sidestep.retries_refused.no_other_host" "No retry: no other available host is known.";
    RetriesRefusedPinsIgnored Counter "sidestep.retries_refused.pins_ignored" "No retry: the cluster ignores pins, so it might go to the host that failed.";
    RetriesRefusedDispatchFailed Counter "sidestep.retries_refused.dispatch_failed" "No retry: Envoy did not take the callout.";
    RetriesRefusedBudget Counter "sidestep.retries_refused.budget" "No retry: the cluster's budget is used up.";
    RetriesRefusedConcurrentRetries Counter "sidestep.retries_refused.concurrent_retries" "No retry: `max_concurrent_retries` callouts of this worker are out.";
    RetriesRefusedRetryAfter Counter "sidestep.retries_refused.retry_after" "No retry: the host asks to wait for longer than `max_retry_after`, or not to retry.";
    RetriesRefusedEarlyData Counter "sidestep.retries_refused.early_data" "No retry: 425 to a request in early data, which only its sender can repeat.";
    RetriesRefusedRouteChanges Counter "sidestep.retries_refused.route_changes" "No retry: the route changes requests, or it is not known yet whether it does.";
    RetriesWaited Counter "sidestep.retries.waited" "Retries that waited, because only hosts were left that had been tried.";
    RetriesRouter Counter "sidestep.retries.router" "Retries that Envoy's router made for the filter; `sidestep.retries.attempted` counts them, too.";
    Hedges Counter "sidestep.hedges.attempted" "Second attempts sent while the first one was still out.";
    HedgesWon Counter "sidestep.hedges.won" "Second attempts that answered first.";
    StandbyAttempts Counter "sidestep.standby.attempts" "Attempts sent to a standby cluster, first ones and retries.";
    RoutesChanging Counter "sidestep.routes.changing" "Routes seen to change requests after the filter: Envoy's router makes their retries.";
    RoutesRetrying Counter "sidestep.routes.retrying" "Routes seen to retry by themselves: the filter does not.";
    StatusChanges Counter "sidestep.status.changes" "Changes made by hand: orders carried out, and clusters restored from a snapshot.";
    StatusRefused Counter "sidestep.status.refused" "Requests to the status interface that were refused.";
    ErrorsClock Counter "sidestep.errors.clock" "Envoy did not tell the time.";
    ErrorsRequest Counter "sidestep.errors.request" "Envoy did not give the request.";
    ErrorsResponse Counter "sidestep.errors.response" "Envoy did not give the response's status or another header of it.";
    ErrorsAttribute Counter "sidestep.errors.attribute" "Envoy did not give an attribute.";
    ErrorsOverrideHeader Counter "sidestep.errors.override_header" "The override header could not be set or removed.";
    ErrorsCalloutAnswer Counter "sidestep.errors.callout_answer" "A retry's answer could not be read.";
    ErrorsDelivery Counter "sidestep.errors.delivery" "A retry's answer could not be delivered.";
    ErrorsSharedDataRead Counter "sidestep.errors.shared_data_read" "Shared data could not be read.";
    ErrorsSharedDataWrite Counter "sidestep.errors.shared_data_write" "Shared data could not be written.";
    ErrorsSharedDataContention Counter "sidestep.errors.shared_data_contention" "A change to a record was lost to other workers' changes.";
    ErrorsRecord Counter "sidestep.errors.record" "A shared record did not decode.";
    ErrorsMaxHosts Counter "sidestep.errors.max_hosts" "A host was not recorded: `max_hosts`.";
    ErrorsMaxClusters Counter "sidestep.errors.max_clusters" "A cluster was not recorded: there are too many.";
    ErrorsHostAddress Counter "sidestep.errors.host_address" "A host's address is no ip:port.";
    ErrorsMetric Counter "sidestep.errors.metric" "A metric could not be defined, read or set.";
    ErrorsProbe Counter "sidestep.errors.probe" "Envoy did not take a probe.";
    ErrorsReport Counter "sidestep.errors.report" "What a request went through could not be told to the client or the access log.";
    ErrorsTimer Counter "sidestep.errors.timer" "Envoy did not set the tick: what waits, waits for the next one.";
    ErrorsRoute Counter "sidestep.errors.route" "A request could not be sent to the standby cluster by its route.";
    ErrorsEtcd Counter "sidestep.errors.etcd" "etcd could not be asked, did not answer, or not well.";
    ErrorsBackup Counter "sidestep.errors.backup" "A snapshot was not restored, or not written for its size.";
    ErrorsAdmin Counter "sidestep.errors.admin" "The list of hosts could not be read from Envoy's admin interface.";
    RevisionRecords Gauge "sidestep.revision.records" "Rises with each write of a cluster's record: how workers learn of it. Its value means nothing else.";
    RevisionStreaks Gauge "sidestep.revision.streaks" "Rises with each change of failures in a row: how workers learn of it. Its value means nothing else.";
}

impl From<Detector> for Metric {
    fn from(detector: Detector) -> Self {
        match detector {
            Detector::Consecutive5xx => Self::EjectionsConsecutive5xx,
            Detector::ConsecutiveGatewayFailure => Self::EjectionsConsecutiveGatewayFailure,
            Detector::ConsecutiveLocalOriginFailure => Self::EjectionsConsecutiveLocalOriginFailure,
            Detector::SuccessRate => Self::EjectionsSuccessRate,
            Detector::LocalOriginSuccessRate => Self::EjectionsLocalOriginSuccessRate,
            Detector::FailurePercentage => Self::EjectionsFailurePercentage,
            Detector::FailurePercentageLocalOrigin => Self::EjectionsFailurePercentageLocalOrigin,
            Detector::Slow => Self::EjectionsSlow,
            Detector::Probation => Self::EjectionsProbation,
            Detector::Probe => Self::EjectionsProbe,
            Detector::Control => Self::EjectionsControl,
            Detector::Fleet => Self::EjectionsFleet,
        }
    }
}

impl From<EjectionRefusal> for Metric {
    fn from(reason: EjectionRefusal) -> Self {
        match reason {
            EjectionRefusal::MaxEjectionPercent => Self::EjectionsRefusedMaxEjectionPercent,
            EjectionRefusal::LastHost => Self::EjectionsRefusedLastHost,
            EjectionRefusal::NotEnforced => Self::EjectionsRefusedNotEnforced,
            EjectionRefusal::LikeItsPeers => Self::EjectionsRefusedLikeItsPeers,
            EjectionRefusal::Held => Self::EjectionsRefusedHeld,
            EjectionRefusal::UnknownHost => Self::EjectionsRefusedUnknownHost,
            EjectionRefusal::TooManyControls => Self::EjectionsRefusedTooManyControls,
        }
    }
}

impl From<RetryRefusal> for Metric {
    fn from(reason: RetryRefusal) -> Self {
        match reason {
            RetryRefusal::Method => Self::RetriesRefusedMethod,
            RetryRefusal::Connect => Self::RetriesRefusedConnect,
            RetryRefusal::Upgrade => Self::RetriesRefusedUpgrade,
            RetryRefusal::Grpc => Self::RetriesRefusedGrpc,
            RetryRefusal::BodyTooLarge => Self::RetriesRefusedBodyTooLarge,
            RetryRefusal::HeldBytes => Self::RetriesRefusedHeldBytes,
            RetryRefusal::RequestIncomplete => Self::RetriesRefusedRequestIncomplete,
            RetryRefusal::NoCopy => Self::RetriesRefusedNoCopy,
            RetryRefusal::HeadersNotUtf8 => Self::RetriesRefusedHeadersNotUtf8,
            RetryRefusal::Overloaded => Self::RetriesRefusedOverloaded,
            RetryRefusal::RateLimited => Self::RetriesRefusedRateLimited,
            RetryRefusal::RouteRetries => Self::RetriesRefusedRouteRetries,
            RetryRefusal::NumRetries => Self::RetriesRefusedNumRetries,
            RetryRefusal::Deadline => Self::RetriesRefusedDeadline,
            RetryRefusal::NoOtherHost => Self::RetriesRefusedNoOtherHost,
            RetryRefusal::PinsIgnored => Self::RetriesRefusedPinsIgnored,
            RetryRefusal::DispatchFailed => Self::RetriesRefusedDispatchFailed,
            RetryRefusal::Budget => Self::RetriesRefusedBudget,
            RetryRefusal::ConcurrentRetries => Self::RetriesRefusedConcurrentRetries,
            RetryRefusal::RetryAfter => Self::RetriesRefusedRetryAfter,
            RetryRefusal::EarlyData => Self::RetriesRefusedEarlyData,
            RetryRefusal::RouteChanges => Self::RetriesRefusedRouteChanges,
        }
    }
}

impl From<ErrorCause> for Metric {
    fn from(cause: ErrorCause) -> Self {
        match cause {
            ErrorCause::Clock => Self::ErrorsClock,
            ErrorCause::Request => Self::ErrorsRequest,
            ErrorCause::Response => Self::ErrorsResponse,
            ErrorCause::Attribute => Self::ErrorsAttribute,
            ErrorCause::OverrideHeader => Self::ErrorsOverrideHeader,
            ErrorCause::CalloutAnswer => Self::ErrorsCalloutAnswer,
            ErrorCause::Delivery => Self::ErrorsDelivery,
            ErrorCause::SharedDataRead => Self::ErrorsSharedDataRead,
            ErrorCause::SharedDataWrite => Self::ErrorsSharedDataWrite,
            ErrorCause::SharedDataContention => Self::ErrorsSharedDataContention,
            ErrorCause::Record => Self::ErrorsRecord,
            ErrorCause::MaxHosts => Self::ErrorsMaxHosts,
            ErrorCause::MaxClusters => Self::ErrorsMaxClusters,
            ErrorCause::HostAddress => Self::ErrorsHostAddress,
            ErrorCause::PinIgnored => Self::PinsIgnored,
            ErrorCause::Metric => Self::ErrorsMetric,
            ErrorCause::Probe => Self::ErrorsProbe,
            ErrorCause::Etcd => Self::ErrorsEtcd,
            ErrorCause::Backup => Self::ErrorsBackup,
            ErrorCause::Admin => Self::ErrorsAdmin,
            ErrorCause::Report => Self::ErrorsReport,
            ErrorCause::Timer => Self::ErrorsTimer,
            ErrorCause::Route => Self::ErrorsRoute,
        }
    }
}
