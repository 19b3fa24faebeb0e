//! A guest on a simulated machine, and a host made of pipes.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::task::{Poll, Waker};
use core::time::Duration;

use embedded_io_async::{Read, Write};
use futures_util::future::{FutureExt, LocalBoxFuture};
use netstack::pipe::{self, Pipe};

use crate::aleph::host::{Configuration, Run, configured};
use crate::config::{Config, IdentityConfig, NetworkConfig, Seed};
use crate::executor::{Executor, Slot, drive};
use crate::guest::{API_PORT, HostListener, HostSocket, PORT, Surroundings, serve};
use crate::machine::{Simulated, SimulatedLoop};
use crate::node::Node;
use crate::program::Programs;
use crate::store::{BlockDevice, DeviceError, Memory, SECTOR_BYTES, Store};

/// The program that the tests run.
pub const ECHO: &str = include_str!("../../../../examples/echo/main.air");
/// Its name.
pub const HASH: &str = "cafecafecafecafecafecafecafecafecafecafecafecafecafecafecafecafe";

/// The host's ends of connections, and how it behaves.
#[derive(Clone, Default)]
pub struct Wire(Rc<WireState>);

#[derive(Default)]
struct WireState {
    to_guest: RefCell<VecDeque<Pipe>>,
    waiting: RefCell<Option<Waker>>,
    from_guest: RefCell<Vec<(u32, Pipe)>>,
    refusals: Cell<u32>,
    attempts: Cell<u32>,
    never_settles: Cell<bool>,
}

pub struct WireListener(Wire);

impl HostSocket for Wire {
    type Stream = Pipe;
    type Listener = WireListener;

    fn listen(&self, port: u32) -> Option<WireListener> {
        (port == PORT).then(|| WireListener(self.clone()))
    }

    async fn connect(&self, port: u32) -> Option<Pipe> {
        self.0.attempts.set(self.0.attempts.get() + 1);
        let refusals = self.0.refusals.get();
        if refusals > 0 {
            self.0.refusals.set(refusals - 1);
            return None;
        }
        let (guest, host) = pipe::pair(65536);
        self.0.from_guest.borrow_mut().push((port, host));
        Some(guest)
    }

    fn settled(&self) -> impl Future<Output = ()> {
        let never = self.0.never_settles.get();
        async move {
            if never {
                core::future::pending::<()>().await;
            }
        }
    }
}

impl HostListener for WireListener {
    type Stream = Pipe;

    fn accept(&self) -> impl Future<Output = Pipe> {
        let state = self.0.0.clone();
        poll_fn(move |context| match state.to_guest.borrow_mut().pop_front() {
            Some(pipe) => Poll::Ready(pipe),
            None => {
                *state.waiting.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
    }
}

impl Wire {
    /// A connection of the host to the guest.
    pub fn connect_to_guest(&self) -> Pipe {
        self.connect_with_room(65536)
    }

    /// The same, by which so many bytes are on their way at most.
    pub fn connect_with_room(&self, bytes: usize) -> Pipe {
        let (host, guest) = pipe::pair(bytes);
        self.0.to_guest.borrow_mut().push_back(guest);
        if let Some(waker) = self.0.waiting.borrow_mut().take() {
            waker.wake();
        }
        host
    }

    pub fn refuse(&self, times: u32) {
        self.0.refusals.set(times);
    }

    pub fn attempts(&self) -> u32 {
        self.0.attempts.get()
    }

    pub fn never_settle(&self) {
        self.0.never_settles.set(true);
    }

    /// The next connection of the guest to this port of the host.
    pub fn of_guest(&self, port: u32) -> Option<Pipe> {
        let mut all = self.0.from_guest.borrow_mut();
        let at = all.iter().position(|(to, _)| *to == port)?;
        Some(all.remove(at).1)
    }
}

/// What the host may do to the machine, noted.
#[derive(Default)]
pub struct Noted {
    pub has_network: Cell<bool>,
    pub network: RefCell<Option<NetworkConfig>>,
    pub disks: RefCell<Vec<(String, Vec<u8>)>>,
    pub is_off: Cell<bool>,
    pub is_closed: Cell<bool>,
    /// Peers on the network never acknowledge the end.
    pub never_closes: Cell<bool>,
}

struct Disk(Vec<u8>);

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        (self.0.len() / SECTOR_BYTES) as u64
    }

    fn read_only(&self) -> bool {
        true
    }

    fn read<'a>(
        &'a self,
        sector: u64,
        into: &'a mut [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        let begin = usize::try_from(sector).unwrap() * SECTOR_BYTES;
        into.copy_from_slice(&self.0[begin..begin + into.len()]);
        core::future::ready(Ok(())).boxed_local()
    }

    fn write<'a>(&'a self, _: u64, _: &'a [u8]) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        core::future::ready(Err(DeviceError::ReadOnly)).boxed_local()
    }

    fn flush(&self) -> LocalBoxFuture<'_, Result<(), DeviceError>> {
        core::future::ready(Ok(())).boxed_local()
    }
}

impl Surroundings for Noted {
    fn has_network(&self) -> bool {
        self.has_network.get()
    }

    fn set_network(&self, network: &NetworkConfig) {
        *self.network.borrow_mut() = Some(network.clone());
    }

