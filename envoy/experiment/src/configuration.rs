//! What is compared: ways to configure one and the same Envoy, and other proxies.

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Configuration {
    /// Envoy with neither outlier detection nor retries.
    NoDetection,
    /// Envoy with `outlier_detection: {}`: all of its defaults, in their own times, and no retries.
    EnvoyDefault,
    /// Envoy with outlier detection and retries as good as they get.
    EnvoyTuned,
    /// HAProxy with active health checks, `observe layer7`, `retry-on` and `redispatch`, in the same times.
    Haproxy,
    /// nginx with `max_fails` and `proxy_next_upstream`, in the same times as far as it knows them.
    Nginx,
    /// Envoy with sidestep, in the same times.
    Sidestep,
}

impl Configuration {
    /// All of them. The first two are Envoys, and sidestep comes last: over the others in the plot.
    pub(crate) const ALL: [Self; 6] = [
        Self::NoDetection,
        Self::EnvoyDefault,
        Self::EnvoyTuned,
        Self::Haproxy,
        Self::Nginx,
        Self::Sidestep,
    ];

    /// What it is called on the command line and in the files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoDetection => "no_detection",
            Self::EnvoyDefault => "envoy_default",
            Self::EnvoyTuned => "envoy_tuned",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Sidestep => "sidestep",
        }
    }

    /// The configuration of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|configuration| configuration.name() == name)
    }

    /// What it is called in the table and in the plot.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::NoDetection => "Envoy, nothing",
            Self::EnvoyDefault => "Envoy, default",
            Self::EnvoyTuned => "Envoy, tuned",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Sidestep => "sidestep",
        }
    }

    /// Whether a request that failed is tried at another host.
    pub(crate) fn retries(self) -> bool {
        !matches!(self, Self::NoDetection | Self::EnvoyDefault)
    }

    /// Whether hosts are ever taken out.
    pub(crate) fn detects(self) -> bool {
        self != Self::NoDetection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for configuration in Configuration::ALL {
            assert_eq!(Configuration::of(configuration.name()), Some(configuration));
        }
        assert_eq!(Configuration::of("envoy"), None);
    }
}
