//! Logs, time, ticks, and what the simulator does not offer.

use super::{Give, call, call_giving, passed, put};
use crate::abi::{Call, Status};
use crate::world::LogLine;

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_log(level: u32, message: *const u8, size: usize) -> u32 {
    call(Call::Log, size, |world, _| {
        let text = String::from_utf8_lossy(unsafe { passed(message, size) }).into_owned();
        let at = world.now;
        world.logs.push(LogLine { level, text, at });
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_log_level(level: *mut u32) -> u32 {
    call(Call::GetLogLevel, 0, |_, _| {
        unsafe { put(level, 2) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32 {
    call(Call::GetTime, 0, |world, _| {
        unsafe { put(time, world.wall()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_tick_period_milliseconds(period: u32) -> u32 {
    call(Call::SetTickPeriod, 0, |world, vm| {
        world.vms[vm].tick_period_ms = (period > 0).then_some(period);
        world.vms[vm].timer_set = Some(world.now);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_status(code: *mut u32, data: *mut *mut u8, size: *mut usize) -> u32 {
    call_giving(Call::GetStatus, 0, Give { data, size }, |_, _| {
        unsafe { put(code, 0) };
        Ok(Vec::new())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_call_foreign_function(
    name: *const u8,
    name_size: usize,
    _arguments: *const u8,
    _arguments_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    call_giving(Call::ForeignFunction, 0, Give { data, size }, |world, vm| {
        match unsafe { passed(name, name_size) } {
            b"clear_route_cache" => {
                world.clear_route_cache(vm);
                Ok(Vec::new())
            }
            _ => Err(Status::NotFound),
        }
    })
}

#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
unsafe extern "C" fn proxy_grpc_call(
    _upstream: *const u8,
    _upstream_size: usize,
    _service: *const u8,
    _service_size: usize,
    _method: *const u8,
    _method_size: usize,
    _metadata: *const u8,
    _metadata_size: usize,
    _message: *const u8,
    _message_size: usize,
    _timeout_ms: u32,
    _token: *mut u32,
) -> u32 {
    call(Call::GrpcCall, 0, |_, _| Err(Status::InternalFailure))
}

#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
unsafe extern "C" fn proxy_grpc_stream(
    _upstream: *const u8,
    _upstream_size: usize,
    _service: *const u8,
    _service_size: usize,
    _method: *const u8,
    _method_size: usize,
    _metadata: *const u8,
    _metadata_size: usize,
    _token: *mut u32,
) -> u32 {
    call(Call::GrpcStream, 0, |_, _| Err(Status::InternalFailure))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_grpc_send(_token: u32, _message: *const u8, _size: usize, _end: bool) -> u32 {
    call(Call::GrpcSend, 0, |_, _| Err(Status::NotFound))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_grpc_cancel(_token: u32) -> u32 {
    call(Call::GrpcCancel, 0, |_, _| Err(Status::NotFound))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_grpc_close(_token: u32) -> u32 {
    call(Call::GrpcClose, 0, |_, _| Err(Status::NotFound))
}
