//! The answer to `GET /clusters?format=json`: `envoy.admin.v3.Clusters` as JSON.
//!
//! The body can be large, and nearly all of it is counters. So it is read in one pass that goes only where something is
//! wanted: no tree is built, everything else is skipped by the parser, which needs a bit of memory for each level of
//! nesting at most. Where it goes down is one table, [`FIELDS`].
//!
//! An entry of an unexpected form is skipped and counted, and the others are read. What is `null` or not there has the
//! default of its protobuf field, as everywhere in protobuf's JSON.

use super::{DiscoverError, ListedCluster, ListedHost, Listing, MAX_BODY, Standing};
use crate::model::HostAddr;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::BinaryHeap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The hosts in the body of the admin interface's answer, of the clusters that are wanted: those for whose name
/// `most_hosts` gives the most hosts to take.
///
/// # Errors
/// If the body is too large, no JSON, or JSON of something else.
pub fn hosts(body: &[u8], most_hosts: impl Fn(&str) -> Option<usize>) -> Result<Listing, DiscoverError> {
    if body.len() > MAX_BODY {
        return Err(DiscoverError::TooLarge(body.len()));
    }
    let text = std::str::from_utf8(body).map_err(|error| DiscoverError::NotText {
        from: error.valid_up_to(),
    })?;
    let mut reader = Reader {
        most_hosts: &most_hosts,
        listing: Listing::default(),
        is_clusters: true,
        cluster: Cluster::default(),
        host: Host::default(),
    };
    // From text, as a configuration is read: so the parser's code is there once.
    let mut json = serde_json::Deserializer::from_str(text);
    At(Place::Body, &mut reader)
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| DiscoverError::NotJson {
            line: error.line(),
            column: error.column(),
        })?;
    if !reader.is_clusters {
        return Err(DiscoverError::NotClusters);
    }
    for cluster in &mut reader.listing.clusters {
        settle(cluster, &most_hosts);
    }
    Ok(reader.listing)
}

/// Sorts a cluster's hosts, makes each one of them, and leaves out what is too much.
fn settle(cluster: &mut ListedCluster, most_hosts: &dyn Fn(&str) -> Option<usize>) {
    // Not by `sort`, whose code is several times as large.
    let mut hosts = BinaryHeap::from(std::mem::take(&mut cluster.hosts)).into_sorted_vec();
    hosts.dedup_by(|next, kept| {
        let same = next.addr == kept.addr;
        if same {
            kept.standing = next.standing;
        }
        same
    });
    let most = most_hosts(&cluster.name).unwrap_or(0);
    cluster.left_out = hosts.len().saturating_sub(most);
    hosts.truncate(most);
    cluster.hosts = hosts;
}

/// Where in the body a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Body,
    Clusters,
    Cluster,
    Name,
    Hosts,
    Host,
    Address,
    SocketAddress,
    Ip,
    Port,
    Priority,
    Health,
    EdsHealth,
    /// A flag that makes the host unfit.
    UnfitFlag,
    /// A flag that makes the host a spare one.
    SpareFlag,
    /// Nothing that is wanted.
    Elsewhere,
}

/// Every field that is read: the object that has it, its name in the proto, and its place.
const FIELDS: [(Place, &str, Place); 15] = [
    (Place::Body, "cluster_statuses", Place::Clusters),
    (Place::Cluster, "name", Place::Name),
    (Place::Cluster, "host_statuses", Place::Hosts),
    (Place::Host, "address", Place::Address),
    (Place::Address, "socket_address", Place::SocketAddress),
    (Place::SocketAddress, "address", Place::Ip),
    (Place::SocketAddress, "port_value", Place::Port),
    (Place::Host, "priority", Place::Priority),
    (Place::Host, "health_status", Place::Health),
    (Place::Health, "eds_health_status", Place::EdsHealth),
    (Place::Health, "failed_active_health_check", Place::UnfitFlag),
    (Place::Health, "pending_active_hc", Place::UnfitFlag),
    (Place::Health, "excluded_via_immediate_hc_fail", Place::UnfitFlag),
    (Place::Health, "pending_dynamic_removal", Place::UnfitFlag),
    (Place::Health, "failed_active_degraded_check", Place::SpareFlag),
];

/// Whether a field's name is this one of the proto: as it stands there, which the admin interface writes, or in the
/// camel case that protobuf's JSON has by default.
fn is_named(name: &str, in_proto: &str) -> bool {
    name == in_proto || letters(name).eq(letters(in_proto))
}

/// A name without what the two spellings differ in.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes()
        .filter(|byte| *byte != b'_')
        .map(|byte| byte.to_ascii_lowercase())
}

impl Place {
    /// The place of an object's field.
    fn field(self, name: &str) -> Self {
        FIELDS
            .iter()
            .find(|(object, field, _)| *object == self && is_named(name, field))
            .map_or(Self::Elsewhere, |(.., place)| *place)
    }

    const fn is_object(self) -> bool {
        matches!(
            self,
            Self::Body | Self::Cluster | Self::Host | Self::Address | Self::SocketAddress | Self::Health
        )
    }
}

/// What has been read so far.
struct Reader<'w> {
    most_hosts: &'w dyn Fn(&str) -> Option<usize>,
    listing: Listing,
    is_clusters: bool,
    cluster: Cluster,
    host: Host,
}

/// The cluster that is being read.
#[derive(Default)]
struct Cluster {
    name: Name,
    hosts: Vec<ListedHost>,
    skipped: usize,
}

