//! Tests of sidestep's pure core, and the vectors that other tests share with them.
//!
//! The same test functions run natively (`cargo test -p sidestep-core`) and under wasm32 in node (with
//! `--target wasm32-unknown-unknown` and the `wasm-bindgen-test-runner` of `wasm-bindgen-cli`). A file of tests that
//! run in both says `use sidestep_core::test;`, and then `#[test]` as usual.

pub mod bad_configs;
pub mod fake_host;
pub mod good_configs;
pub mod kept;
pub mod workers;

/// The attribute of a test function, for the target that is being compiled.
#[cfg(not(target_arch = "wasm32"))]
pub use core::prelude::v1::test;
#[cfg(target_arch = "wasm32")]
pub use wasm_bindgen_test::wasm_bindgen_test as test;
