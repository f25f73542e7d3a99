//! Tests of sidestep: core.
