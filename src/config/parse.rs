//! The shape of the configuration: its sections, at the top and by cluster, and what is decided by route.

use super::block::Block;
use super::error::{BoxedError, Path};
use super::field::Field;
use super::json::{Fields, show_text};
use super::{
    Admin, ClusterPolicy, Config, Keep, Matcher, OutlierDetection, Picking, Probe, RetryBounds, RetryPolicy, Role,
    RoutePolicy, StatusPolicy,
};
use super::{document, values};
use crate::model::{Map, Percent};
use std::rc::Rc;

type Result<T> = std::result::Result<T, BoxedError>;

pub(super) fn parse(bytes: &[u8]) -> Result<Role> {
    let json = document::read(bytes)?;
    Block::read(Path::top(), &json, None, |top| {
        if top.own("status").is_some() {
            return StatusPolicy::read_alone(top).map(Role::Status);
        }
        let global = sections(top)?;
        let clusters = match top.take("clusters") {
            Some(field) => by_name(&field, "cluster", Some(top.fields()), cluster)?,
            None => Map::<String, Rc<ClusterPolicy>>::default(),
        };
        if let Some((name, _)) = clusters
            .iter()
            .find(|(name, policy)| policy.standby_cluster.as_ref() == Some(*name))
        {
            let path = Path::top().field("clusters").field(name).field("standby_cluster");
            return Err(path.error(show_text(name), "the name of another cluster"));
        }
        let mut routes = match top.take("routes") {
            Some(field) => by_name(&field, "route", None, route)?,
            None => Map::default(),
        };
        // Known, and not here.
        let _ = top.take("status");
        // So that what is decided by route costs nothing where nothing is.
        routes.retain(|_, policy| **policy != RoutePolicy::default());
        Ok(Role::Filter(Box::new(Config {
            override_header: global.override_header,
            bounds: global.bounds,
            admin: global.admin,
            keep: Keep::read(top)?,
            default: Rc::new(global.policy),
            clusters,
            routes,
        })))
    })
}

/// The blocks of an object that has one for each name of a `kind` of things.
fn by_name<'a, T>(
    field: &Field<'a>,
    kind: &str,
    inherited: Option<&'a Fields>,
    read: impl Fn(&mut Block<'a>) -> Result<T>,
) -> Result<Map<String, Rc<T>>> {
    let mut all = Map::default();
    for (name, value) in field.fields()? {
        let path = field.path().field(name);
        if name.is_empty() {
            return Err(path.error("\"\"", format!("the name of a {kind}")));
        }
        if all.contains_key(name) {
            return Err(path.error(
                format!("a second block for this {kind}"),
                format!("each {kind} at most once"),
            ));
        }
        let block = Block::read(path, value, inherited, &read)?;
        all.insert(name.clone(), Rc::new(block));
    }
    Ok(all)
}

fn cluster(block: &mut Block<'_>) -> Result<ClusterPolicy> {
    // Whether there is a standby decides about a default, so it is looked at first.
    let standby_cluster = block.take("standby_cluster").map(|field| standby(&field)).transpose()?;
    let mut policy = sections(block)?.policy;
    if standby_cluster.is_some() && !block.has_in("outlier_detection", "max_ejection_percent") {
        policy.outlier_detection.max_ejection_percent = Percent::ALL;
    }
    policy.standby_cluster = standby_cluster;
    if let Some(field) = block.take("hosts") {
        policy.hosts = values::hosts(&field, policy.picking.max_hosts)?;
    }
    Ok(policy)
}

fn standby(field: &Field<'_>) -> Result<String> {
    values::text(field, |text| !text.is_empty(), "the name of another cluster")
}

fn route(block: &mut Block<'_>) -> Result<RoutePolicy> {
    Ok(RoutePolicy {
        matchers: Matcher::read_section(block)?,
        idempotency_key: block.block("retry", |retry| Ok(retry.boolean("idempotency_key")?.unwrap_or(false)))?,
    })
}

/// What the sections say that are the same at the top and in a cluster's block.
struct Sections {
    policy: ClusterPolicy,
    override_header: String,
    bounds: RetryBounds,
    admin: Option<Admin>,
}

fn sections(block: &mut Block<'_>) -> Result<Sections> {
    let outlier_detection = block.block("outlier_detection", OutlierDetection::read)?;
    let (retry, bounds) = block.block("retry", RetryPolicy::read)?;
    let (picking, override_header, admin) = block.block("picking", Picking::read)?;
    Ok(Sections {
        policy: ClusterPolicy {
            hosts: Vec::new(),
            standby_cluster: None,
            outlier_detection,
            retry,
            picking,
            probe: Probe::read_section(block)?,
            matchers: Matcher::read_section(block)?,
        },
        override_header,
        bounds,
        admin,
    })
}
