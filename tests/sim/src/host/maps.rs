//! Header maps, bodies and properties.

#![allow(missing_docs, clippy::missing_safety_doc)] // The ABI is documented elsewhere; safety is as it promises.

use super::{Give, call, call_giving, passed, put};
use crate::abi::{Call, Status};
use crate::headers::Headers;

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_pairs(kind: u32, data: *mut *mut u8, size: *mut usize) -> u32 {
    call_giving(Call::GetMap, 0, Give { data, size }, |world, vm| {
        let headers = world.map(vm, kind)?;
        // An empty map is given as no bytes at all.
        Ok(if headers.is_empty() {
            Vec::new()
        } else {
            headers.encode()
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_size(kind: u32, size: *mut usize) -> u32 {
    call(Call::GetMapSize, 0, |world, vm| {
        let headers = world.map(vm, kind)?;
        let bytes = headers.iter().map(|(name, value)| name.len() + value.len());
        unsafe { put(size, bytes.sum()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_header_map_pairs(kind: u32, data: *const u8, size: usize) -> u32 {
    call(Call::SetMap, size, |world, vm| {
        let headers = Headers::decode(unsafe { passed(data, size) }).ok_or(Status::BadArgument)?;
        *world.map_mut(vm, kind)? = headers;
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_value(
    kind: u32,
    key: *const u8,
    key_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    call_giving(Call::GetHeader, key_size, Give { data, size }, |world, vm| {
        let name = name(key, key_size)?;
        let value = world.map(vm, kind)?.get_bytes(&name);
        value.map(<[u8]>::to_vec).ok_or(Status::NotFound)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_remove_header_map_value(kind: u32, key: *const u8, key_size: usize) -> u32 {
    call(Call::RemoveHeader, key_size, |world, vm| {
        let name = name(key, key_size)?;
        world.map_mut(vm, kind)?.remove(&name);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_replace_header_map_value(
    kind: u32,
    key: *const u8,
    key_size: usize,
    value: *const u8,
    value_size: usize,
) -> u32 {
    call(Call::ReplaceHeader, key_size + value_size, |world, vm| {
        let name = name(key, key_size)?;
        world
            .map_mut(vm, kind)?
            .set(&name, unsafe { passed(value, value_size) });
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_add_header_map_value(
    kind: u32,
    key: *const u8,
    key_size: usize,
    value: *const u8,
    value_size: usize,
) -> u32 {
    call(Call::AddHeader, key_size + value_size, |world, vm| {
        let name = name(key, key_size)?;
        world
            .map_mut(vm, kind)?
            .add(&name, unsafe { passed(value, value_size) });
        Ok(())
    })
}

fn name(key: *const u8, size: usize) -> Result<String, Status> {
    let bytes = unsafe { passed(key, size) }.to_vec();
    String::from_utf8(bytes).map_err(|_| Status::BadArgument)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_buffer_bytes(
    kind: u32,
    start: usize,
    max_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    call(Call::GetBuffer, 0, |world, vm| {
        let body = world.buffer(vm, kind)?;
        let end = start.checked_add(max_size).ok_or(Status::BadArgument)?.min(body.len());
        if start > body.len() {
            return Err(Status::BadArgument);
        }
        let bytes = body[start..end].to_vec();
        if !bytes.is_empty() {
            // Envoy leaves both places alone where there is nothing to give.
            Give { data, size }.bytes(&bytes);
        }
        world.bytes_out(vm, bytes.len());
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_buffer_status(kind: u32, size: *mut usize, flags: *mut u32) -> u32 {
    call(Call::GetBufferStatus, 0, |world, vm| {
        let length = world.buffer(vm, kind)?.len();
        unsafe {
            put(size, length);
            put(flags, 0);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_buffer_bytes(
    kind: u32,
    start: usize,
    size: usize,
    data: *const u8,
    data_size: usize,
) -> u32 {
    call(Call::SetBuffer, data_size, |world, vm| {
        world.set_buffer(vm, kind, start, size, unsafe { passed(data, data_size) })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_property(
    path: *const u8,
    path_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    call_giving(Call::GetProperty, path_size, Give { data, size }, |world, vm| {
        world.property(vm, unsafe { passed(path, path_size) })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32 {
    call(Call::SetProperty, path_size + value_size, |world, vm| {
        let path = String::from_utf8_lossy(unsafe { passed(path, path_size) }).into_owned();
        let value = unsafe { passed(value, value_size) }.to_vec();
        let stream = world.stream(vm).ok_or(Status::NotFound)?;
        stream.filter_state.insert(format!("wasm.{path}"), value);
        Ok(())
    })
}
