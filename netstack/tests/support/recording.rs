//! Recorded connections, as they went over TCP.

/// Who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Host,
}

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The writes of the stock JavaScript client's connection, in order.
pub fn javascript_client() -> Vec<(Side, Vec<u8>)> {
    let mut writes: Vec<(Side, Vec<u8>)> = Vec::new();
    for line in include_str!("../data/libp2p/javascript-client.hex").lines() {
        match line {
            "C" => writes.push((Side::Client, Vec::new())),
            "H" => writes.push((Side::Host, Vec::new())),
            _ if line.starts_with('#') => {}
            _ => writes.last_mut().unwrap().1.extend(hex(line)),
        }
    }
    writes
}