    fn disk(&self, name: &str) -> Option<Rc<dyn BlockDevice>> {
        let disks = self.disks.borrow();
        let (_, bytes) = disks.iter().find(|(known, _)| known == name)?;
        Some(Rc::new(Disk(bytes.clone())))
    }

    fn close_network(&self) -> LocalBoxFuture<'_, ()> {
        assert!(!self.is_off.get(), "the machine is off already");
        self.is_closed.set(true);
        match self.never_closes.get() {
            true => core::future::pending().boxed_local(),
            false => core::future::ready(()).boxed_local(),
        }
    }

    fn power_off(&self) {
        self.is_off.set(true);
    }
}

pub struct Bench {
    pub machine: Simulated,
    pub executor: Executor,
    pub programs: Programs,
    pub wire: Wire,
    pub noted: Rc<Noted>,
}

impl Bench {
    /// A guest that has just booted.
    pub fn new() -> Self {
        Self::on(Rc::new(Memory::new(16 << 20)))
    }

    /// One with what this store has.
    pub fn on(store: Rc<dyn Store>) -> Self {
        let machine = Simulated::new(7);
        let executor = Executor::new(Rc::new(machine.clone()));
        let seed = Some(Seed::new([1; 32]));
        let config = Config { identity: IdentityConfig { seed }, ..Config::default() };
        let node = Node::new(Rc::new(machine.clone()), executor.clone(), config);
        let programs = Programs::new(node, store);
        let (wire, noted) = (Wire::default(), Rc::<Noted>::default());
        Self { machine, executor, programs, wire, noted }
    }

    /// The guest listens now.
    pub fn serve(self) -> Self {
        serve(&self.executor, self.wire.clone(), self.programs.clone(), self.noted.clone());
        self
    }

    /// A guest that runs the program.
    pub fn configured() -> Self {
        let bench = Self::new().serve();
        assert_eq!(bench.configure(&configuration()), configured());
        bench
    }

    /// Lets everything go on for so many seconds, or until nothing waits.
    pub fn run_for(&self, seconds: u64) {
        let end = self.executor.now().after(Duration::from_secs(seconds));
        drive(&self.executor, &mut SimulatedLoop::until(self.machine.clone(), end));
    }

    /// Sends bytes on a connection of their own, in pieces of so many; what comes back until the guest
    /// closes.
    pub fn send(&self, bytes: &[u8], piece: usize) -> Slot<Vec<u8>> {
        let (mut pipe, answer) = (self.wire.connect_to_guest(), Slot::new());
        let (slot, bytes, executor) = (answer.clone(), bytes.to_vec(), self.executor.clone());
        self.executor.spawn(async move {
            for piece in bytes.chunks(piece) {
                if pipe.write_all(piece).await.is_err() {
                    break;
                }
                executor.sleep(Duration::from_micros(1)).await;
            }
            slot.put(read_to_end(&mut pipe).await);
        });
        answer
    }

    pub fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        let answer = self.send(bytes, 65536);
        self.run_for(400);
        taken(&answer)
    }

    pub fn configure(&self, configuration: &Configuration<'_>) -> Vec<u8> {
        let message = configuration.encode(2);
        let mut bytes = alloc::format!("{}\n", message.len()).into_bytes();
        bytes.extend(message);
        self.ask(&bytes)
    }

    /// Runs the program for a request.
    pub fn request(&self, path: &str, query: &str, body: &[u8]) -> Vec<u8> {
        self.ask(&request(path, query, body))
    }
}

pub fn request(path: &str, query: &str, body: &[u8]) -> Vec<u8> {
    Run::Http { path, method: "GET", query, headers: Vec::new(), body }.encode()
}

pub async fn read_to_end(pipe: &mut Pipe) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 4096]);
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        bytes.extend_from_slice(&buffer[..count]);
    }
    bytes
}

pub fn taken<T>(slot: &Slot<T>) -> T {
    slot.take().now_or_never().expect("it was answered")
}

/// The configuration of the program.
pub fn configuration() -> Configuration<'static> {
    Configuration {
        interface: "asgi",
        vm_hash: HASH,
        encoding: "plain",
        entrypoint: "main",
        code: ECHO.as_bytes(),
        variables: Some(vec![("VM_CUSTOM_NUMBER", "32"), ("GREETING", "héllo")]),
        ..Configuration::default()
    }
}

/// An answer of the host's API: serves the connections that the guest makes, in turn.
pub fn serve_api(bench: &Bench, answers: &'static [(&'static str, &'static str)]) {
    let (wire, executor) = (bench.wire.clone(), bench.executor.clone());
    bench.executor.spawn(async move {
        for (expected, answer) in answers {
            let mut pipe = loop {
                match wire.of_guest(API_PORT) {
                    Some(pipe) => break pipe,
                    None => executor.sleep(Duration::from_millis(1)).await,
                }
            };
            let mut buffer = vec![0; 4096];
            let count = pipe.read(&mut buffer).await.unwrap();
            let text = String::from_utf8(buffer[..count].to_vec()).unwrap();
            assert!(text.starts_with(expected), "{text}");
            pipe.write_all(answer.as_bytes()).await.unwrap();
            let _ = read_to_end(&mut pipe).await;
        }
    });
}
