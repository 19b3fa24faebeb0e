//! The handshake, as server and as client.

use super::*;

#[test]
fn the_standard_s_request_gets_the_standard_s_answer() {
    assert_eq!(accept(REQUEST.as_bytes()), (Ok(()), ANSWER.to_owned()));
}

#[test]
fn the_recorded_client_s_request_gets_the_recorded_answer() {
    let recorded = recording::javascript_client();
    let (accepted, answer) = accept(&recorded[0].1);
    assert_eq!((accepted, answer.into_bytes()), (Ok(()), recorded[1].1.clone()));
}

#[test]
fn header_fields_come_in_any_order_and_case() {
    let request = "GET / HTTP/1.1\r\nsec-websocket-version:13\r\nSEC-WEBSOCKET-KEY:   \
        dGhlIHNhbXBsZSBub25jZQ==  \r\nconnection: keep-alive, UPGRADE\r\nuPGRADE: h2c\r\n\
        Upgrade: WebSocket\r\nSec-WebSocket-Protocol: chat\r\nhost: x\r\n\r\n";
    assert_eq!(accept(request.as_bytes()), (Ok(()), ANSWER.to_owned()));
}

#[test]
fn other_requests_get_an_http_error() {
    let change = |from: &str, to: &str| {
        assert!(REQUEST.contains(from));
        REQUEST.replace(from, to)
    };
    let long_key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (request, status) in [
        (change("GET", "POST"), 405),
        (change("HTTP/1.1", "HTTP/1.0"), 400),
        (change("HTTP/1.1", "HTTP/9"), 400),
        (change("GET /chat", "GET"), 400),
        (change("Host: server.example.com\r\n", ""), 400),
        (change("Host:", "Host: b\r\nHost:"), 400),
        (change("Upgrade: websocket\r\n", ""), 426),
        (change("Upgrade: websocket", "Upgrade: h2c"), 426),
        (change("Connection: Upgrade\r\n", ""), 426),
        (change("Connection: Upgrade", "Connection: close"), 426),
        (change("Version: 13", "Version: 8"), 426),
        (change("Sec-WebSocket-Version: 13\r\n", ""), 426),
        (change("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400),
        (change("Sec-WebSocket-Key: dGhl", "Sec-WebSocket-Key: "), 400),
        (change("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", long_key), 400),
        (change("Upgrade: web", "Sec-WebSocket-Key: a\r\nUpgrade: web"), 400),
        (change("Upgrade: web", "no field\r\nUpgrade: web"), 400),
    ] {
        let (accepted, answer) = accept(request.as_bytes());
        assert_eq!(accepted, Err(Error::BadRequest(status)), "{request}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{answer}");
        assert_eq!(
            head.contains("\r\nSec-WebSocket-Version: 13"),
            request.contains("Version: 8") || !request.contains("Version:"),
            "{answer}"
        );
    }
    assert_eq!(accept(&REQUEST.as_bytes()[..REQUEST.len() - 1]).0, Err(Error::Truncated));
    assert_eq!(accept(b"").0, Err(Error::Truncated));
}

#[test]
fn the_largest_head_is_read_and_a_larger_one_is_not() {
    let padded = |length: usize| {
        let padding = "x".repeat(length - REQUEST.len() - "X: \r\n".len());
        REQUEST.replace("\r\nUpgrade", &format!("\r\nX: {padding}\r\nUpgrade"))
    };
    assert_eq!(accept(padded(limits::HEAD_BYTES).as_bytes()).0, Ok(()));
    let (accepted, answer) = accept(padded(limits::HEAD_BYTES + 1).as_bytes());
    assert_eq!(accepted, Err(Error::BadRequest(431)));
    assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    assert_eq!(accept(&[b'x'; limits::HEAD_BYTES]).0, Err(Error::BadRequest(431)));

    let fields = |count: usize| {
        let more = "X: y\r\n".repeat(count - 5);
        accept(REQUEST.replace("Upgrade: web", &format!("{more}Upgrade: web")).as_bytes()).0
    };
    assert_eq!(fields(limits::HEADERS), Ok(()));
    assert_eq!(fields(limits::HEADERS + 1), Err(Error::BadRequest(431)));
}

#[test]
fn a_client_asks_for_what_the_standard_says() {
    run(async {
        let (near, mut far) = pipe::pair(4096);
        let mut connecting = Box::pin(websocket::connect(near, "[::1]:7777", secrets(1)));
        assert!(connecting.as_mut().now_or_never().is_none());
        let request = String::from_utf8(written(&mut far)).unwrap();
        let (start, end) = request.split_once("Sec-WebSocket-Key: ").unwrap();
        assert_eq!(
            start,
            "GET / HTTP/1.1\r\nHost: [::1]:7777\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        );
        assert_eq!(&end[24..], "\r\nSec-WebSocket-Version: 13\r\n\r\n");
        assert!(accept(request.as_bytes()).0.is_ok());
    });
}

#[test]
fn a_client_takes_no_other_answer_than_that_to_its_key() {
    let connect = |change: &dyn Fn(String) -> String| {
        run(async {
            let (near, mut far) = pipe::pair(1 << 14);
            let answer = async {
                let mut request = vec![0; 4096];
                let read = far.read(&mut request).await.unwrap();
                let (_, good) = accept(&request[..read]);
                far.write_all(change(good).as_bytes()).await.unwrap();
                far.shutdown().await.unwrap();
            };
            let (socket, ()) = join(websocket::connect(near, "x", secrets(1)), answer).await;
            let mut rest = Vec::new();
            match socket {
                Ok(mut socket) => rest.extend(read_all(&mut socket).await?),
                Err(error) => return Err(error),
            }
            Ok(rest)
        })
    };
    assert_eq!(connect(&|good| good), Ok(Vec::new()));
    let early = |good| good + "\u{2}\u{3}abc";
    assert_eq!(connect(&early), Ok(b"abc".to_vec()), "a server may speak first");
    let lower = |good: String| good.replace("Upgrade", "upgrade").replace("Accept", "accept");
    assert_eq!(connect(&lower), Ok(Vec::new()));
    let bad: [&dyn Fn(String) -> String; 9] = [
        &|good| good.replace("101", "200"),
        &|good| good.replace("HTTP/1.1", "HTTP/1.0"),
        &|good| good.replace("Accept: ", "Accept: a"),
        &|good| good.replace("Upgrade: websocket\r\n", ""),
        &|good| good.replace("Connection: Upgrade\r\n", ""),
        &|good| {
            good.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        },
        &|good| good.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"),
        &|good| good.replace("HTTP", "HTML"),
        &|_| "x".repeat(limits::HEAD_BYTES),
    ];
    for change in bad {
        assert_eq!(connect(change), Err(Error::BadAnswer));
    }
    assert_eq!(connect(&|good| good.replace("\r\n\r\n", "\r\n")), Err(Error::Truncated));
}

#[test]
fn a_request_damaged_anywhere_is_answered_or_waited_for() {
    for at in 0..REQUEST.len() {
        for byte in [0, b'\n', b'\r', b' ', b':', b'A', 0x80, 0xFF] {
            let mut request = REQUEST.as_bytes().to_vec();
            request[at] = byte;
            let (accepted, answer) = accept(&request);
            match accepted {
                Ok(()) => assert!(answer.starts_with("HTTP/1.1 101 ")),
                Err(Error::BadRequest(status)) => {
                    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")));
                }
                Err(error) => assert_eq!((error, answer.as_str()), (Error::Truncated, "")),
            }
        }
        assert_eq!(accept(&REQUEST.as_bytes()[..at]).0, Err(Error::Truncated));
    }
}
