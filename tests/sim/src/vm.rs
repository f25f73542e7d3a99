//! A VM of the module: a thread of its own, so that all the module keeps per thread is the VM's alone.
//!
//! Only one thread runs at a time: the simulator hands a callback over and waits until it is done. Before a host call
//! the VM can stop and hand back, so that another VM may do something between two calls of the first.

use crate::abi::{Call, module};
use crate::handover::{Giver, Taker, pair};
use crate::heap;
use crate::world::{ROOT, World};
use std::cell::{Cell, RefCell};
use std::panic;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

/// A callback, or a few that always follow one another.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// Loads the module and configures it. The answer is whether it took the configuration.
    Boot {
        entry: fn(),
        configuration_size: usize,
    },
    /// Makes the stream's context and gives it the request's headers.
    RequestHeaders {
        context: u32,
        count: usize,
        end: bool,
    },
    RequestBody {
        context: u32,
        size: usize,
        end: bool,
    },
    RequestTrailers {
        context: u32,
        count: usize,
    },
    ResponseHeaders {
        context: u32,
        count: usize,
        end: bool,
    },
    ResponseBody {
        context: u32,
        size: usize,
        end: bool,
    },
    ResponseTrailers {
        context: u32,
        count: usize,
    },
    CallResponse {
        token: u32,
        stream: u32,
        headers: usize,
        body: usize,
        trailers: usize,
    },
    Tick,
    /// The stream is over: log, done, delete.
    End {
        context: u32,
    },
    /// The root context is over, with the VM.
    EndRoot,
}

enum ToVm {
    Run(Job),
    Resume,
}

/// What a VM says when it hands back.
#[derive(Debug)]
pub(crate) enum FromVm {
    /// The callback returned this.
    Returned(u32),
    /// It is about to make this host call and waits.
    At(Call),
    /// The module panicked: in Envoy the VM would be gone.
    Trapped(String),
    /// The scenario wants the VM dead before its next host call.
    Killed,
}

struct Border {
    world: Arc<Mutex<World>>,
    vm: usize,
    to_host: Giver<FromVm>,
    from_host: Taker<ToVm>,
}

thread_local! {
    static BORDER: RefCell<Option<Rc<Border>>> = const { RefCell::new(None) };
}

