//! A stream in two halves: both work at once, and the connection ends with the second.

#![allow(clippy::expect_used, reason = "a test may fail by panicking")]

mod support;

use embedded_io_async::{ErrorKind, Read, Write};
use futures_util::future::join;
use netstack::{Split, Writer, pipe};

#[test]
fn one_half_reads_while_the_other_writes() {
    support::run_alone(&support::Clock::default(), async {
        let (near, far) = pipe::pair(4);
        let (mut near_reader, mut near_writer) = near.split();
        let (mut far_reader, mut far_writer) = far.split();
        let sent: Vec<u8> = (0..=255).collect();
        let echo = async {
            let mut buffer = [0; 3];
            loop {
                match far_reader.read(&mut buffer).await.expect("open") {
                    0 => return far_writer.shutdown().await.expect("open"),
                    read => far_writer.write_all(&buffer[..read]).await.expect("open"),
                }
            }
        };
        let send = async {
            near_writer.write_all(&sent).await.expect("open");
            near_writer.shutdown().await.expect("open");
        };
        let receive = async {
            let mut got = Vec::new();
            let mut buffer = [0; 7];
            loop {
                match near_reader.read(&mut buffer).await.expect("open") {
                    0 => return got,
                    read => got.extend_from_slice(&buffer[..read]),
                }
            }
        };
        let (((), ()), got) = join(join(echo, send), receive).await;
        assert_eq!(got, sent);
    });
}

#[test]
fn the_connection_ends_with_the_second_half() {
    support::run_alone(&support::Clock::default(), async {
        let (near, mut far) = pipe::pair(8);
        let (mut reader, writer) = near.split();
        drop(writer);
        far.write_all(b"x").await.expect("the reading half is there");
        let mut buffer = [0; 1];
        assert_eq!(reader.read(&mut buffer).await, Ok(1));
        drop(reader);
        assert_eq!(far.read(&mut buffer).await, Err(ErrorKind::ConnectionReset));
        assert_eq!(far.write(b"y").await, Err(ErrorKind::BrokenPipe));
    });
}
