//! Where things are: Envoy, the module, the repository.

use crate::process::in_path;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The folder of Envoy's own tools has the version in its name: `build.sh` puts it there.
const TOOL: &str = "envoy-1.40.0/bin/envoy";

/// The repository's folder.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The module: `SIDESTEP_WASM`, else `dist/sidestep.wasm`.
#[must_use]
pub fn wasm() -> PathBuf {
    from_environment("SIDESTEP_WASM").unwrap_or_else(|| repository().join("dist/sidestep.wasm"))
}

/// The module that crashes on demand: `SIDESTEP_TRAP_WASM`, else `target/test-trap/sidestep.wasm`.
#[must_use]
pub fn trap_wasm() -> PathBuf {
    from_environment("SIDESTEP_TRAP_WASM").unwrap_or_else(|| repository().join("target/test-trap/sidestep.wasm"))
}

/// Envoy: `ENVOY_BIN`, else the one that `./build.sh envoy` fetched, else the PATH's.
pub(super) fn envoy() -> Option<PathBuf> {
    from_environment("ENVOY_BIN")
        .or_else(|| tools().map(|tools| tools.join(TOOL)).filter(|path| path.is_file()))
        .or_else(|| in_path("envoy"))
}

fn tools() -> Option<PathBuf> {
    from_environment("SIDESTEP_TOOLS").or_else(|| {
        let cache =
            from_environment("XDG_CACHE_HOME").or_else(|| from_environment("HOME").map(|home| home.join(".cache")))?;
        Some(cache.join("sidestep"))
    })
}

pub(crate) fn from_environment(variable: impl AsRef<OsStr>) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
