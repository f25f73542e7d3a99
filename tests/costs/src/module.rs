//! The module as it ships, in an interpreter that counts its instructions.
//!
//! The interpreter's fuel is what it counts: one for each WebAssembly instruction that does something (`block`, `end` and their
//! like do nothing), one more for each 64 bytes of a bulk copy. That is the same on any machine. But it is paid when a
//! function, a turn of a loop or a branch of an `if` is entered, for all that stands in it: what is passed over by leaving a
//! block early is paid for, too. So a figure is more than what is executed (five times what runs natively, on the success
//! path). It tells whether a path has changed, not how long it takes.

use crate::bed::Bed;
use crate::host;
use crate::path::{self, ANSWER, Scene};
use crate::totals::{Totals, What};
use crate::world::{Callout, Stream, World};
use sidestep_sim::{Headers, Request};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::OnceLock;
use wasmi::{CompilationMode, Config, Engine, Instance, Linker, Module, Store, WasmParams, WasmResults};

/// The number of the root context.
const ROOT: u32 = 1;

/// The action that a callback returns to stop the stream.
const PAUSE: u32 = 1;

/// The override header.
const PIN: &str = "x-sidestep-host";

/// What Envoy's router takes off a request before it sends it.
const FOR_THE_ROUTER: [&str; 6] = [
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-retriable-status-codes",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
];

/// Where the module is: `SIDESTEP_WASM`, else where `./build.sh wasm` leaves it.
pub fn module_path() -> PathBuf {
    std::env::var_os("SIDESTEP_WASM").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/sidestep.wasm")),
        PathBuf::from,
    )
}

/// Translated once for all beds.
fn module() -> &'static (Engine, Module) {
    static MODULE: OnceLock<(Engine, Module)> = OnceLock::new();
    MODULE.get_or_init(|| {
        let path = module_path();
        let bytes = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("no module at {}: {error}; `./build.sh wasm` makes it", path.display()));
        let mut config = Config::default();
        // Functions that are translated when they are first called would cost something then.
        config.consume_fuel(true).compilation_mode(CompilationMode::Eager);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, &bytes).expect("the module is valid");
        (engine, module)
    })
}

/// A VM with the module in it, and its surroundings.
pub(crate) struct ModuleBed {
    store: Store<World>,
    instance: Instance,
    request: Vec<Request>,
    post: Vec<Request>,
    clusters: Vec<Cluster>,
    failing: HashSet<String>,
    last_context: u32,
    instructions: u64,
    callbacks: u64,
}

/// A cluster and Envoy's own load balancing.
struct Cluster {
    hosts: Vec<String>,
    steered: Option<String>,
    turn: usize,
}

impl Cluster {
    /// The host for an attempt: the pinned one, else the one whose turn it is.
    fn pick(&mut self, pin: Option<&str>) -> String {
        let pinned = pin
            .and_then(|pin| pin.split(',').next())
            .map(|host| host.trim().to_owned());
        pinned.or_else(|| self.steered.clone()).unwrap_or_else(|| {
            self.turn += 1;
            self.hosts[self.turn % self.hosts.len()].clone()
        })
    }
}

impl Bed for ModuleBed {
    fn made(scene: &Scene) -> ModuleBed {
        let (engine, module) = module();
        let mut store = Store::new(engine, World::new(&scene.configuration().to_string()));
        store.set_fuel(u64::MAX).expect("fuel is counted");
        let mut linker = Linker::new(engine);
        host::link(&mut linker, module).expect("each import has one name");
        let instance = linker.instantiate_and_start(&mut store, module).expect("a VM");
        let clusters = 0..scene.setting.clusters;
        let mut bed = ModuleBed {
            store,
            instance,
            request: clusters.clone().map(|number| scene.request(number)).collect(),
            post: clusters.clone().map(post).collect(),
            clusters: clusters
                .map(|number| Cluster {
                    hosts: scene.hosts(number),
                    steered: None,
                    turn: 0,
                })
                .collect(),
            failing: HashSet::new(),
            last_context: ROOT,
            instructions: 0,
            callbacks: 0,
        };
        bed.start();
        bed
    }

