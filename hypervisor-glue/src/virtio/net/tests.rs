//! The network driver against a device that follows a script.

use super::super::testing::{Available, FakeTransport};
use super::*;
use proptest::prelude::*;
use smoltcp::phy::{RxToken as _, TxToken as _};
use virtio_drivers::transport::DeviceType;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const FALLBACK: [u8; 6] = [2, 1, 2, 3, 4, 5];
const ALL: u64 = VERSION_1 | FEATURE_MAC | FEATURE_STATUS | FEATURE_MTU | 0xff00_0000_0000;
const RX: usize = 0;
const TX: usize = 1;

fn config(link: u16, mtu: u16) -> Vec<u8> {
    let mut config = Vec::from(MAC);
    config.extend(link.to_le_bytes());
    config.extend(1_u16.to_le_bytes());
    config.extend(mtu.to_le_bytes());
    config
}

fn fake(offered: u64) -> FakeTransport {
    FakeTransport::new(DeviceType::Network, offered, &[256, 256], &config(1, 1500))
}

fn started(offered: u64, interrupt: Interrupt) -> (FakeTransport, VirtioNet<FakeTransport>) {
    let fake = fake(offered);
    let device = VirtioNet::new(fake.clone(), interrupt, FALLBACK).unwrap();
    (fake, device)
}

fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

fn now() -> Instant {
    Instant::from_millis(0)
}

/// Receives one frame, as the stack would.
fn receive(device: &mut VirtioNet<FakeTransport>) -> Option<Vec<u8>> {
    let (rx, _) = device.receive(now())?;
    Some(rx.consume(<[u8]>::to_vec))
}

fn send(device: &mut VirtioNet<FakeTransport>, frame: &[u8]) -> bool {
    let Some(tx) = device.transmit(now()) else { return false };
    tx.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
    true
}

fn deliver(fake: &FakeTransport, header: usize, frame: &[u8]) -> Available {
    let buffer = fake.next(RX).unwrap();
    let bytes = [vec![0; header].as_slice(), frame].concat();
    FakeTransport::fill(buffer, &bytes);
    fake.finish(RX, buffer.token.into(), u32::try_from(bytes.len()).unwrap());
    buffer
}

#[test]
fn start_agrees_on_what_is_known_and_posts_all_receive_buffers() {
    let (fake, device) = started(ALL, Interrupt::Message);
    assert_eq!(fake.0.borrow().taken, WANTED);
    assert!(fake.0.borrow().status.contains(DeviceStatus::DRIVER_OK | DeviceStatus::FEATURES_OK));
    assert_eq!((device.mac(), device.mtu(), device.link_up()), (MAC, 1500, true));
    let posted: Vec<Available> = core::iter::from_fn(|| fake.next(RX)).collect();
    assert_eq!(posted.len(), NET_QUEUE_SIZE);
    assert!(posted.iter().all(|b| b.writable && b.bytes as usize == NET_BUFFER_BYTES));
    assert!(fake.0.borrow().notified.contains(&0));
}

#[test]
fn frames_go_both_ways_behind_a_header_of_zeros() {
    for (offered, legacy, header) in [(ALL, false, 12), (ALL & !VERSION_1, true, 10)] {
        let fake = fake(offered);
        fake.0.borrow_mut().legacy = legacy;
        let mut device = VirtioNet::new(fake.clone(), Interrupt::Line, FALLBACK).unwrap();
        deliver(&fake, header, b"a frame");
        deliver(&fake, header, &[7; NET_FRAME_BYTES]);
        assert_eq!(receive(&mut device).unwrap(), b"a frame");
        assert_eq!(receive(&mut device).unwrap(), [7; NET_FRAME_BYTES]);
        assert_eq!(receive(&mut device), None);
        assert!(send(&mut device, b"an answer"));
        let sent = fake.next(TX).unwrap();
        assert!(!sent.writable);
        assert_eq!(sent.bytes as usize, header + 9);
        let bytes = FakeTransport::contents(sent, header + 9);
        assert_eq!(bytes, [vec![0; header].as_slice(), b"an answer"].concat());
        let counters = device.counters();
        assert_eq!((counters.received_frames, counters.received_bytes), (2, 7 + 1514));
        assert_eq!((counters.sent_frames, counters.sent_bytes), (1, 9));
    }
}

#[test]
fn buffers_go_round_for_ever() {
    let (fake, mut device) = started(ALL, Interrupt::Message);
    for round in 0..70_000_u32 {
        deliver(&fake, HEADER_BYTES, &round.to_le_bytes());
        assert_eq!(receive(&mut device).unwrap(), round.to_le_bytes());
        assert!(send(&mut device, &round.to_le_bytes()));
        let sent = fake.next(TX).unwrap();
        fake.finish(TX, sent.token.into(), 0);
    }
    assert!(!device.has_failed());
}

