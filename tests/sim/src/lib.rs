//! Tests of sidestep: sim.
