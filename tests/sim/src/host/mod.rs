//! The host functions, under the names by which the module imports them.
//!
//! What they mean for the state is in `world`; here is only the border: pointers, sizes, accounts, faults.

mod maps;
mod others;
mod state;
mod streams;

use crate::abi::{Call, Status, module};
use crate::heap;
use crate::vm::host_call;
use crate::world::World;

/// The bytes that the module passed.
///
/// # Safety
/// As the ABI promises: `size` readable bytes, or nothing at all.
unsafe fn passed<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if data.is_null() || size == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data, size) }
}

/// Where the module wants bytes: the host allocates them in the module's memory and writes the address and size here.
struct Give {
    data: *mut *mut u8,
    size: *mut usize,
}

impl Give {
    fn bytes(&self, bytes: &[u8]) {
        let mut memory = std::ptr::null_mut();
        if !bytes.is_empty() {
            // SAFETY: the SDK gives that many bytes, which the module then frees; this is the module's own account.
            unsafe {
                memory = heap::counting(true, || module::proxy_on_memory_allocate(bytes.len()));
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len());
            }
        }
        // SAFETY: the module passed places for both.
        unsafe {
            *self.data = memory;
            *self.size = bytes.len();
        }
    }
}

/// One host call: accounts, fault, then its work. Nobody there to ask is an internal failure.
fn call(call: Call, bytes_in: usize, work: impl FnOnce(&mut World, usize) -> Result<(), Status>) -> u32 {
    let result = host_call(call, |world, vm| {
        world.enter(vm, call, bytes_in)?;
        work(world, vm)
    });
    match result {
        Some(Ok(())) => Status::Ok as u32,
        Some(Err(status)) => status as u32,
        None => Status::InternalFailure as u32,
    }
}

/// A host call that gives bytes back.
fn call_giving(
    kind: Call,
    bytes_in: usize,
    give: Give,
    work: impl FnOnce(&mut World, usize) -> Result<Vec<u8>, Status>,
) -> u32 {
    call(kind, bytes_in, |world, vm| {
        let bytes = work(world, vm)?;
        give.bytes(&bytes);
        world.bytes_out(vm, bytes.len());
        Ok(())
    })
}

/// Writes a number where the module wants it.
///
/// # Safety
/// As the ABI promises: `place` can be written.
unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(value) }
    }
}
