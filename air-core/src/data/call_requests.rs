//! Requests to services, as they are handed to the host (air-data §8.3).

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Tetraplet;
use super::call_results::MESSAGE_PACK_PREFIX;
use super::message_pack::{MessagePackError, Reader, Token, Writer};
use crate::step::CallRequest;
use crate::value::{MAX_VALUE_DEPTH, Number, Value};

/// Encodes requests: a map from call ids to service, function, arguments and tetraplets.
#[must_use]
pub fn encode_call_requests(requests: &[CallRequest]) -> Vec<u8> {
    let size: usize = requests.iter().map(request_size).sum();
    let mut out = Vec::with_capacity(HEAD_SIZE + size);
    out.extend_from_slice(&MESSAGE_PACK_PREFIX);
    let mut inner = Vec::new();
    let mut writer = Writer { out: &mut out };
    writer.map(requests.len());
    for request in requests {
        writer.u64(u64::from(request.id));
        writer.map(4);
        writer.string("service_id");
        writer.string(&request.service_id);
        writer.string("function_name");
        writer.string(&request.function_name);
        writer.string("arguments");
        inner.clear();
        inner.reserve(request.arguments.iter().map(value_size).sum());
        put_arguments(&mut Writer { out: &mut inner }, &request.arguments);
        writer.binary(&inner);
        writer.string("tetraplets");
        inner.clear();
        put_tetraplets(&mut Writer { out: &mut inner }, &request.tetraplets);
        writer.binary(&inner);
    }
    out
}

/// Longest head of an encoded value, and more than that of all requests.
const HEAD_SIZE: usize = 9;

/// At most how many bytes a request takes.
fn request_size(request: &CallRequest) -> usize {
    const FIELD_NAMES: usize = 64;
    const TETRAPLET_NAMES: usize = 48;
    let tetraplets = request.tetraplets.iter().flatten().map(|tetraplet| {
        let texts =
            [&tetraplet.peer_pk, &tetraplet.service_id, &tetraplet.function_name, &tetraplet.lens];
        TETRAPLET_NAMES + texts.map(|text| HEAD_SIZE + text.len()).iter().sum::<usize>()
    });
    FIELD_NAMES
        + 8 * HEAD_SIZE
        + request.service_id.len()
        + request.function_name.len()
        + request.tetraplets.len() * HEAD_SIZE
        + request.arguments.iter().map(value_size).sum::<usize>()
        + tetraplets.sum::<usize>()
}

/// At most how many bytes a value takes. Recurses at most as deep as values nest.
fn value_size(value: &Value) -> usize {
    HEAD_SIZE
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(value_size).sum(),
            Value::Object(members) => {
                members.iter().map(|(key, value)| HEAD_SIZE + key.len() + value_size(value)).sum()
            }
        }
}

fn put_arguments(writer: &mut Writer<'_>, arguments: &[Value]) {
    writer.array(arguments.len());
    for argument in arguments {
        put_value(writer, argument);
    }
}

/// Recurses at most as deep as values nest.
fn put_value(writer: &mut Writer<'_>, value: &Value) {
    match value {
        Value::Null => writer.nil(),
        Value::Bool(value) => writer.bool(*value),
        Value::Number(number) => put_number(writer, *number),
        Value::String(text) => writer.string(text),
        Value::Array(items) => {
            writer.array(items.len());
            for item in items.iter() {
                put_value(writer, item);
            }
        }
        Value::Object(members) => {
            writer.map(members.len());
            for (key, value) in members.iter() {
                writer.string(key);
                put_value(writer, value);
            }
        }
    }
}

fn put_number(writer: &mut Writer<'_>, number: Number) {
    if let Some(natural) = number.as_u64() {
        writer.u64(natural);
    } else if let Some(integer) = number.as_i64() {
        writer.i64(integer);
    } else if let Some(float) = number.as_float() {
        writer.f64(float);
    }
}

fn put_tetraplets(writer: &mut Writer<'_>, tetraplets: &[Vec<Arc<Tetraplet>>]) {
    writer.array(tetraplets.len());
    for of_argument in tetraplets {
        writer.array(of_argument.len());
        for tetraplet in of_argument {
            writer.map(4);
            for (name, text) in [
                ("peer_pk", &tetraplet.peer_pk),
                ("service_id", &tetraplet.service_id),
                ("function_name", &tetraplet.function_name),
                ("lens", &tetraplet.lens),
            ] {
                writer.string(name);
                writer.string(text);
            }
        }
    }
}