fn locked(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The simulator's end of a VM.
pub(crate) struct Vm {
    to_vm: Giver<ToVm>,
    from_vm: Taker<FromVm>,
    pub(crate) busy: bool,
}

impl Vm {
    /// Starts the thread. Dropping the `Vm` ends it, without another callback.
    pub(crate) fn spawn(world: Arc<Mutex<World>>, vm: usize) -> Vm {
        let (to_vm, from_host) = pair();
        let (to_host, from_vm) = pair();
        let body = move || {
            let border = Rc::new(Border {
                world,
                vm,
                to_host,
                from_host,
            });
            BORDER.set(Some(border.clone()));
            while let Ok(ToVm::Run(job)) = border.from_host.take() {
                let returned = run(&border, &job);
                locked(&border.world).vms[vm].heap = heap::figures();
                if border.to_host.give(FromVm::Returned(returned)).is_err() {
                    break;
                }
            }
            BORDER.set(None);
        };
        thread::Builder::new()
            .name(format!("vm {vm}"))
            .spawn(body)
            .expect("a thread for the VM");
        Vm {
            to_vm,
            from_vm,
            busy: false,
        }
    }

    /// Starts a callback and runs it to its end, or to a host call before which it is to stop.
    pub(crate) fn run(&mut self, job: Job) -> FromVm {
        assert!(!self.busy, "the VM is in the middle of a callback");
        self.go(ToVm::Run(job))
    }

    /// Goes on where it stopped.
    pub(crate) fn resume(&mut self) -> FromVm {
        assert!(self.busy, "the VM has nothing to go on with");
        self.go(ToVm::Resume)
    }

    fn go(&mut self, message: ToVm) -> FromVm {
        self.to_vm.give(message).expect("the VM's thread is there");
        let answer = self
            .from_vm
            .take_within(Duration::from_secs(60))
            .expect("the module returns from its callback within a minute");
        self.busy = matches!(answer, FromVm::At(_));
        answer
    }
}

/// Runs `f` as the host function `call`, out of the module's account, on the world and the calling VM's number.
///
/// `None` where no VM's callback is running: the thread ends and the module's leftovers are dropped.
pub(crate) fn host_call<T>(call: Call, f: impl FnOnce(&mut World, usize) -> T) -> Option<T> {
    heap::counting(false, || {
        let border = BORDER.try_with(|border| border.borrow().clone()).ok().flatten()?;
        let (stops, dies) = {
            let mut world = locked(&border.world);
            let vm = &mut world.vms[border.vm];
            (vm.stop_at & call.bit() != 0, vm.dies_now())
        };
        if dies {
            let _ = border.to_host.give(FromVm::Killed);
            sleep_for_ever();
        }
        if stops {
            let handed = border.to_host.give(FromVm::At(call));
            if handed.is_err() || border.from_host.take().is_err() {
                // The test is over while the module was in the middle of something: this thread has no way back.
                sleep_for_ever();
            }
        }
        let mut world = locked(&border.world);
        Some(f(&mut world, border.vm))
    })
}

fn sleep_for_ever() -> ! {
    loop {
        thread::park();
    }
}

static LOAD: Mutex<()> = Mutex::new(());
static HOOK: Once = Once::new();

/// Calls the module's entry. The SDK sets a logger and a panic hook for the whole process there, the first time.
fn load(entry: fn()) {
    let _one_at_a_time = LOAD.lock().unwrap_or_else(PoisonError::into_inner);
    let before = (!HOOK.is_completed()).then(panic::take_hook);
    heap::counting(true, entry);
    if let Some(before) = before {
        HOOK.call_once(|| set_trap(before));
    }
}

type Hook = Box<dyn Fn(&panic::PanicHookInfo<'_>) + Sync + Send + 'static>;

thread_local! {
    /// Whether the module has panicked on this thread.
    static TRAPPED: Cell<bool> = const { Cell::new(false) };
}

/// A panic in the module ends the VM, as a trap in Envoy does: the thread hands back and never goes on.
///
/// It may not end in the hook itself: the hook's lock is held meanwhile, and the test program takes it before it ends.
/// So the panic goes its way, out of the module's `extern "C"` functions, where the standard library aborts: there, with
/// no lock held, the thread is caught by the signal's handler.
fn set_trap(otherwise: Hook) {
    // SAFETY: the handler does nothing but look at a thread-local without a destructor, and park.
    unsafe { signal(SIGABRT, stay) };
    panic::set_hook(Box::new(move |info| {
        if TRAPPED.get() {
            return;
        }
        if heap::in_module() {
            let border = heap::counting(false, || BORDER.try_with(|border| border.borrow_mut().take()));
            if let Ok(Some(border)) = border {
                heap::counting(false, || {
                    TRAPPED.set(true);
                    let _ = border.to_host.give(FromVm::Trapped(info.to_string()));
                });
                return;
            }
        }
        otherwise(info);
    }));
}

const SIGABRT: i32 = 6;

unsafe extern "C" {
    fn signal(signal: i32, handler: extern "C" fn(i32)) -> usize;
}

/// Keeps a thread whose VM trapped; the abort of any other goes on.
extern "C" fn stay(_signal: i32) {
    if TRAPPED.get() {
        sleep_for_ever();
    }
}

fn run(border: &Border, job: &Job) -> u32 {
    // SAFETY, here and below: the signatures are the SDK's, and the contexts are those the module was told of.
    let callback = |context: u32, account: u32, f: &dyn Fn() -> u32| {
        let mut world = locked(&border.world);
        let vm = &mut world.vms[border.vm];
        vm.current = context;
        vm.effective = 0;
        vm.account = account;
        vm.calls_in_callback = 0;
        vm.in_call_response = matches!(job, Job::CallResponse { .. });
        drop(world);
        heap::counting(true, f)
    };
    match *job {
        Job::Boot {
            entry,
            configuration_size,
        } => {
            load(entry);
            callback(ROOT, 0, &|| unsafe {
                module::proxy_on_context_create(ROOT, 0);
                0
            });
            let started = callback(ROOT, 0, &|| unsafe { module::proxy_on_vm_start(ROOT, 0).into() });
            if started == 0 {
                return 0;
            }
            locked(&border.world).vms[border.vm].configuring = true;
            let taken = callback(ROOT, 0, &|| unsafe {
                module::proxy_on_configure(ROOT, configuration_size).into()
            });
            locked(&border.world).vms[border.vm].configuring = false;
            taken
        }
        Job::RequestHeaders { context, count, end } => {
            callback(context, context, &|| unsafe {
                module::proxy_on_context_create(context, ROOT);
                0
            });
            callback(context, context, &|| unsafe {
                module::proxy_on_request_headers(context, count, end)
            })
        }
        Job::RequestBody { context, size, end } => callback(context, context, &|| unsafe {
            module::proxy_on_request_body(context, size, end)
        }),
        Job::RequestTrailers { context, count } => callback(context, context, &|| unsafe {
            module::proxy_on_request_trailers(context, count)
        }),
        Job::ResponseHeaders { context, count, end } => callback(context, context, &|| unsafe {
            module::proxy_on_response_headers(context, count, end)
        }),
        Job::ResponseBody { context, size, end } => callback(context, context, &|| unsafe {
            module::proxy_on_response_body(context, size, end)
        }),
        Job::ResponseTrailers { context, count } => callback(context, context, &|| unsafe {
            module::proxy_on_response_trailers(context, count)
        }),
        Job::CallResponse {
            token,
            stream,
            headers,
            body,
            trailers,
        } => callback(ROOT, stream, &|| unsafe {
            module::proxy_on_http_call_response(ROOT, token, headers, body, trailers);
            0
        }),
        Job::Tick => callback(ROOT, 0, &|| unsafe {
            module::proxy_on_tick(ROOT);
            0
        }),
        Job::End { context } => {
            callback(context, context, &|| unsafe {
                module::proxy_on_log(context);
                0
            });
            if let Some(stream) = locked(&border.world).streams.get_mut(&context) {
                stream.log_request_headers = None;
                stream.log_response_headers = None;
            }
            end(context, context, &callback)
        }
        Job::EndRoot => end(ROOT, 0, &callback),
    }
}

/// Runs a callback on a context and an account.
type Callback<'a> = dyn Fn(u32, u32, &dyn Fn() -> u32) -> u32 + 'a;

fn end(context: u32, account: u32, callback: &Callback<'_>) -> u32 {
    let done = callback(context, account, &|| unsafe { module::proxy_on_done(context).into() });
    callback(context, account, &|| unsafe {
        module::proxy_on_delete(context);
        0
    });
    done
}
