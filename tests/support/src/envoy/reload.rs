//! Listeners in a file that Envoy follows: a configuration that changes while Envoy runs.

use super::{Envoy, EnvoyConfig, EnvoyError, listeners};
use crate::process::Folder;
use serde_json::{Value, json};
use std::io;

impl Envoy {
    /// Gives Envoy the listeners of this configuration, with their filters, and waits until it has taken them over. Envoy
    /// has to have been started [from a file](EnvoyConfig::listeners_from_file), and by a configuration that differs in
    /// its listeners: it does nothing for one that it has already.
    ///
    /// # Errors
    /// It does not take them over.
    pub async fn reload(&mut self, config: &EnvoyConfig) -> Result<(), EnvoyError> {
        let late = |error: crate::TimedOut| EnvoyError::NotReady(error.to_string());
        let modified = "listener_manager.listener_modified";
        let before = self.stat(modified).await?;
        config.write_listeners(self.process.folder())?;
        self.until_stat(modified, |n| n > before).await.map_err(late)?;
        let warming = "listener_manager.total_listeners_warming";
        self.until_stat(warming, |n| n == 0).await.map_err(late)?;
        // A port that Envoy chose may be another one now.
        if let Some(main) = listeners(&self.admin).await?.remove("main") {
            self.main = main;
        }
        Ok(())
    }
}

/// `lds_config`.
pub(super) fn source(folder: &Folder) -> Value {
    json!({"path_config_source": {"path": folder.file("listeners.json")}})
}

/// Envoy looks at a file when another is moved to its place.
pub(super) fn write(folder: &Folder, listeners: Vec<Value>) -> io::Result<()> {
    let resources: Vec<_> = listeners.into_iter().map(typed).collect();
    let new = folder.file("new-listeners.json");
    std::fs::write(&new, json!({"resources": resources}).to_string())?;
    std::fs::rename(new, folder.file("listeners.json"))
}

fn typed(mut listener: Value) -> Value {
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    listener
}
