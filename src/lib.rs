//! sidestep
