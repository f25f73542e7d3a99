//! What acts on a stream, and callouts. All of it happens after the callback has returned, as in Envoy.

use super::{call, passed, put};
use crate::abi::{Call, Status, stream};
use crate::headers::Headers;
use crate::world::{Callout, Deferred, World};

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_continue_stream(kind: u32) -> u32 {
    call(Call::ContinueStream, 0, |world, vm| {
        if kind > stream::RESPONSE {
            return Err(Status::BadArgument);
        }
        if let Some(context) = world.acting_stream_id(vm) {
            world.vms[vm]
                .deferred
                .push(Deferred::Continue { context, stream: kind });
            if let Some(stream) = world.stream(vm) {
                // Whichever way goes on, Envoy takes the request's headers away from the module.
                stream.passed_on = stream.request_headers.take().or(stream.passed_on.take());
                stream.request_trailers = None;
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_close_stream(kind: u32) -> u32 {
    call(Call::CloseStream, 0, |world, vm| {
        if kind > stream::RESPONSE {
            return Err(Status::BadArgument);
        }
        if let Some(context) = world.acting_stream_id(vm) {
            world.vms[vm].deferred.push(Deferred::Close { context });
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
unsafe extern "C" fn proxy_send_local_response(
    status: u32,
    details: *const u8,
    details_size: usize,
    body: *const u8,
    body_size: usize,
    headers: *const u8,
    headers_size: usize,
    _grpc_status: i32,
) -> u32 {
    call(Call::LocalResponse, body_size + headers_size, |world, vm| {
        let headers = Headers::decode(unsafe { passed(headers, headers_size) }).ok_or(Status::BadArgument)?;
        let body = unsafe { passed(body, body_size) }.to_vec();
        let details = String::from_utf8_lossy(unsafe { passed(details, details_size) }).into_owned();
        if let Some(context) = world.acting_stream_id(vm) {
            let response = Deferred::LocalResponse {
                context,
                status,
                headers,
                body,
                details,
            };
            world.vms[vm].deferred.push(response);
        }
        world.vms[vm].stop_iteration = true;
        Ok(())
    })
}

#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
unsafe extern "C" fn proxy_http_call(
    upstream: *const u8,
    upstream_size: usize,
    headers: *const u8,
    headers_size: usize,
    body: *const u8,
    body_size: usize,
    trailers: *const u8,
    trailers_size: usize,
    timeout_ms: u32,
    token: *mut u32,
) -> u32 {
    let bytes = upstream_size + headers_size + body_size + trailers_size;
    call(Call::HttpCall, bytes, |world, vm| {
        let cluster = String::from_utf8_lossy(unsafe { passed(upstream, upstream_size) }).into_owned();
        let headers = Headers::decode(unsafe { passed(headers, headers_size) }).ok_or(Status::BadArgument)?;
        let body = unsafe { passed(body, body_size) }.to_vec();
        let trailers = Headers::decode(unsafe { passed(trailers, trailers_size) }).ok_or(Status::BadArgument)?;
        let callout = Callout {
            token: 0,
            stream: 0,
            cluster,
            headers,
            body,
            trailers,
            timeout_ms,
        };
        let number = send(world, vm, callout)?;
        unsafe { put(token, number) };
        Ok(())
    })
}

fn send(world: &mut World, vm: usize, mut callout: Callout) -> Result<u32, Status> {
    let complete = [":method", ":path", ":authority"]
        .iter()
        .all(|name| callout.headers.has(name));
    if callout.timeout_ms > i32::MAX as u32 || !world.clusters.contains(&callout.cluster) || !complete {
        return Err(Status::BadArgument);
    }
    if !callout.body.is_empty() {
        callout.headers.set("content-length", callout.body.len().to_string());
    }
    // At a tick, the stream that the module acts on is the one that waits.
    let acting = world.acting_stream_id(vm).unwrap_or(0);
    let state = &mut world.vms[vm];
    state.last_token += 1;
    let token = state.last_token;
    callout.token = token;
    callout.stream = if state.account == 0 { acting } else { state.account };
    state.deferred.push(Deferred::Callout(callout));
    Ok(token)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_effective_context(context: u32) -> u32 {
    call(Call::SetEffectiveContext, 0, |world, vm| {
        world.set_effective(vm, context)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_done() -> u32 {
    call(Call::Done, 0, |_, _| Ok(()))
}
