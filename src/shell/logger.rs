//! The `log` crate's lines, and a panic's last words, go to Envoy's log.

use super::abi;
use log::{Level, LevelFilter, Log, Metadata, Record};

struct Logger;

static LOGGER: Logger = Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Trace => 0,
            Level::Debug => 1,
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        // There is nobody to tell if that fails.
        let _ = abi::log(level, &format!("{}", record.args()));
    }

    fn flush(&self) {}
}

/// Takes over the logging of this VM. Envoy drops what is below its own level.
pub(super) fn install() {
    const CRITICAL: u32 = 5;
    // Fails if it was done before, which is as good.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Info);
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| {
        let _ = abi::log(CRITICAL, &format!("{panic}"));
    }));
    #[cfg(not(target_arch = "wasm32"))]
    let _ = CRITICAL;
}
