//! The host functions that the module imports, for the interpreter. What they mean is in `world`; here is the border.

use crate::totals::What;
use crate::world::World;
use sidestep::http::{HeaderBlock, Pair};
use sidestep_sim::{Call, Headers, Status};
use wasmi::{Caller, Linker, Module, TypedFunc, Val};

/// The status of a function that no path here needs.
const UNIMPLEMENTED: u32 = 12;

/// Gives the module all that it imports.
pub(crate) fn link(linker: &mut Linker<World>, module: &Module) -> Result<(), wasmi::Error> {
    for import in module.imports() {
        let Some(ty) = import.ty().func() else { continue };
        let call = Call::ALL.iter().copied().find(|call| call.symbol() == import.name());
        linker.func_new(
            import.module(),
            import.name(),
            ty.clone(),
            move |caller, inputs, results| {
                let status = match call {
                    Some(call) => HostCall::new(caller, call, inputs).run()?,
                    None => UNIMPLEMENTED,
                };
                results[0] = Val::I32(status.cast_signed());
                Ok(())
            },
        )?;
    }
    Ok(())
}

/// One call of the module.
struct HostCall<'a> {
    caller: Caller<'a, World>,
    call: Call,
    /// Its arguments, numbers all.
    arguments: Vec<u64>,
}

/// How a call ends: its status, or a trap.
type Ending = Result<Result<(), Status>, wasmi::Error>;