    fn fail(&mut self, hosts: usize) {
        let failing = self
            .clusters
            .iter()
            .flat_map(|cluster| cluster.hosts.iter().take(hosts));
        self.failing = failing.cloned().collect();
    }

    fn steer(&mut self, cluster: usize, host: Option<&str>) {
        self.clusters[cluster].steered = host.map(str::to_owned);
    }

    fn send(&mut self, cluster: usize) {
        self.run(cluster, &self.request[cluster].clone());
    }

    fn post(&mut self, cluster: usize) {
        self.run(cluster, &self.post[cluster].clone());
    }

    fn tick(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.store.data_mut().now += 1_000_000_000;
            self.callback::<_, ()>("proxy_on_tick", ROOT);
        }
    }

    fn totals(&self) -> Totals {
        let mut totals = self.store.data().totals.clone();
        totals.add(What::Instructions, self.instructions);
        totals.add(What::Callbacks, self.callbacks);
        totals
    }

    fn ejected(&self) -> usize {
        let lines = self.store.data().logs.iter();
        lines.filter(|line| line.starts_with(EJECTED)).count()
    }
}

/// How the line begins that tells of an ejection.
pub(crate) const EJECTED: &str = "ejected host ";

/// A request that is not retried.
pub(crate) fn post(cluster: usize) -> Request {
    Request::new("POST", "/").to(&path::cluster(cluster)).body("x")
}

/// The headers of an answer of a host, beside its status.
pub(crate) const ANSWER_HEADERS: [(&str, &str); 4] = [
    ("content-type", "application/json"),
    ("content-length", "1832"),
    ("date", "Mon, 16 Jun 2025 08:00:00 GMT"),
    ("server", "envoy"),
];

fn answer(status: &str) -> Headers {
    let mut headers = Headers::from([(":status", status)]);
    for (name, value) in ANSWER_HEADERS {
        headers.add(name, value);
    }
    headers.add("x-envoy-upstream-service-time", "0");
    headers
}

impl ModuleBed {
    /// Runs a callback and counts it and its instructions.
    fn callback<P: WasmParams, R: WasmResults>(&mut self, name: &str, arguments: P) -> R {
        let callback = self.instance.get_typed_func::<P, R>(&self.store, name);
        let callback = callback.unwrap_or_else(|error| panic!("{name}: {error}"));
        let before = self.store.get_fuel().expect("fuel is counted");
        let result = callback.call(&mut self.store, arguments);
        self.instructions += before - self.store.get_fuel().expect("fuel is counted");
        self.callbacks += 1;
        result.unwrap_or_else(|error| panic!("{name}: {error}: {:?}", self.store.data().logs))
    }

    fn start(&mut self) {
        self.callback::<_, ()>("_initialize", ());
        self.callback::<_, ()>("proxy_on_context_create", (ROOT, 0));
        let started: u32 = self.callback("proxy_on_vm_start", (ROOT, 0));
        let size = self.store.data().configuration.len() as u32;
        let configured: u32 = self.callback("proxy_on_configure", (ROOT, size));
        assert_eq!((started, configured), (1, 1), "{:?}", self.store.data().logs);
    }

    fn stream(&mut self) -> &mut Stream {
        self.store.data_mut().stream.as_mut().expect("a stream is under way")
    }

    fn set_attributes(&mut self, attributes: &[(&str, &[u8])]) {
        for (path, value) in attributes {
            self.stream().attributes.insert((*path).to_owned(), value.to_vec());
        }
    }