/// Decodes requests: the counterpart of [`encode_call_requests`], for tools and tests. Fields may come
/// in any order; what is not a request is refused.
pub fn decode_call_requests(bytes: &[u8]) -> Result<Vec<CallRequest>, MessagePackError> {
    let wrong = |what: &str| MessagePackError::Syntax(what.to_string());
    let map = bytes.strip_prefix(&MESSAGE_PACK_PREFIX).ok_or_else(|| wrong("no prefix"))?;
    let mut reader = Reader::new(map);
    let Token::Map(count) = reader.token()? else { return Err(wrong("no map of requests")) };
    let mut requests = Vec::new();
    for _ in 0..count {
        let Token::Natural(id) = reader.token()? else { return Err(wrong("no call id")) };
        let Token::Map(fields) = reader.token()? else { return Err(wrong("no request")) };
        let mut request = CallRequest {
            id: u32::try_from(id).map_err(|_| wrong("call id is not u32"))?,
            service_id: "".into(),
            function_name: "".into(),
            arguments: Vec::new(),
            tetraplets: Vec::new(),
        };
        for _ in 0..fields {
            let name = text(&mut reader)?;
            match &*name {
                "service_id" => request.service_id = text(&mut reader)?,
                "function_name" => request.function_name = text(&mut reader)?,
                "arguments" => request.arguments = arguments(binary(&mut reader)?)?,
                "tetraplets" => request.tetraplets = tetraplets(binary(&mut reader)?)?,
                _ => return Err(wrong("unknown field")),
            }
        }
        requests.push(request);
    }
    Ok(requests)
}

fn text(reader: &mut Reader<'_>) -> Result<Arc<str>, MessagePackError> {
    let token = reader.token()?;
    let text = match token {
        Token::String(bytes) => core::str::from_utf8(bytes).ok(),
        _ => None,
    };
    text.map(Arc::from).ok_or_else(|| MessagePackError::invalid_type(&token, "a string"))
}

fn binary<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], MessagePackError> {
    match reader.token()? {
        Token::Binary(bytes) => Ok(bytes),
        other => Err(MessagePackError::invalid_type(&other, "bytes")),
    }
}

fn array(reader: &mut Reader<'_>) -> Result<u32, MessagePackError> {
    match reader.token()? {
        Token::Array(count) => Ok(count),
        other => Err(MessagePackError::invalid_type(&other, "an array")),
    }
}

fn arguments(bytes: &[u8]) -> Result<Vec<Value>, MessagePackError> {
    let mut reader = Reader::new(bytes);
    let count = array(&mut reader)?;
    (0..count).map(|_| value(&mut reader, MAX_VALUE_DEPTH)).collect()
}

/// Recurses at most `levels` deep.
fn value(reader: &mut Reader<'_>, levels: u16) -> Result<Value, MessagePackError> {
    let inner = levels.checked_sub(1);
    let token = reader.token()?;
    let too_deep = || MessagePackError::TooDeep;
    Ok(match token {
        Token::Nil => Value::Null,
        Token::Bool(value) => Value::Bool(value),
        Token::Natural(value) => value.into(),
        Token::Negative(value) => value.into(),
        Token::Float(value) => match Number::from_f64(value) {
            Some(number) => number.into(),
            None => return Err(MessagePackError::invalid_type(&token, "a finite number")),
        },
        Token::String(bytes) => match core::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => return Err(MessagePackError::invalid_type(&token, "UTF-8")),
        },
        Token::Array(count) => {
            let inner = inner.ok_or_else(too_deep)?;
            let items: Result<_, _> = (0..count).map(|_| value(reader, inner)).collect();
            Value::array(items?).map_err(|_| too_deep())?
        }
        Token::Map(count) => {
            let inner = inner.ok_or_else(too_deep)?;
            let members: Result<_, _> =
                (0..count).map(|_| Ok((text(reader)?, value(reader, inner)?))).collect();
            Value::object(members?).map_err(|_| too_deep())?
        }
        Token::Binary(_) | Token::Extension => {
            return Err(MessagePackError::invalid_type(&token, "a JSON value"));
        }
    })
}

fn tetraplets(bytes: &[u8]) -> Result<Vec<Vec<Arc<Tetraplet>>>, MessagePackError> {
    let mut reader = Reader::new(bytes);
    let count = array(&mut reader)?;
    (0..count)
        .map(|_| {
            let count = array(&mut reader)?;
            (0..count).map(|_| tetraplet(&mut reader).map(Arc::new)).collect()
        })
        .collect()
}

fn tetraplet(reader: &mut Reader<'_>) -> Result<Tetraplet, MessagePackError> {
    let count = match reader.token()? {
        Token::Map(count) => count,
        other => return Err(MessagePackError::invalid_type(&other, "a tetraplet")),
    };
    let mut tetraplet = Tetraplet::of_peer("".into());
    for _ in 0..count {
        let name = text(reader)?;
        let value = text(reader)?;
        match &*name {
            "peer_pk" => tetraplet.peer_pk = value,
            "service_id" => tetraplet.service_id = value,
            "function_name" => tetraplet.function_name = value,
            "lens" => tetraplet.lens = value,
            _ => return Err(MessagePackError::Syntax("unknown field".to_string())),
        }
    }
    Ok(tetraplet)
}