impl<'a> HostCall<'a> {
    fn new(caller: Caller<'a, World>, call: Call, inputs: &[Val]) -> HostCall<'a> {
        let number = |value: &Val| match value {
            Val::I32(number) => u64::from(number.cast_unsigned()),
            Val::I64(number) => number.cast_unsigned(),
            _ => 0,
        };
        HostCall {
            caller,
            call,
            arguments: inputs.iter().map(number).collect(),
        }
    }

    /// The argument in that place as the 32 bits that it is.
    fn number(&self, place: usize) -> u32 {
        self.arguments[place] as u32
    }

    /// The bytes whose address and size are the arguments from that place on.
    fn bytes(&self, place: usize) -> Vec<u8> {
        let (start, size) = (self.number(place) as usize, self.number(place + 1) as usize);
        let memory = self.caller.get_export("memory").and_then(|it| it.into_memory());
        let bytes = memory.and_then(|memory| memory.data(&self.caller).get(start..start + size));
        bytes.expect("the module names its own memory").to_vec()
    }

    /// The name whose address and size are the arguments from that place on.
    fn name(&self, place: usize) -> String {
        String::from_utf8_lossy(&self.bytes(place)).into_owned()
    }

    /// Writes bytes at an address.
    fn write(&mut self, address: u32, bytes: &[u8]) {
        let memory = self.caller.get_export("memory").and_then(|it| it.into_memory());
        let memory = memory.expect("the module has a memory");
        let written = memory.write(&mut self.caller, address as usize, bytes);
        written.expect("the module names its own memory");
    }

    /// Has the module allocate a block, fills it, and writes its address and size where the arguments from that place on say.
    fn give(&mut self, place: usize, bytes: &[u8]) -> Result<(), wasmi::Error> {
        let mut address = 0;
        if !bytes.is_empty() {
            let malloc = self.caller.get_export("malloc").and_then(|it| it.into_func());
            let malloc: TypedFunc<u32, u32> = malloc.expect("the module allocates").typed(&self.caller)?;
            address = malloc.call(&mut self.caller, bytes.len() as u32)?;
            self.write(address, bytes);
            let totals = &mut self.caller.data_mut().totals;
            totals.add(What::Blocks, 1);
            totals.add(What::BytesToModule, bytes.len() as u64);
        }
        let (data, size) = (self.number(place), self.number(place + 1));
        self.write(data, &address.to_le_bytes());
        self.write(size, &(bytes.len() as u32).to_le_bytes());
        Ok(())
    }

    /// Gives the module what was found, or says that nothing was.
    fn give_found(&mut self, place: usize, found: Result<Vec<u8>, Status>) -> Ending {
        match found {
            Ok(bytes) => Ok(Ok(self.give(place, &bytes)?)),
            Err(status) => Ok(Err(status)),
        }
    }

    /// The account, then the work.
    fn run(mut self) -> Result<u32, wasmi::Error> {
        let taken = self.bytes_taken();
        let call = self.call;
        self.caller.data_mut().enter(call, taken);
        let ending = match call {
            Call::GetMap | Call::SetMap | Call::GetHeader => self.maps(),
            Call::ReplaceHeader | Call::AddHeader | Call::RemoveHeader => self.headers(),
            Call::GetBuffer | Call::SetBuffer => self.buffers(),
            Call::GetSharedData | Call::SetSharedData => self.shared_data(),
            Call::DefineMetric | Call::GetMetric | Call::IncrementMetric | Call::RecordMetric => self.metrics(),
            _ => self.others(),
        }?;
        Ok(ending.err().map_or(0, |status| status as u32))
    }

    /// How many bytes the host reads from the module's memory for this call.
    fn bytes_taken(&self) -> usize {
        let sizes: &[usize] = match self.call {
            Call::Log | Call::SetMap | Call::RemoveHeader | Call::GetHeader | Call::DefineMetric => &[2],
            Call::ReplaceHeader | Call::AddHeader => &[2, 4],
            Call::SetBuffer => &[4],
            Call::GetProperty | Call::GetSharedData => &[1],
            Call::SetProperty | Call::SetSharedData => &[1, 3],
            Call::HttpCall => &[1, 3, 5, 7],
            _ => &[],
        };
        sizes.iter().map(|place| self.number(*place) as usize).sum()
    }

    fn maps(&mut self) -> Ending {
        let kind = self.number(0);
        match self.call {
            Call::GetMap => {
                let found = self.caller.data().map(kind).map(encode);
                self.give_found(1, found)
            }
            Call::SetMap => {
                let headers = decode(self.bytes(1));
                Ok(self.caller.data_mut().map_mut(kind).map(|map| *map = headers))
            }
            _ => {
                let name = self.name(1);
                let found = self
                    .caller
                    .data()
                    .map(kind)
                    .map(|map| map.get_bytes(&name).map(<[u8]>::to_vec));
                self.give_found(3, found.and_then(|value| value.ok_or(Status::NotFound)))
            }
        }
    }

    fn headers(&mut self) -> Ending {
        let (call, kind, name) = (self.call, self.number(0), self.name(1));
        let value = match call {
            Call::RemoveHeader => Vec::new(),
            _ => self.bytes(3),
        };
        Ok(self.caller.data_mut().map_mut(kind).map(|map| match call {
            Call::ReplaceHeader => map.set(&name, value),
            Call::AddHeader => map.add(&name, value),
            _ => map.remove(&name),
        }))
    }

    fn buffers(&mut self) -> Ending {
        let kind = self.number(0);
        if self.call == Call::SetBuffer {
            let bytes = self.bytes(3);
            return Ok(self.caller.data_mut().replace_body(kind, &bytes));
        }
        let (start, most) = (self.number(1) as usize, self.number(2) as usize);
        let found = self.caller.data().buffer(kind).map(|bytes| {
            let end = start.saturating_add(most).min(bytes.len());
            bytes.get(start..end).unwrap_or_default().to_vec()
        });
        self.give_found(3, found)
    }

    fn shared_data(&mut self) -> Ending {
        let key = self.bytes(0);
        if self.call == Call::SetSharedData {
            let (value, cas) = (self.bytes(2), self.number(4));
            return Ok(self.caller.data_mut().set_shared(&key, &value, cas));
        }
        let found = self
            .caller
            .data()
            .shared(&key)
            .map(|(value, cas)| (value.to_vec(), cas));
        if let Ok((_, cas)) = &found {
            self.write(self.number(4), &cas.to_le_bytes());
        }
        self.give_found(2, found.map(|(value, _)| value))
    }

    fn metrics(&mut self) -> Ending {
        let (id, by) = (self.number(0), self.arguments[1]);
        match self.call {
            Call::DefineMetric => {
                let name = self.bytes(1);
                let id = self.caller.data_mut().define_metric(&name);
                self.write(self.number(3), &id.to_le_bytes());
                Ok(Ok(()))
            }
            Call::GetMetric => {
                let value = self.caller.data_mut().metric(id).copied();
                Ok(value.map(|value| self.write(by as u32, &value.to_le_bytes())))
            }
            Call::IncrementMetric => {
                let metric = self.caller.data_mut().metric(id);
                Ok(metric.map(|metric| *metric = metric.wrapping_add(by)))
            }
            _ => Ok(self.caller.data_mut().metric(id).map(|metric| *metric = by)),
        }
    }

    fn others(&mut self) -> Ending {
        match self.call {
            Call::GetTime => {
                let now = self.caller.data().now;
                self.write(self.number(0), &now.to_le_bytes());
            }
            Call::Log => {
                let text = String::from_utf8_lossy(&self.bytes(1)).into_owned();
                self.caller.data_mut().logs.push(text);
            }
            Call::GetProperty => {
                let path = self.bytes(0);
                let found = self.caller.data().attribute(&path).map(<[u8]>::to_vec);
                return self.give_found(2, found);
            }
            Call::HttpCall => {
                let (cluster, headers) = (self.bytes(0), decode(self.bytes(2)));
                let token = self.caller.data_mut().send(&cluster, headers);
                self.write(self.number(9), &token.to_le_bytes());
            }
            Call::ContinueStream => self.caller.data_mut().response_goes_on = self.number(0) == 1,
            // One stream is all there is to act on; nobody reads what is left for the access log; the bed ticks by itself.
            Call::SetEffectiveContext | Call::SetProperty | Call::SetTickPeriod | Call::Done => {}
            call => panic!("no path here calls {call:?}"),
        }
        Ok(Ok(()))
    }
}

fn encode(headers: &Headers) -> Vec<u8> {
    let pairs: Vec<Pair<'_>> = headers.iter().map(|(name, value)| (name.as_bytes(), value)).collect();
    HeaderBlock::from_pairs(&pairs).as_wire().to_vec()
}

fn decode(bytes: Vec<u8>) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in HeaderBlock::from_wire(bytes).pairs() {
        headers.add(&String::from_utf8_lossy(name), value);
    }
    headers
}
