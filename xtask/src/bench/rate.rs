//! Answers a second of an HTTP server, over connections that are kept.

use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::http::Connection;

const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// Answers a second to `GET path`, over so many connections at once, one request under way on each.
///
/// The connections are there, and have been used once, before the time begins. One that the other side
/// ends is made again.
///
/// # Errors
/// When a connection cannot be had or breaks, or an answer has another status than 200.
pub(super) fn measure(
    authority: &str,
    path: &str,
    connections: usize,
    time: Duration,
) -> Result<f64> {
    let server = Server { authority, path, entrance: Mutex::new(()) };
    let open = (0..connections).map(|_| server.connect()).collect::<Result<Vec<_>>>()?;
    let begin = Barrier::new(connections);
    let ask = &|connection| {
        begin.wait();
        server.answers(connection, Instant::now() + time)
    };
    let counts = thread::scope(|scope| {
        let start = |connection| scope.spawn(move || ask(connection));
        let clients: Vec<_> = open.into_iter().map(start).collect();
        let ends = clients.into_iter().map(|client| client.join());
        ends.map(|end| end.unwrap_or_else(|_| bail!("a client has panicked")))
            .collect::<Result<Vec<u32>>>()
    })?;
    Ok(f64::from(counts.iter().sum::<u32>()) / time.as_secs_f64())
}

struct Server<'a> {
    authority: &'a str,
    path: &'a str,
    /// Held by whoever connects: see [`Connection::open_answered`].
    entrance: Mutex<()>,
}

impl Server<'_> {
    fn connect(&self) -> Result<Connection> {
        let _one = self.entrance.lock().unwrap_or_else(PoisonError::into_inner);
        Connection::open_answered(self.authority, self.path, ANSWER_LIMIT)
    }

    /// How many requests are answered until then.
    fn answers(&self, mut connection: Connection, end: Instant) -> Result<u32> {
        let path = self.path;
        let mut count = 0;
        loop {
            if !connection.is_kept() {
                connection = self.connect()?;
            } else {
                let answer = connection.request("GET", path, b"")?;
                ensure!(
                    answer.status == 200,
                    "{path} answers {}: {}",
                    answer.status,
                    answer.text()
                );
            }
            if Instant::now() >= end {
                return Ok(count);
            }
            count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const CLIENTS: usize = 5;
    /// Answers on a connection before the server ends it.
    const ANSWERS_EACH: u32 = 3;
    /// Long enough for others to come if they would.
    const LOOK: Duration = Duration::from_millis(20);

    static ANSWERED: AtomicU32 = AtomicU32::new(0);

    fn request(stream: &mut TcpStream) -> bool {
        let mut bytes = Vec::new();
        let mut chunk = [0; 256];
        while !bytes.ends_with(b"\r\n\r\n") {
            match stream.read(&mut chunk) {
                Ok(count @ 1..) => bytes.extend_from_slice(&chunk[..count]),
                _ => return false,
            }
        }
        true
    }

    fn answer(stream: &mut TcpStream, status: u16, is_last: bool) -> bool {
        let last = if is_last { "Connection: close\r\n" } else { "" };
        let head = format!("HTTP/1.1 {status} X\r\n{last}Content-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).is_ok()
    }

    /// Serves whoever comes alone; who comes while another's first request is under way is an error to both.
    fn serve(listener: &TcpListener) {
        while let Ok((mut stream, _)) = listener.accept() {
            if !request(&mut stream) {
                return;
            }
            thread::sleep(LOOK);
            listener.set_nonblocking(true).unwrap();
            let other = listener.accept();
            listener.set_nonblocking(false).unwrap();
            let is_alone = matches!(&other, Err(error) if error.kind() == ErrorKind::WouldBlock);
            if !answer(&mut stream, if is_alone { 200 } else { 503 }, false) || !is_alone {
                return;
            }
            thread::spawn(move || {
                for number in 2..=ANSWERS_EACH {
                    if !request(&mut stream) || !answer(&mut stream, 200, number == ANSWERS_EACH) {
                        return;
                    }
                    ANSWERED.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }

    #[test]
    fn connections_come_one_at_a_time_and_again_when_the_server_ends_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        thread::spawn(move || serve(&listener));
        let time = Duration::from_millis(400);
        let rate = measure(&authority, "/", CLIENTS, time).unwrap();
        let answered = ANSWERED.load(Ordering::Relaxed);
        let kept = u32::try_from(CLIENTS).unwrap() * (ANSWERS_EACH - 1);
        assert!(answered > kept, "{answered} answers: no connection came again");
        assert!(rate > 0.0 && rate * time.as_secs_f64() <= f64::from(2 * answered), "{rate}");
    }
}
