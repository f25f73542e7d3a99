//! Shared data, queues and metrics.

use super::{Give, call, call_giving, passed, put};
use crate::abi::{Call, Status};
use crate::world::{Queue, World};

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_shared_data(
    key: *const u8,
    key_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
    cas: *mut u32,
) -> u32 {
    call_giving(Call::GetSharedData, key_size, Give { data, size }, |world, _| {
        let (value, number) = world.shared.get(unsafe { passed(key, key_size) })?;
        unsafe { put(cas, number) };
        Ok(value.to_vec())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_shared_data(
    key: *const u8,
    key_size: usize,
    value: *const u8,
    value_size: usize,
    cas: u32,
) -> u32 {
    call(Call::SetSharedData, key_size + value_size, |world, _| {
        let (key, value) = unsafe { (passed(key, key_size), passed(value, value_size)) };
        world.shared.set(key, value, cas)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_register_shared_queue(name: *const u8, name_size: usize, id: *mut u32) -> u32 {
    call(Call::RegisterQueue, name_size, |world, _| {
        let name = unsafe { passed(name, name_size) };
        let place = place_of_queue(world, name).unwrap_or_else(|| {
            world.queues.push(Queue {
                name: name.to_vec(),
                ..Queue::default()
            });
            world.queues.len() - 1
        });
        unsafe { put(id, place as u32 + 1) };
        Ok(())
    })
}

fn place_of_queue(world: &World, name: &[u8]) -> Option<usize> {
    world.queues.iter().position(|queue| queue.name == name)
}

fn queue(world: &mut World, id: u32) -> Result<&mut Queue, Status> {
    let place = (id as usize).checked_sub(1).ok_or(Status::NotFound)?;
    world.queues.get_mut(place).ok_or(Status::NotFound)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_resolve_shared_queue(
    _vm_id: *const u8,
    _vm_id_size: usize,
    name: *const u8,
    name_size: usize,
    id: *mut u32,
) -> u32 {
    call(Call::ResolveQueue, name_size, |world, _| {
        let name = unsafe { passed(name, name_size) };
        let place = place_of_queue(world, name).ok_or(Status::NotFound)?;
        unsafe { put(id, place as u32 + 1) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_dequeue_shared_queue(id: u32, data: *mut *mut u8, size: *mut usize) -> u32 {
    call_giving(Call::Dequeue, 0, Give { data, size }, |world, _| {
        queue(world, id)?.items.pop_front().ok_or(Status::Empty)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_enqueue_shared_queue(id: u32, value: *const u8, value_size: usize) -> u32 {
    call(Call::Enqueue, value_size, |world, _| {
        let value = unsafe { passed(value, value_size) }.to_vec();
        queue(world, id)?.items.push_back(value);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32 {
    call(Call::DefineMetric, name_size, |world, vm| {
        let name = String::from_utf8_lossy(unsafe { passed(name, name_size) });
        let given = world.metrics.define(&mut world.vms[vm].metric_ids, kind, &name)?;
        unsafe { put(id, given) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_metric(id: u32, value: *mut u64) -> u32 {
    call(Call::GetMetric, 0, |world, vm| {
        let found = world.metrics.get(&world.vms[vm].metric_ids, id)?;
        unsafe { put(value, found) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_record_metric(id: u32, value: u64) -> u32 {
    call(Call::RecordMetric, 0, |world, vm| {
        world.metrics.record(&world.vms[vm].metric_ids, id, value)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_increment_metric(id: u32, offset: i64) -> u32 {
    call(Call::IncrementMetric, 0, |world, vm| {
        world.metrics.increment(&world.vms[vm].metric_ids, id, offset)
    })
}
