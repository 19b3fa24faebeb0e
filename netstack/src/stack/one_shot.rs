//! A device that has one frame to receive, or none, and loses what is sent to it.

use alloc::vec;
use alloc::vec::Vec;

use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;

pub(super) struct OneShot {
    capabilities: DeviceCapabilities,
    frame: Option<Vec<u8>>,
}

impl OneShot {
    pub(super) fn new(capabilities: DeviceCapabilities, frame: Option<Vec<u8>>) -> Self {
        Self { capabilities, frame }
    }
}

impl Device for OneShot {
    type RxToken<'a> = Whole;
    type TxToken<'a> = Lost;

    fn receive(&mut self, _: Instant) -> Option<(Whole, Lost)> {
        self.frame.take().map(|frame| (Whole(frame), Lost))
    }

    fn transmit(&mut self, _: Instant) -> Option<Lost> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

pub(super) struct Whole(Vec<u8>);

impl RxToken for Whole {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub(super) struct Lost;

impl TxToken for Lost {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        f(&mut vec![0; length])
    }
}