#[derive(Default)]
enum Name {
    /// It has not come yet. Envoy writes it first; if it did not, the hosts would be read for nothing at worst.
    #[default]
    Unknown,
    Unwanted,
    Wanted(String),
}

/// The host that is being read.
#[derive(Default)]
struct Host {
    ip: Option<IpAddr>,
    port: u16,
    unfit: bool,
    spare: bool,
    odd: bool,
}

impl Host {
    fn listed(&self) -> Option<ListedHost> {
        let addr = SocketAddr::new(self.ip?, self.port);
        (!self.odd && self.port != 0).then(|| ListedHost {
            addr: HostAddr::from(addr),
            standing: match (self.unfit, self.spare) {
                (true, _) => Standing::Unfit,
                (false, true) => Standing::Spare,
                (false, false) => Standing::Fit,
            },
        })
    }
}

impl Reader<'_> {
    /// The value at this place has a form that it cannot have.
    fn odd(&mut self, place: Place) {
        match place {
            Place::Body | Place::Clusters => self.is_clusters = false,
            Place::Cluster => self.listing.skipped += 1,
            Place::Name => {}
            Place::Hosts | Place::Host => self.cluster.skipped += 1,
            _ => self.host.odd = true,
        }
    }

    fn begin(&mut self, place: Place) {
        match place {
            Place::Cluster => self.cluster = Cluster::default(),
            Place::Host => self.host = Host::default(),
            _ => {}
        }
    }

    fn end(&mut self, place: Place) {
        match place {
            Place::Host => match self.host.listed() {
                Some(host) => self.cluster.hosts.push(host),
                None => self.cluster.skipped += 1,
            },
            Place::Cluster => self.end_cluster(),
            _ => {}
        }
    }

    fn end_cluster(&mut self) {
        let Cluster {
            name,
            mut hosts,
            skipped,
        } = std::mem::take(&mut self.cluster);
        match name {
            Name::Unknown => self.listing.skipped += 1,
            Name::Unwanted => {}
            Name::Wanted(name) => {
                self.listing.skipped += skipped;
                let clusters = &mut self.listing.clusters;
                match clusters.iter_mut().find(|cluster| cluster.name == name) {
                    Some(cluster) => cluster.hosts.append(&mut hosts),
                    None => clusters.push(ListedCluster {
                        name,
                        hosts,
                        left_out: 0,
                    }),
                }
            }
        }
    }

    /// Whether nothing of the value at this place can be wanted.
    fn skips(&self, place: Place) -> bool {
        place == Place::Elsewhere || place == Place::Hosts && matches!(self.cluster.name, Name::Unwanted)
    }

    fn text(&mut self, place: Place, text: &str) {
        match place {
            Place::Name => {
                self.cluster.name = match (self.most_hosts)(text) {
                    Some(_) => Name::Wanted(text.to_owned()),
                    None => Name::Unwanted,
                }
            }
            Place::Ip => match text.parse() {
                Ok(ip) => self.host.ip = Some(ip),
                Err(_) => self.host.odd = true,
            },
            Place::EdsHealth => match text {
                "UNHEALTHY" | "DRAINING" | "TIMEOUT" => self.host.unfit = true,
                "DEGRADED" => self.host.spare = true,
                _ => {}
            },
            _ => self.odd(place),
        }
    }

    fn number(&mut self, place: Place, number: u64) {
        match place {
            Place::Port => match u16::try_from(number) {
                Ok(port) => self.host.port = port,
                Err(_) => self.host.odd = true,
            },
            Place::Priority => self.host.spare |= number > 0,
            _ => self.odd(place),
        }
    }

    fn flag(&mut self, place: Place, flag: bool) {
        match place {
            Place::UnfitFlag => self.host.unfit |= flag,
            Place::SpareFlag => self.host.spare |= flag,
            _ => self.odd(place),
        }
    }
}

/// Reads the value at a place. One type for all places, so that the parser's code is there once.
struct At<'r, 'w>(Place, &'r mut Reader<'w>);

impl<'de> DeserializeSeed<'de> for At<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of clusters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Self(place, reader) = self;
        if !place.is_object() {
            reader.odd(place);
        }
        reader.begin(place);
        while let Some(field) = fields.next_key_seed(FieldOf(place))? {
            if reader.skips(field) {
                fields.next_value::<IgnoredAny>()?;
            } else {
                fields.next_value_seed(At(field, reader))?;
            }
        }
        reader.end(place);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self(place, reader) = self;
        let item = match place {
            Place::Clusters => Place::Cluster,
            Place::Hosts => Place::Host,
            _ => {
                reader.odd(place);
                while items.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(());
            }
        };
        while items.next_element_seed(At(item, reader))?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.1.text(self.0, value);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.1.flag(self.0, value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.1.number(self.0, value);
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.1.odd(self.0);
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.1.odd(self.0);
        Ok(())
    }

    // An item of a list cannot be null, nor can the whole. A field that is has its default.
    fn visit_unit<E>(self) -> Result<(), E> {
        if matches!(self.0, Place::Body | Place::Cluster | Place::Host) {
            self.1.odd(self.0);
        }
        Ok(())
    }
}

/// Reads the name of a field of the object at a place, as the field's place.
struct FieldOf(Place);

impl<'de> DeserializeSeed<'de> for FieldOf {
    type Value = Place;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Place, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldOf {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Place, E> {
        Ok(self.0.field(name))
    }
}