#[test]
fn the_longest_frame_is_sent_and_one_byte_more_is_dropped() {
    let (fake, mut device) = started(ALL, Interrupt::Message);
    assert!(send(&mut device, &[1; NET_FRAME_BYTES]));
    assert!(fake.next(TX).is_some());
    assert!(send(&mut device, &[1; NET_FRAME_BYTES + 1]));
    assert!(fake.next(TX).is_none());
    assert_eq!(device.counters().sent_drops, 1);
    assert_eq!(device.capabilities().max_transmission_unit, NET_FRAME_BYTES);
}

#[test]
fn a_full_transmit_queue_holds_the_stack_until_the_device_is_done() {
    let (fake, mut device) = started(ALL, Interrupt::Message);
    for _ in 0..NET_QUEUE_SIZE {
        assert!(send(&mut device, b"x"));
    }
    assert!(!send(&mut device, b"x"));
    deliver(&fake, HEADER_BYTES, b"y");
    assert!(receive(&mut device).is_none(), "no answer possible, so nothing is received");
    assert!(!device.prepare_idle(), "waiting for the device is no work");
    assert!(fake.wants_interrupt(TX));
    let sent = fake.next(TX).unwrap();
    fake.finish(TX, sent.token.into(), 0);
    assert!(device.prepare_idle());
    assert!(receive(&mut device).is_some());
    assert!(send(&mut device, b"x"));
    assert!(device.counters().sent_stalls > 0);
}

#[test]
fn unused_tokens_give_their_buffers_back() {
    let (fake, mut device) = started(ALL, Interrupt::Message);
    for _ in 0..3 * NET_QUEUE_SIZE {
        deliver(&fake, HEADER_BYTES, b"dropped");
        drop(device.receive(now()).unwrap());
        drop(device.transmit(now()).unwrap());
    }
    assert!(send(&mut device, b"x"));
    assert!(fake.next(TX).is_some());
}

#[test]
fn interrupts_are_wanted_only_while_idle() {
    let (fake, mut device) = started(ALL, Interrupt::Message);
    assert!(!fake.wants_interrupt(RX));
    assert!(!device.prepare_idle());
    assert!(fake.wants_interrupt(RX));
    assert!(!fake.wants_interrupt(TX));
    deliver(&fake, HEADER_BYTES, b"wake");
    assert!(device.prepare_idle(), "a frame that came before the halt is seen");
    assert!(!fake.wants_interrupt(RX));
    assert!(!{
        receive(&mut device);
        device.prepare_idle()
    });
    receive(&mut device);
    assert!(!fake.wants_interrupt(RX), "looking for frames ends the wish");
}

#[test]
fn many_frames_are_announced_at_once_and_none_is_forgotten() {
    let (fake, mut device) = started(ALL, Interrupt::Message);
    let notified = || core::mem::take(&mut fake.0.borrow_mut().notified);
    assert_eq!(notified(), [0], "the receive buffers");
    for _ in 0..5 {
        deliver(&fake, HEADER_BYTES, b"in");
        receive(&mut device);
        send(&mut device, b"out");
    }
    assert!(notified().is_empty());
    device.flush();
    assert_eq!(notified(), [1, 0]);
    device.flush();
    assert!(notified().is_empty(), "nothing new");
    send(&mut device, b"out");
    device.prepare_idle();
    assert_eq!(notified(), [1]);
    while send(&mut device, b"out") {}
    assert_eq!(notified(), [1], "nothing is free until the device knows");
}

#[test]
fn a_line_interrupt_is_acknowledged_and_a_change_of_link_noticed() {
    let (fake, mut device) = started(ALL, Interrupt::Line);
    fake.0.borrow_mut().config = config(0, 1500);
    fake.0.borrow_mut().interrupt = InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT;
    assert!(device.link_up());
    assert!(!device.prepare_idle());
    assert!(fake.0.borrow().interrupt.is_empty());
    assert!(!device.link_up());
}

#[test]
fn an_impossible_address_is_replaced_and_a_small_mtu_raised() {
    for mac in [[0; 6], [0x01, 0, 0x5e, 0, 0, 1], [0xff; 6]] {
        let fake = fake(ALL);
        fake.0.borrow_mut().config[..6].copy_from_slice(&mac);
        let device = VirtioNet::new(fake, Interrupt::Message, FALLBACK).unwrap();
        assert_eq!(device.mac(), FALLBACK);
    }
    for (told, used) in [(68, NET_MTU_MIN), (1280, 1280), (1400, 1400), (9000, 1500)] {
        let fake = fake(ALL);
        fake.0.borrow_mut().config = config(1, told);
        assert_eq!(VirtioNet::new(fake, Interrupt::Message, FALLBACK).unwrap().mtu(), used);
    }
    let (_, device) = started(VERSION_1, Interrupt::Message);
    assert_eq!((device.mac(), device.mtu(), device.link_up()), (FALLBACK, 1500, true));
}

