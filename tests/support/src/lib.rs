//! Tests of sidestep: support.
