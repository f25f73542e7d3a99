//! The simulator as a scenario sees it.

use crate::abi::{Call, module};
use crate::admin;
use crate::engine::{Engine, Hook};
use crate::faults::Faults;
use crate::heap::Heap;
use crate::reply::Reply;
use crate::request::{Answer, Request};
use crate::stream::Waits;
use crate::tally::Tally;
use crate::upstream::{Cluster, Fitness, HostHandle, Seen};
use crate::world::{LogLine, World};
use std::sync::MutexGuard;
use std::time::Duration;

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub(crate) u32);

/// A simulated Envoy with the module in it.
///
/// ```no_run
/// # use sidestep_sim::Sim;
/// let mut sim = Sim::new("{}").workers(2).cluster("backend", ["10.0.0.1:80", "10.0.0.2:80"]);
/// sim.host("10.0.0.1:80").answers(503);
/// assert_eq!(sim.get("/x").status, 200);
/// assert_eq!(sim.attempts("10.0.0.1:80"), 1);
/// ```
pub struct Sim {
    pub(crate) engine: Engine,
}

impl Sim {
    /// The address of the admin interface, see [`Sim::admin`].
    pub const ADMIN: &str = admin::ADDRESS;

    /// An Envoy with one worker and this plugin configuration (JSON).
    pub fn new(configuration: impl ToString) -> Sim {
        // SAFETY: the module's entry takes nothing, and each VM's thread calls it once.
        Sim::of(|| unsafe { module::_initialize() }, configuration)
    }

    /// An Envoy with another module than sidestep: `entry` registers its contexts with the SDK.
    pub fn of(entry: fn(), configuration: impl ToString) -> Sim {
        Sim {
            engine: Engine::new(entry, configuration.to_string()),
        }
    }

    /// With that many workers, each with a VM of its own.
    pub fn workers(mut self, count: usize) -> Sim {
        self.engine.set_workers(count);
        self
    }

    /// With this cluster. Requests go to the first one named unless they say otherwise.
    pub fn cluster(mut self, name: &str, hosts: impl IntoIterator<Item = impl ToString>) -> Sim {
        let hosts = hosts.into_iter().map(|host| host.to_string()).collect();
        self.engine.add_cluster(name, hosts);
        self
    }

    /// With another name for the header by which the cluster's policy takes pins.
    pub fn override_header(mut self, name: &str) -> Sim {
        self.engine.override_header = name.to_owned();
        self
    }

    /// With a cluster whose one host, [`Sim::ADMIN`], is Envoy's own admin interface. It lists the hosts of all clusters
    /// unless it is told to answer something else.
    pub fn admin(mut self, cluster: &str) -> Sim {
        self.engine.add_cluster(cluster, vec![admin::ADDRESS.to_owned()]);
        self.engine.admin = Some(cluster.to_owned());
        self
    }

    /// With a `stats_matcher` that excludes the module's metrics: they can be defined and written and stay at 0.
    pub fn without_metrics(self) -> Sim {
        self.world().metrics.excluded = true;
        self
    }

    /// With timers that go off in all VMs at the same time. Unless this is said no two of them do.
    pub fn ticking_together(mut self) -> Sim {
        self.engine.tick_together = true;
        self
    }

    /// Lets the module's panics pass as what they are in Envoy, the end of a VM, instead of failing the test.
    pub fn surviving_traps(mut self) -> Sim {
        self.engine.survives_traps = true;
        self
    }

    /// Loads the module into every worker; what it logged, where it refused the configuration.
    pub fn start(&mut self) -> Result<(), Vec<String>> {
        self.engine.start()
    }

    // Time.

    /// The virtual clock, in nanoseconds since the epoch.
    pub fn now(&self) -> u64 {
        self.world().now
    }

    /// The wall clock that the module reads, in nanoseconds since the epoch.
    pub fn wall(&self) -> u64 {
        self.world().wall()
    }

    /// Lets that much virtual time pass, and all that happens in it.
    pub fn advance(&mut self, time: Duration) {
        self.engine.advance(time);
    }