#[test]
fn devices_that_cannot_be_started_are_errors() {
    let start = |change: fn(&mut super::super::testing::State)| {
        let fake = fake(ALL);
        change(&mut fake.0.borrow_mut());
        VirtioNet::new(fake, Interrupt::Message, FALLBACK).map(|_| ()).unwrap_err()
    };
    assert_eq!(start(|state| state.reset_reads = None), InitError::Reset);
    assert_eq!(start(|state| state.refused = DeviceStatus::FEATURES_OK), InitError::Features);
    assert_eq!(start(|state| state.offered = FEATURE_MAC), InitError::Features);
    assert_eq!(start(|state| state.config.clear()), InitError::Config);
    assert_eq!(start(|state| state.config_restless = 1), InitError::Config);
    assert!(matches!(start(|state| state.queue_sizes = vec![256, 32]), InitError::Queue(_)));
    assert!(matches!(start(|state| state.queue_sizes.clear()), InitError::Queue(_)));
}

#[test]
fn a_token_that_is_not_in_flight_fails_the_device() {
    for token in [word(NET_QUEUE_SIZE), 0xffff, 0xffff_0000 | word(NET_QUEUE_SIZE)] {
        let (fake, mut device) = started(ALL, Interrupt::Message);
        fake.finish(RX, token, 60);
        assert_eq!(receive(&mut device), None);
        assert!(device.has_failed());
        assert!(fake.0.borrow().status.contains(DeviceStatus::FAILED));
    }
    let (fake, mut device) = started(ALL, Interrupt::Message);
    fake.finish(TX, word(NET_QUEUE_SIZE), 0);
    let sent = (0..NET_QUEUE_SIZE).take_while(|_| send(&mut device, b"x")).count();
    assert_eq!(sent, NET_QUEUE_SIZE - NET_RECLAIM_BELOW + 1, "up to the first look");
    assert!(device.has_failed());
}

#[test]
fn a_length_beyond_the_buffer_fails_the_device_and_none_is_passed_over() {
    let (fake, mut device) = started(ALL, Interrupt::Message);
    for written in [0, 1, word(HEADER_BYTES)] {
        let buffer = fake.next(RX).unwrap();
        fake.finish(RX, buffer.token.into(), written);
    }
    let buffer = fake.next(RX).unwrap();
    fake.finish(RX, buffer.token.into(), word(NET_BUFFER_BYTES));
    assert_eq!(receive(&mut device).unwrap().len(), NET_BUFFER_BYTES - HEADER_BYTES);
    assert_eq!(device.counters().received_errors, 3);
    let buffer = fake.next(RX).unwrap();
    fake.finish(RX, buffer.token.into(), word(NET_BUFFER_BYTES) + 1);
    assert_eq!(receive(&mut device), None);
    assert!(device.has_failed());
    assert!(!device.prepare_idle());
    assert!(!send(&mut device, b"x"));
}

#[test]
fn made_up_addresses_are_local_and_unicast() {
    for first in 0..=255 {
        let mac = local_mac([first, 1, 2, 3, 4, 5]);
        assert_eq!(mac[0] & 0b11, 0b10);
        assert_eq!(mac[1..], [1, 2, 3, 4, 5]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the device puts into its used rings, the driver neither panics nor touches a
    /// foreign buffer.
    #[test]
    fn any_used_ring_is_survived(
        steps in prop::collection::vec((0_usize..4, any::<u32>(), any::<u32>()), 1..200),
    ) {
        let (fake, mut device) = started(ALL, Interrupt::Line);
        let mut rx: Vec<Available> = Vec::new();
        for (step, token, length) in steps {
            match step {
                0 => fake.finish(RX, token % 80, length % 2000),
                1 => fake.finish(TX, token % 80, length),
                2 => {
                    rx.extend(fake.next(RX));
                    if let Some(buffer) = rx.pop() {
                        fake.finish(RX, buffer.token.into(), 13 + length % 1500);
                    }
                }
                _ => {
                    let frame = vec![1; (length % 1514) as usize];
                    send(&mut device, &frame);
                }
            }
            if let Some(frame) = receive(&mut device) {
                prop_assert!(frame.len() <= NET_BUFFER_BYTES);
            }
            device.prepare_idle();
        }
    }
}
