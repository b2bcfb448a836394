//! A second host: a network namespace, and a thread in it that does what it is told.

use crate::world::{World, bring_up, feed};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

type Order = Box<dyn FnOnce() + Send>;

/// Another network namespace. Dropping it ends its thread; what it gave away keeps the namespace.
pub(crate) struct Host {
    id: libc::pid_t,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// A namespace in which only `lo` is up.
    pub(crate) fn new() -> Self {
        let (orders, taken) = channel::<Order>();
        let (tell, told) = channel();
        let thread = thread::spawn(move || {
            let _there = World::new();
            // SAFETY: gettid(2) cannot fail and takes nothing.
            let id = unsafe { libc::gettid() };
            tell.send(id).expect("somebody waits for it");
            for order in taken {
                order();
            }
        });
        let id = told.recv().expect("the host has a namespace");
        Self { id, orders: Some(orders), thread: Some(thread) }
    }

    /// What this gives when it is done there. A panic there is one here.
    #[track_caller]
    pub(crate) fn does<T: Send + 'static>(&self, action: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        let order = move || drop(tell.send(catch_unwind(AssertUnwindSafe(action))));
        let orders = self.orders.as_ref().expect("it was not dropped");
        orders.send(Box::new(order)).expect("its thread waits for orders");
        told.recv().expect("it does it").unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Takes a device from the caller's namespace, and gives it these addresses.
    pub(crate) fn takes(&self, device: &'static str, addresses: &[&str]) {
        feed("ip", &["-batch", "-"], &format!("link set {device} netns {}\n", self.id));
        self.brings_up(device, addresses);
    }

    /// The same with a device of another host.
    pub(crate) fn takes_from(&self, other: &Self, device: &'static str, addresses: &[&str]) {
        other.ip(&format!("link set {device} netns {}", self.id));
        self.brings_up(device, addresses);
    }

    fn brings_up(&self, device: &'static str, addresses: &[&str]) {
        let addresses: Vec<String> = addresses.iter().map(|it| (*it).to_owned()).collect();
        self.does(move || {
            bring_up(device, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
        });
    }

    /// Does commands of `ip` there, one per line.
    pub(crate) fn ip(&self, commands: &str) {
        let commands = format!("{commands}\n");
        self.does(move || feed("ip", &["-batch", "-"], &commands));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let end = thread.join();
            assert!(end.is_ok() || thread::panicking(), "the thread of a host panicked");
        }
    }
}