    /// All of a request, as Envoy takes it through the filter.
    fn run(&mut self, cluster: usize, request: &Request) {
        self.last_context += 1;
        let context = self.last_context;
        let body = request.whole_body();
        let now = self.store.data().now;
        self.store.data_mut().stream = Some(Stream {
            request_headers: Some(request.headers().clone()),
            ..Stream::default()
        });
        let hosts = self.clusters[cluster].hosts.len() as u64;
        self.set_attributes(&[
            ("request.time", &now.to_le_bytes()),
            ("xds.cluster_name", path::cluster(cluster).as_bytes()),
            ("upstream.num_endpoints", &hosts.to_le_bytes()),
            ("xds.route_name", request.route_name().as_bytes()),
            ("xds.virtual_host_name", b"all"),
        ]);
        self.callback::<_, ()>("proxy_on_context_create", (context, ROOT));
        let count = request.headers().len() as u32;
        let ends = u32::from(body.is_empty());
        self.goes_on("proxy_on_request_headers", (context, count, ends));
        let mut sent = self.stream().request_headers.take().expect("the request's headers");
        if !body.is_empty() {
            let size = body.len() as u32;
            self.stream().request_body = Some(body);
            self.goes_on("proxy_on_request_body", (context, size, 1));
            self.stream().request_body = None;
        }
        let host = self.clusters[cluster].pick(sent.get(PIN));
        for name in FOR_THE_ROUTER {
            sent.remove(name);
        }
        self.respond(context, cluster, &host);
        let stream = self.stream();
        stream.request_headers = Some(sent);
        self.callback::<_, ()>("proxy_on_log", context);
        self.stream().request_headers = None;
        if self.instance.get_func(&self.store, "proxy_on_done").is_some() {
            let _: u32 = self.callback("proxy_on_done", context);
        }
        self.callback::<_, ()>("proxy_on_delete", context);
        self.store.data_mut().stream = None;
    }

    /// The answer of a host, and what comes of it.
    fn respond(&mut self, context: u32, cluster: usize, host: &str) {
        let status: u64 = if self.failing.contains(host) { 503 } else { 200 };
        self.set_attributes(&[
            ("upstream.address", host.as_bytes()),
            ("upstream.request_attempt_count", &1_u64.to_le_bytes()),
            ("response.code", &status.to_le_bytes()),
            ("response.flags", &0_u64.to_le_bytes()),
            ("response.code_details", b"via_upstream"),
        ]);
        let headers = answer(&status.to_string());
        let count = headers.len() as u32;
        self.stream().response_headers = Some(headers);
        let action: u32 = self.callback("proxy_on_response_headers", (context, count, 0));
        if action == PAUSE {
            let callout = self.store.data_mut().callout.take();
            self.answer_callout(cluster, callout.expect("a held response waits for a callout"));
        }
        assert!(self.store.data().callout.is_none(), "a callout that no path here has");
        self.stream().response_body = Some(vec![b'y'; ANSWER]);
        self.goes_on("proxy_on_response_body", (context, ANSWER as u32, 1));
    }

    /// The callout's answer: always a good one.
    fn answer_callout(&mut self, cluster: usize, callout: Callout) {
        assert_eq!(callout.cluster, path::cluster(cluster));
        self.clusters[cluster].pick(callout.headers.get(PIN));
        let headers = answer("200");
        let count = headers.len() as u32;
        let world = self.store.data_mut();
        world.answer = Some((headers, vec![b'z'; ANSWER]));
        world.response_goes_on = false;
        let arguments = (ROOT, callout.token, count, ANSWER as u32, 0);
        self.callback::<_, ()>("proxy_on_http_call_response", arguments);
        self.store.data_mut().answer = None;
        assert!(self.store.data().response_goes_on, "the retry's answer is delivered");
    }

    /// Runs a callback that has to let the stream go on.
    fn goes_on<P: WasmParams>(&mut self, name: &str, arguments: P) {
        let action: u32 = self.callback(name, arguments);
        assert_ne!(action, PAUSE, "{name}: no path here is held");
    }
}