    /// Lets that many virtual seconds pass.
    pub fn advance_secs(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    /// As `advance`, but the workers take turns at every host call, in an order that the seed decides.
    pub fn advance_interleaved(&mut self, time: Duration, seed: u64) {
        self.engine.advance_interleaved(time, seed);
    }

    /// The wall clock that the module reads jumps by so many seconds. Virtual time, and so every timer, does not.
    pub fn jump_clock(&mut self, seconds: i64) {
        self.world().clock_offset += seconds * 1_000_000_000;
    }

    /// Runs until nothing is under way but the ticks and what the VMs sent at ticks.
    pub fn settle(&mut self) {
        self.engine.settle();
    }

    /// As `settle`, but the workers take turns at every host call, in an order that the seed decides.
    pub fn settle_interleaved(&mut self, seed: u64) {
        self.engine.settle_interleaved(seed);
    }

    // Requests.

    /// Sends a request and waits for its answer.
    pub fn send(&mut self, request: Request) -> Answer {
        let id = self.begin(request);
        self.finish(id)
    }

    /// Sends a GET and waits for its answer.
    pub fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path))
    }

    /// Sends that many GETs, one after the other; the answers.
    pub fn gets(&mut self, count: usize) -> Vec<Answer> {
        (0..count).map(|_| self.get("/")).collect()
    }

    /// Sends a request up to the point where the host has it and has not answered.
    pub fn begin(&mut self, request: Request) -> StreamId {
        let id = self.engine.open(request, Duration::ZERO);
        self.engine.run_request(id);
        StreamId(id)
    }

    /// Makes a request arrive that much later; nothing happens now.
    pub fn later(&mut self, delay: Duration, request: Request) -> StreamId {
        StreamId(self.engine.open(request, delay))
    }

    /// Runs until this request has its answer.
    pub fn finish(&mut self, id: StreamId) -> Answer {
        self.engine.finish(id.0)
    }

    /// Runs until the module holds this request's response back: its retry is under way. False: it never did.
    pub fn until_held(&mut self, id: StreamId) -> bool {
        self.engine.until_waits(id.0, &[Waits::ResponseHeld])
    }

    /// Runs until the client has this request's response headers and not all of its body. False: it has it all.
    pub fn until_answering(&mut self, id: StreamId) -> bool {
        self.engine.until_waits(id.0, &[Waits::Response])
    }

    /// The client hangs up now.
    pub fn client_gone(&mut self, id: StreamId) -> Answer {
        self.engine.client_gone(id.0);
        self.finish(id)
    }

    /// The answer of a request that is over.
    pub fn answer(&mut self, id: StreamId) -> Option<Answer> {
        self.engine.answers.remove(&id.0)
    }

    // Hosts.

    /// A host, to say what it does from now on.
    pub fn host(&mut self, host: &str) -> HostHandle<'_> {
        HostHandle(self.engine.hosts.entry(host.to_owned()).or_default())
    }

    /// Every host of that cluster does this from now on.
    pub fn all_hosts(&mut self, cluster: &str, reply: Reply) {
        for host in self.cluster_mut(cluster).hosts().to_vec() {
            self.host(&host).replies(reply.clone());
        }
    }

    /// Attempts that reached this host, refused ones included.
    pub fn attempts(&self, host: &str) -> u64 {
        self.engine.hosts.get(host).map_or(0, |host| host.attempts)
    }

    /// What this host saw, the last thousand attempts.
    pub fn seen(&self, host: &str) -> Vec<Seen> {
        let host = self.engine.hosts.get(host);
        host.map_or_else(Vec::new, |host| host.seen.iter().cloned().collect())
    }

    /// One host more in a cluster.
    pub fn add_host(&mut self, cluster: &str, host: &str) {
        self.cluster_mut(cluster).add(host);
    }

    /// One host less in a cluster.
    pub fn remove_host(&mut self, cluster: &str, host: &str) {
        self.cluster_mut(cluster).remove(host);
    }

    /// Envoy's own load balancing picks this host from now on, or all in turn again. Pins go before it.
    pub fn steer(&mut self, cluster: &str, host: Option<&str>) {
        self.cluster_mut(cluster).steered = host.map(str::to_owned);
    }

    /// Whether the cluster has the override policy. Without it pins do nothing.
    pub fn honours_pins(&mut self, cluster: &str, honours: bool) {
        self.cluster_mut(cluster).honours_pins = honours;
    }

    /// What Envoy itself thinks of a host of a cluster: the admin interface tells. Its load balancing here does not
    /// mind.
    pub fn fitness(&mut self, cluster: &str, host: &str, fitness: Fitness) {
        self.cluster_mut(cluster).fitness.insert(host.to_owned(), fitness);
    }

    fn cluster_mut(&mut self, name: &str) -> &mut Cluster {
        self.engine.cluster_mut(name).expect("a cluster of that name")
    }

    // VMs.

    /// The worker's VM dies, as of a trap: no callback, no goodbye. Its next request a second later loads a new one.
    pub fn kill_vm(&mut self, worker: usize) {
        self.engine.kill_vm(worker);
    }

    /// The worker's VM dies after that many more host calls: 0 for just before its next one.
    pub fn kill_vm_after(&mut self, worker: usize, calls: u64) {
        self.engine.kill_vm_after(worker, calls);
    }

    /// Whether the worker has a VM.
    pub fn has_vm(&self, worker: usize) -> bool {
        self.engine.workers[worker].vm.is_some()
    }

    /// Envoy gets a new plugin configuration: new VMs for new requests, the old ones go when their requests are over.
    pub fn reconfigure(&mut self, configuration: impl ToString) -> Result<(), Vec<String>> {
        self.engine.reconfigure(configuration.to_string())
    }

    /// Does something just before the worker's next call of that host function, while its callback waits.
    pub fn before_next(&mut self, worker: usize, call: Call, f: impl FnOnce(&mut Sim) + 'static) {
        self.engine.hook(worker, call, Hook::new(f));
    }

    // Faults and oddities.

    /// Makes host functions fail.
    pub fn fault(&mut self, f: impl FnOnce(&mut Faults)) {
        f(&mut self.world().faults);
    }

    /// No faults any more; how many there were.
    pub fn clear_faults(&mut self) -> u64 {
        let mut world = self.world();
        world.faults.clear();
        world.faults.injected()
    }

    /// Makes a property (its parts joined by dots) answer these bytes for everybody, or be missing.
    pub fn odd_property(&mut self, path: &str, value: Option<&[u8]>) {
        let value = value.map(<[u8]>::to_vec);
        self.world().odd_properties.insert(path.to_owned(), value);
    }

    // What can be known.

    fn world(&self) -> MutexGuard<'_, World> {
        self.engine.world()
    }

    /// The value of a metric, 0 where it was never touched.
    pub fn metric(&self, name: &str) -> i64 {
        self.world().metrics.value(name).unwrap_or(0)
    }

    /// All metrics, sorted by name. The module flushes its counts on its tick: let a second pass before you look.
    pub fn metrics(&self) -> Vec<(String, i64)> {
        self.world().metrics.all()
    }

    /// The sum of the metrics whose names start so.
    pub fn metrics_under(&self, prefix: &str) -> i64 {
        let all = self.metrics().into_iter();
        all.filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, value)| value)
            .sum()
    }

    /// What the module logged.
    pub fn logs(&self) -> Vec<LogLine> {
        self.world().logs.clone()
    }

    /// The logged lines that contain this text.
    pub fn logged(&self, text: &str) -> Vec<String> {
        let world = self.world();
        let lines = world.logs.iter().filter(|line| line.text.contains(text));
        lines.map(|line| line.text.clone()).collect()
    }

    /// Host calls of all VMs so far.
    pub fn calls(&self) -> Tally {
        self.world().tally.clone()
    }

    /// Writes to shared data that took place.
    pub fn shared_writes(&self) -> u64 {
        self.world().shared.writes()
    }

    /// Writes to shared data that met another's.
    pub fn shared_conflicts(&self) -> u64 {
        self.world().shared.conflicts()
    }

    /// The keys in shared data.
    pub fn shared_keys(&self) -> Vec<String> {
        let world = self.world();
        let keys = world.shared.keys();
        keys.map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }

    /// The value under a key of shared data.
    pub fn shared(&self, key: &str) -> Option<Vec<u8>> {
        let world = self.world();
        world.shared.get(key.as_bytes()).ok().map(|(value, _)| value.to_vec())
    }

    /// Somebody else writes this to shared data.
    pub fn write_shared(&mut self, key: &str, value: &[u8]) {
        let written = self.world().shared.set(key.as_bytes(), value, 0);
        debug_assert!(written.is_ok());
    }

    /// What the worker's VM holds in memory.
    pub fn heap(&self, worker: usize) -> Heap {
        self.engine.heap(worker)
    }

    /// How many times a VM of the module died of a panic.
    pub fn traps(&self) -> u64 {
        self.engine.traps
    }
}
