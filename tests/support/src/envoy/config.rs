//! A whole Envoy configuration, in terms of a test.

use super::{Cluster, Route};
use crate::process::Folder;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpSocket;

/// What Envoy gets to run: clusters, and a listener with the filter before them.
///
/// Requests go to the first cluster; those whose path starts with `/NAME/` to the cluster of that name; before both,
/// as the [routes](Self::route_first) say that were added.
#[derive(Clone, Debug)]
pub struct EnvoyConfig {
    clusters: Vec<Cluster>,
    routes: Vec<Route>,
    filter: Option<Filter>,
    before: Vec<Value>,
    after: Vec<Value>,
    /// Into each route's `route`.
    action: Value,
    /// Into the virtual host.
    virtual_host: Value,
    /// Into each listener's connection manager.
    connection_manager: Value,
    /// Into the bootstrap configuration.
    bootstrap: Value,
    /// The admin interface's port, if it has to be known beforehand: bound and never listening, so that it stays ours.
    admin: Option<Arc<TcpSocket>>,
    plain_listener: bool,
    /// Whether Envoy follows a file with its listeners (LDS).
    listeners_from_file: bool,
    node: String,
    /// The plugin configuration of a status listener.
    status: Option<Value>,
    /// The format of its lines.
    access_log: Option<String>,
    override_header: String,
    pub(super) workers: u32,
    pub(super) log_level: String,
    /// The program that runs Envoy, and its arguments before Envoy's path.
    pub(super) under: Option<(PathBuf, Vec<String>)>,
}

#[derive(Clone, Debug)]
struct Filter {
    wasm: PathBuf,
    vm_id: String,
    configuration: Option<Value>,
    failure_policy: String,
    /// `allow_on_headers_stop_iteration`.
    reads_bodies: bool,
}

impl EnvoyConfig {
    /// Two workers, the module from `dist/`, an empty plugin configuration, and these clusters.
    #[must_use]
    pub fn new(clusters: impl IntoIterator<Item = Cluster>) -> Self {
        Self {
            clusters: clusters.into_iter().collect(),
            routes: Vec::new(),
            filter: Some(Filter {
                wasm: super::wasm(),
                vm_id: "sidestep".to_owned(),
                configuration: Some(as_text("{}")),
                failure_policy: "FAIL_RELOAD".to_owned(),
                reads_bodies: false,
            }),
            before: Vec::new(),
            after: Vec::new(),
            action: json!({}),
            virtual_host: json!({}),
            connection_manager: json!({}),
            bootstrap: json!({}),
            admin: None,
            plain_listener: false,
            listeners_from_file: false,
            node: "test".to_owned(),
            status: None,
            access_log: None,
            override_header: "x-sidestep-host".to_owned(),
            workers: 2,
            log_level: "info".to_owned(),
            under: None,
        }
    }

