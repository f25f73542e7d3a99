//! How requests are made, and by how many workers served.

use std::fmt;

/// The size of the request's headers, and of the answer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    /// Those of a browser: 8 beside the pseudo-headers, some 450 bytes; the answer's of nginx.
    Small,
    /// 60 more of some 115 bytes each, and 20 in the answer.
    Large,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// A GET.
    Get,
    /// A PUT of 16 kB.
    Put,
}

/// One way of measuring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Envoy's worker threads.
    pub(crate) workers: u32,
    /// The size of the headers.
    pub(crate) headers: Headers,
    /// The method.
    pub(crate) method: Method,
}

impl Setting {
    /// One worker, small headers, GET: what growth and memory are measured with.
    pub(crate) const PLAIN: Self = Self {
        workers: 1,
        headers: Headers::Small,
        method: Method::Get,
    };

    /// The setting of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|setting| setting.to_string() == name)
    }

    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for workers in [1, 2] {
            for headers in [Headers::Small, Headers::Large] {
                for method in [Method::Get, Method::Put] {
                    all.push(Self {
                        workers,
                        headers,
                        method,
                    });
                }
            }
        }
        all
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = match self.headers {
            Headers::Small => "small",
            Headers::Large => "large",
        };
        let method = match self.method {
            Method::Get => "get",
            Method::Put => "put",
        };
        f.pad(&format!("{}-{headers}-{method}", self.workers))
    }
}

/// The names of all settings.
pub(crate) fn known() -> String {
    let names: Vec<_> = Setting::all().iter().map(ToString::to_string).collect();
    names.join(", ")
}
