//! Test only: requests that crash the VM, to prove that what was learned outlives it, or that carry a person's wish.

use super::abi::{self, Map};
use super::envoy::Envoy;
use crate::health::{Control, ControlAction};
use crate::host::Host;
use crate::model::parse_duration;
use crate::worker::Worker;

fn header(name: &str) -> Option<String> {
    String::from_utf8(abi::value(Map::RequestHeaders, name).ok()??).ok()
}

/// Crashes the VM if the request asks for it by `x-sidestep-trap: now`.
#[expect(clippy::panic, reason = "its purpose")]
pub(super) fn spring() {
    if header("x-sidestep-trap").as_deref() == Some("now") {
        panic!("the test asked for it");
    }
}

/// Carries out `x-sidestep-control: ACTION CLUSTER HOST DURATION REASON`.
pub(super) fn control(worker: &mut Worker<Envoy>) {
    let Some(text) = header("x-sidestep-control") else {
        return;
    };
    let mut words = text.splitn(5, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (action, cluster, host, duration, reason) = (word(), word(), word(), word(), word());
    let action = ControlAction::ALL.into_iter().find(|known| known.name() == action);
    if let (Some(action), Ok(host), Ok(duration), Ok(now)) =
        (action, host.parse(), parse_duration(duration), Envoy.now())
    {
        let control = Control {
            host,
            action,
            until: now.after(duration),
            reason: reason.to_owned(),
        };
        worker.control(cluster, &control);
    } else {
        log::error!("no control: {text}");
    }
}
