//! Devices that have one frame to receive.

use alloc::vec;
use alloc::vec::Vec;

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

/// Has one frame, or none, and loses what is sent to it.
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

/// A frame that another device has received, with the place for its answer.
pub(super) struct Single<'f, T> {
    capabilities: DeviceCapabilities,
    frame: Option<(Borrowed<'f>, T)>,
}

impl<'f, T> Single<'f, T> {
    pub(super) fn new(
        capabilities: DeviceCapabilities,
        frame: &'f [u8],
        meta: PacketMeta,
        answer: T,
    ) -> Self {
        Self { capabilities, frame: Some((Borrowed { frame, meta }, answer)) }
    }
}

impl<'f, T: TxToken> Device for Single<'f, T> {
    type RxToken<'a>
        = Borrowed<'f>
    where
        Self: 'a;
    type TxToken<'a>
        = T
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Borrowed<'f>, T)> {
        self.frame.take()
    }

    fn transmit(&mut self, _: Instant) -> Option<T> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

pub(super) struct Borrowed<'f> {
    frame: &'f [u8],
    meta: PacketMeta,
}

impl RxToken for Borrowed<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.frame)
    }

    fn meta(&self) -> PacketMeta {
        self.meta
    }
}
