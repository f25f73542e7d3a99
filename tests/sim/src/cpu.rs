//! Keeps a simulation on one processor.
//!
//! Of a simulation's threads only one runs at a time. On one processor handing over costs a switch; across processors
//! it costs waking one that may be asleep, which is several times as slow. It changes nothing else, so where the system
//! can't do it, it is not done.

use std::sync::Mutex;

/// As many processors as the mask of one call may name.
const MASK: usize = 1024 / 64;

type Mask = [u64; MASK];

unsafe extern "C" {
    fn sched_getaffinity(thread: i32, size: usize, mask: *mut u64) -> i32;
    fn sched_setaffinity(thread: i32, size: usize, mask: *const u64) -> i32;
}

/// How many simulations each processor has.
static SIMULATIONS: Mutex<[u32; MASK * 64]> = Mutex::new([0; MASK * 64]);

/// Keeps this thread, and those it starts, on one processor until it is dropped.
#[derive(Debug)]
pub(crate) struct OnOneCpu {
    before: Mask,
    cpu: usize,
}

impl OnOneCpu {
    /// Takes the processor with the fewest simulations. `None` where the system doesn't let us.
    pub(crate) fn take() -> Option<OnOneCpu> {
        let mut before: Mask = [0; MASK];
        // SAFETY: the mask is as large as said.
        let got = unsafe { sched_getaffinity(0, size_of::<Mask>(), before.as_mut_ptr()) };
        if got < 0 {
            return None;
        }
        let mut simulations = SIMULATIONS.lock().ok()?;
        let allowed = (0..MASK * 64).filter(|cpu| before[cpu / 64] & (1 << (cpu % 64)) != 0);
        let cpu = allowed.min_by_key(|cpu| simulations[*cpu])?;
        let mut only: Mask = [0; MASK];
        only[cpu / 64] = 1 << (cpu % 64);
        if !set(&only) {
            return None;
        }
        simulations[cpu] += 1;
        Some(OnOneCpu { before, cpu })
    }
}

impl Drop for OnOneCpu {
    fn drop(&mut self) {
        set(&self.before);
        if let Ok(mut simulations) = SIMULATIONS.lock() {
            simulations[self.cpu] -= 1;
        }
    }
}

fn set(mask: &Mask) -> bool {
    // SAFETY: the mask is as large as said.
    unsafe { sched_setaffinity(0, size_of::<Mask>(), mask.as_ptr()) == 0 }
}
