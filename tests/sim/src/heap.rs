//! Counts what the module allocates, and nothing else.
//!
//! Each VM of the simulator is a thread, and a thread counts only while it runs the module's own code: a host function
//! stops the count and starts it again. So the figures are exact, whatever the simulator itself keeps.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The allocator of every test binary that links this crate.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What one VM's module code has allocated so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// Bytes allocated and not yet freed.
    pub live_bytes: i64,
    /// Blocks allocated and not yet freed.
    pub live_blocks: i64,
    /// Allocations ever made; a block that grew counts again.
    pub allocations: u64,
    /// Bytes ever allocated.
    pub allocated_bytes: u64,
}

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static HEAP: Cell<Heap> = const {
        Cell::new(Heap { live_bytes: 0, live_blocks: 0, allocations: 0, allocated_bytes: 0 })
    };
}

/// Runs `f` with the count on or off, and puts it back as it was.
pub(crate) fn counting<T>(on: bool, f: impl FnOnce() -> T) -> T {
    let before = ON.replace(on);
    let result = f();
    ON.set(before);
    result
}

/// Whether this thread is in the module's own code.
pub(crate) fn in_module() -> bool {
    ON.get()
}

/// This thread's figures.
pub(crate) fn figures() -> Heap {
    HEAP.get()
}

fn note(f: impl FnOnce(&mut Heap)) {
    // A thread that ends may free after its thread-locals are gone: that is no module code any more.
    if ON.try_with(Cell::get).unwrap_or(false) {
        let _ = HEAP.try_with(|heap| {
            let mut figures = heap.get();
            f(&mut figures);
            heap.set(figures);
        });
    }
}

fn allocated(heap: &mut Heap, size: usize) {
    heap.live_bytes += size as i64;
    heap.live_blocks += 1;
    heap.allocations += 1;
    heap.allocated_bytes += size as u64;
}

fn freed(heap: &mut Heap, size: usize) {
    heap.live_bytes -= size as i64;
    heap.live_blocks -= 1;
}

// SAFETY: every call goes to the system's allocator unchanged; the counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(|heap| allocated(heap, layout.size()));
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(|heap| freed(heap, layout.size()));
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(|heap| {
            freed(heap, layout.size());
            allocated(heap, new_size);
        });
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
