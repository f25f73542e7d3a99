//! serde shapes.
