//! Tests of sidestep: envoy.
