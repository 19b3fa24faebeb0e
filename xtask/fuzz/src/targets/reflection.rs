//! A frame of the stack turned into an answer to it: what gets past connection state.

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const BROADCAST: [u8; 4] = [255; 4];
/// The address of who answers broadcasts.
const ANSWERER: [u8; 4] = [10, 0, 0, 2];
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SYN: u8 = 2;
const FIN: u8 = 1;

/// The frame as the other side would answer it: addresses and ports exchanged; of TCP the numbers too,
/// with `flags` if they are not 0; of ARP, DHCP, DNS and neighbour discovery a reply of the same content.
pub fn reflect(frame: &[u8], from: [u8; 6], flags: u8) -> Vec<u8> {
    let mut answer = frame.to_vec();
    if answer.len() < ETHERNET {
        return answer;
    }
    answer.copy_within(6..12, 0);
    answer[6..12].copy_from_slice(&from);
    let ethertype = [answer[12], answer[13]];
    let packet = &mut answer[ETHERNET..];
    match ethertype {
        [0x08, 0x06] if packet.len() >= 28 => arp(packet, from),
        [0x08, 0x00] if packet.len() >= IPV4 => {
            exchange(packet, 12, 16, 4);
            if packet[12..16] == BROADCAST {
                packet[12..16].copy_from_slice(&ANSWERER);
                packet[16..20].copy_from_slice(&BROADCAST);
            }
            let protocol = packet[9];
            transport(protocol, &mut packet[IPV4..], flags);
        }
        [0x86, 0xdd] if packet.len() >= IPV6 => {
            exchange(packet, 8, 24, 16);
            let protocol = packet[6];
            transport(protocol, &mut packet[IPV6..], flags);
        }
        _ => {}
    }
    answer
}

fn arp(packet: &mut [u8], from: [u8; 6]) {
    packet[7] = 2;
    exchange(packet, 8, 18, 10);
    packet[8..14].copy_from_slice(&from);
}

fn transport(protocol: u8, segment: &mut [u8], flags: u8) {
    match protocol {
        TCP if segment.len() >= 20 => tcp(segment, flags),
        UDP if segment.len() >= 12 => {
            exchange(segment, 0, 2, 2);
            match [segment[0], segment[1]] {
                [0, 67] => segment[8] = 2,
                [0, 53] => segment[10] |= 0x80,
                _ => {}
            }
        }
        // A solicitation becomes an advertisement.
        ICMPV6 if matches!(segment.first(), Some(133 | 135)) => segment[0] += 1,
        _ => {}
    }
}

fn tcp(segment: &mut [u8], flags: u8) {
    exchange(segment, 0, 2, 2);
    let header = usize::from(segment[12] >> 4) * 4;
    let controls = u32::from(segment[13] & SYN != 0) + u32::from(segment[13] & FIN != 0);
    let payload = u32::try_from(segment.len().saturating_sub(header)).unwrap_or(0);
    exchange(segment, 4, 8, 4);
    let acknowledged = u32::from_be_bytes([segment[8], segment[9], segment[10], segment[11]]);
    let acknowledged = acknowledged.wrapping_add(payload).wrapping_add(controls);
    segment[8..12].copy_from_slice(&acknowledged.to_be_bytes());
    if flags != 0 {
        segment[13] = flags;
    }
}

fn exchange(bytes: &mut [u8], one: usize, other: usize, length: usize) {
    for offset in 0..length {
        bytes.swap(one + offset, other + offset);
    }
}