    /// Run by another program, such as valgrind: it gets these arguments, then Envoy's path and arguments.
    #[must_use]
    pub fn under<'a>(mut self, program: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        self.under = Some((program.to_owned(), arguments));
        self
    }

    /// Without the filter: plain Envoy.
    #[must_use]
    pub fn without_filter(mut self) -> Self {
        self.filter = None;
        self
    }

    /// The plugin's configuration, handed over as text (`StringValue`).
    #[must_use]
    pub fn plugin(self, configuration: &Value) -> Self {
        self.plugin_text(&configuration.to_string())
    }

    /// The plugin's configuration as it is, JSON or not.
    #[must_use]
    pub fn plugin_text(self, configuration: &str) -> Self {
        self.configuration(Some(as_text(configuration)))
    }

    /// The plugin's configuration, handed over as a `Struct`.
    #[must_use]
    pub fn plugin_struct(self, configuration: &Value) -> Self {
        self.configuration(Some(json!({
            "@type": "type.googleapis.com/google.protobuf.Struct",
            "value": configuration,
        })))
    }

    /// No plugin configuration at all.
    #[must_use]
    pub fn plugin_missing(self) -> Self {
        self.configuration(None)
    }

    fn configuration(mut self, configuration: Option<Value>) -> Self {
        if let Some(filter) = &mut self.filter {
            filter.configuration = configuration;
        }
        self
    }

    /// Another module.
    #[must_use]
    pub fn wasm(mut self, path: &Path) -> Self {
        if let Some(filter) = &mut self.filter {
            path.clone_into(&mut filter.wasm);
        }
        self
    }

    /// Another `vm_id`.
    #[must_use]
    pub fn vm_id(mut self, id: &str) -> Self {
        if let Some(filter) = &mut self.filter {
            id.clone_into(&mut filter.vm_id);
        }
        self
    }

    /// Another `failure_policy` than `FAIL_RELOAD`.
    #[must_use]
    pub fn failure_policy(mut self, policy: &str) -> Self {
        if let Some(filter) = &mut self.filter {
            policy.clone_into(&mut filter.failure_policy);
        }
        self
    }

    /// The header that the clusters' policies read. The plugin's configuration has to say the same.
    #[must_use]
    pub fn override_header(mut self, name: &str) -> Self {
        name.clone_into(&mut self.override_header);
        self
    }

    /// An HTTP filter nearer to the client: it sees what sidestep answers. See [`filters`](super::filters).
    #[must_use]
    pub fn filter_before(mut self, filter: Value) -> Self {
        self.before.push(filter);
        self
    }

    /// An HTTP filter between sidestep and the router.
    #[must_use]
    pub fn filter_after(mut self, filter: Value) -> Self {
        self.after.push(filter);
        self
    }

    /// The routes' `timeout`.
    #[must_use]
    pub fn route_timeout(self, time: Duration) -> Self {
        self.route("timeout", json!(format!("{}s", time.as_secs_f64())))
    }

    /// The routes' own `retry_policy`.
    #[must_use]
    pub fn route_retry_policy(self, policy: Value) -> Self {
        self.route("retry_policy", policy)
    }

    /// With one route more, that comes before those of the clusters and after those added so far.
    #[must_use]
    pub fn route_first(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// With one cluster more, whose one host is Envoy's own admin interface.
    ///
    /// # Errors
    /// No loopback port can be had.
    pub fn admin_cluster(mut self, name: &str) -> std::io::Result<Self> {
        let port = TcpSocket::new_v4()?;
        // Envoy sets this too; without it on both sides the port would be taken.
        port.set_reuseaddr(true)?;
        port.bind((std::net::Ipv4Addr::LOCALHOST, 0).into())?;
        let cluster = Cluster::new(name).address(port.local_addr()?);
        self.clusters.push(cluster.without_override_policy());
        self.admin = Some(Arc::new(port));
        Ok(self)
    }

    /// With one cluster more, called `etcd`, whose hosts these are.
    #[must_use]
    pub fn etcd(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let cluster = Cluster::new("etcd")
            .http2()
            .without_override_policy()
            .connect_timeout(Duration::from_millis(250));
        self.clusters
            .push(addresses.into_iter().fold(cluster, Cluster::address));
        self
    }

    /// The node's id, instead of `test`: what tells the Envoys of a fleet apart.
    #[must_use]
    pub fn node(mut self, id: &str) -> Self {
        id.clone_into(&mut self.node);
        self
    }

    /// Envoy reads its listeners from a file and follows it (LDS): [`Envoy::reload`](super::Envoy::reload).
    #[must_use]
    pub fn listeners_from_file(mut self) -> Self {
        self.listeners_from_file = true;
        self
    }

    /// Only statistics whose names begin with one of these: the others Envoy does not even keep.
    #[must_use]
    pub fn only_stats(self, prefixes: &[&str]) -> Self {
        let patterns: Vec<_> = prefixes.iter().map(|prefix| json!({"prefix": prefix})).collect();
        self.bootstrap(
            "stats_config",
            json!({"stats_matcher": {"inclusion_list": {"patterns": patterns}}}),
        )
    }

    /// Any other field of Envoy's `Bootstrap`.
    #[must_use]
    pub fn bootstrap(mut self, field: &str, value: Value) -> Self {
        self.bootstrap[field] = value;
        self
    }

    /// Any other field of Envoy's `RouteAction`, for each route.
    #[must_use]
    pub fn route(mut self, field: &str, value: Value) -> Self {
        self.action[field] = value;
        self
    }

    /// Any other field of Envoy's `VirtualHost`.
    #[must_use]
    pub fn virtual_host(mut self, field: &str, value: Value) -> Self {
        self.virtual_host[field] = value;
        self
    }

    /// Any other field of Envoy's `HttpConnectionManager`.
    #[must_use]
    pub fn connection_manager(mut self, field: &str, value: Value) -> Self {
        self.connection_manager[field] = value;
        self
    }

    /// A line of this [format](https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage)
    /// for each request, of all listeners: [`Envoy::access_log`](super::Envoy::access_log).
    #[must_use]
    pub fn access_log(mut self, format: &str) -> Self {
        self.access_log = Some(format.to_owned());
        self
    }

    /// A second listener, with the same routes and filters except sidestep: [`Envoy::plain_client`](super::Envoy::plain_client).
    #[must_use]
    pub fn and_without_filter(mut self) -> Self {
        self.plain_listener = true;
        self
    }

    /// A listener more, of the same module with this plugin configuration: [`Envoy::status_client`](super::Envoy::status_client).
    #[must_use]
    pub fn and_status(mut self, plugin: &Value) -> Self {
        self.status = Some(plugin.clone());
        self
    }

    /// Worker threads, instead of 2.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// Envoy's log level, instead of `info`.
    #[must_use]
    pub fn log_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.log_level);
        self
    }

    /// The module's file, if the filter is there.
    pub(super) fn module(&self) -> Option<&Path> {
        self.filter.as_ref().map(|filter| filter.wasm.as_path())
    }

    /// The listeners. If an access log was asked for, it goes to a file of this folder.
    fn listeners(&self, folder: &Folder) -> Vec<Value> {
        let access_log = folder.access_log();
        let mut listeners = vec![self.listener("main", self.filter.as_ref(), &access_log)];
        if self.plain_listener {
            listeners.push(self.listener("plain", None, &access_log));
        }
        if let (Some(plugin), Some(filter)) = (&self.status, &self.filter) {
            let filter = Filter {
                configuration: Some(as_text(&plugin.to_string())),
                reads_bodies: true,
                ..filter.clone()
            };
            listeners.push(self.listener("status", Some(&filter), &access_log));
        }
        listeners
    }

    /// Puts the listeners where Envoy looks for them, if it follows a file.
    pub(super) fn write_listeners(&self, folder: &Folder) -> std::io::Result<()> {
        if self.listeners_from_file {
            super::reload::write(folder, self.listeners(folder))?;
        }
        Ok(())
    }

    /// Envoy's bootstrap configuration.
    pub(super) fn json(&self, folder: &Folder) -> Value {
        let clusters: Vec<_> = self
            .clusters
            .iter()
            .map(|cluster| cluster.json(&self.override_header))
            .collect();
        let reserved = self.admin.as_ref().and_then(|socket| socket.local_addr().ok());
        let mut bootstrap = json!({
            // Envoy asks for it where hosts come from elsewhere.
            "node": {"id": self.node, "cluster": "test"},
            "admin": {"address": port(reserved.map_or(0, |address| address.port()))},
            "static_resources": {"clusters": clusters},
        });
        if self.listeners_from_file {
            bootstrap["dynamic_resources"] = json!({"lds_config": super::reload::source(folder)});
        } else {
            bootstrap["static_resources"]["listeners"] = json!(self.listeners(folder));
        }
        super::merge(&mut bootstrap, &self.bootstrap);
        bootstrap
    }

    fn listener(&self, name: &str, filter: Option<&Filter>, access_log: &Path) -> Value {
        let filters: Vec<_> = self
            .before
            .iter()
            .cloned()
            .chain(filter.map(Filter::json))
            .chain(self.after.iter().cloned())
            .chain([super::filters::router()])
            .collect();
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "route_config": {"name": "routes", "virtual_hosts": [self.virtual_hosts()]},
            "http_filters": filters,
        });
        if let Some(format) = &self.access_log {
            manager["access_log"] = json!([{
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": access_log,
                    "log_format": {"text_format_source": {"inline_string": format!("{format}\n")}},
                },
            }]);
        }
        super::merge(&mut manager, &self.connection_manager);
        json!({
            "name": name,
            // The statistics are then called `listener.NAME`, whatever the port.
            "stat_prefix": name,
            "address": port(0),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }]}],
        })
    }

    fn virtual_hosts(&self) -> Value {
        let route = |prefix: String, cluster: &Cluster| Route::new(&cluster.name, &prefix, &cluster.name);
        let by_name = self
            .clusters
            .iter()
            .map(|cluster| route(format!("/{}/", cluster.name), cluster));
        let default = self.clusters.first().map(|cluster| route("/".to_owned(), cluster));
        let all = self.routes.iter().cloned().chain(by_name).chain(default);
        let routes: Vec<_> = all.map(|route| route.json(&self.action)).collect();
        let mut host = json!({"name": "all", "domains": ["*"], "routes": routes});
        super::merge(&mut host, &self.virtual_host);
        host
    }
}

impl Filter {
    fn json(&self) -> Value {
        let mut config = json!({
            "name": "sidestep",
            "root_id": "sidestep",
            "failure_policy": self.failure_policy,
            "vm_config": {
                "vm_id": self.vm_id,
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": self.wasm}},
            },
        });
        if self.reads_bodies {
            config["allow_on_headers_stop_iteration"] = json!(true);
        }
        if let Some(configuration) = &self.configuration {
            config["configuration"] = configuration.clone();
        }
        json!({
            "name": "sidestep",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": config,
            },
        })
    }
}

fn as_text(configuration: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": configuration,
    })
}

/// Of loopback; 0: any.
fn port(number: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": number}})
}
