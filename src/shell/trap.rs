//! Test only: a request that crashes the VM, to prove that what was learned outlives it.

use super::abi::{self, Map};

/// Crashes the VM if the request asks for it by `x-sidestep-trap: now`.
#[expect(clippy::panic, reason = "its purpose")]
pub(super) fn spring() {
    if matches!(abi::value(Map::RequestHeaders, "x-sidestep-trap"), Ok(Some(value)) if value == b"now") {
        panic!("the test asked for it");
    }
}
