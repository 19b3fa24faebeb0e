//! The messages of an answer, one by one.
//!
//! An answer is `{"messages": […], …}`. It is cut into the texts of its messages without reading these,
//! so that of a page of many only one message at a time is in memory as values.

use alloc::vec::Vec;

use crate::limits::MAX_MESSAGES_PER_PAGE;

/// The member that holds the messages.
const MESSAGES: &[u8] = b"messages";

/// The bytes are no page of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotPage;

/// The texts of the messages; whether each is one is not looked at.
pub(super) fn messages(page: &[u8]) -> Result<Vec<&str>, NotPage> {
    let text = core::str::from_utf8(page).map_err(|_| NotPage)?;
    let mut cursor = Cursor { text, at: 0 };
    cursor.expect(b'{')?;
    let mut found = None;
    if !cursor.take(b'}') {
        loop {
            let key = cursor.value()?;
            cursor.expect(b':')?;
            let is_list =
                key.as_bytes().strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\""));
            if is_list == Some(MESSAGES) {
                found = Some(cursor.list()?);
            } else {
                cursor.value()?;
            }
            if !cursor.take(b',') {
                break;
            }
        }
        cursor.expect(b'}')?;
    }
    if cursor.peek().is_some() { Err(NotPage) } else { found.ok_or(NotPage) }
}

/// A place in a JSON text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let space =
            rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.at += space;
        rest.get(space).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, wanted: u8) -> Result<(), NotPage> {
        if self.take(wanted) { Ok(()) } else { Err(NotPage) }
    }

    /// The texts of the items of a list.
    fn list(&mut self) -> Result<Vec<&'a str>, NotPage> {
        let mut items = Vec::new();
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(items);
        }
        loop {
            if items.len() == MAX_MESSAGES_PER_PAGE {
                return Err(NotPage);
            }
            items.push(self.value()?);
            if !self.take(b',') {
                self.expect(b']')?;
                return Ok(items);
            }
        }
    }

    /// The text of a value: up to where its brackets and quotes are closed, or to the next mark.
    fn value(&mut self) -> Result<&'a str, NotPage> {
        self.peek();
        let start = self.at;
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            if in_text {
                in_text = escaped || *byte != b'"';
                escaped = !escaped && *byte == b'\\';
                self.at += 1;
                if !in_text && depth == 0 {
                    break;
                }
                continue;
            }
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' | b':' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        break;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        let value = self.text.get(start..self.at).unwrap_or_default().trim_ascii_end();
        if value.is_empty() || in_text || depth > 0 { Err(NotPage) } else { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use air_core::Value;
    use alloc::format;
    use alloc::string::String;
    use proptest::prelude::*;

    #[test]
    fn a_page_is_cut_into_its_messages() {
        let page = br#" { "pagination_page" : 1, "messages" : [ {"a":"]}\"","b":[1,{}]} , "x\\", 7 ,null],"z":{"messages":[]}}"#;
        assert_eq!(
            messages(page),
            Ok(alloc::vec![r#"{"a":"]}\"","b":[1,{}]}"#, r#""x\\""#, "7", "null"])
        );
        assert_eq!(messages(br#"{"messages":[]}"#), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for page in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"messages":{}}"#,
            r#"{"messages":[1}"#,
            r#"{"messages":[1],}"#,
            r#"{"messages":[1]"#,
            r#"{"messages":[1]} x"#,
            r#"{"messages":["a]}"#,
            r#"{"messages":[[1]}"#,
            r#"{"messages":[,]}"#,
            r#"{"messages" [1]}"#,
            r#"{"a":"messages"}"#,
        ] {
            assert_eq!(messages(page.as_bytes()), Err(NotPage), "{page}");
        }
        assert_eq!(messages(b"{\"messages\":[\"\xff\"]}"), Err(NotPage));
    }

    #[test]
    fn the_number_of_messages_has_its_bound() {
        let page = |count| format!("{{\"messages\":[{}]}}", alloc::vec!["1"; count].join(","));
        assert_eq!(
            messages(page(MAX_MESSAGES_PER_PAGE).as_bytes()).map(|all| all.len()),
            Ok(MAX_MESSAGES_PER_PAGE)
        );
        assert_eq!(messages(page(MAX_MESSAGES_PER_PAGE + 1).as_bytes()), Err(NotPage));
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".into()),
            any::<u32>().prop_map(|number| format!("{number}")),
            any::<String>().prop_map(|text| {
                let mut json = String::new();
                air_core::value::write_json_string(&text, &mut json);
                json
            }),
        ];
        leaf.prop_recursive(3, 16, 4, |inner: BoxedStrategy<String>| {
            let list = prop::collection::vec(inner.clone(), 0..4);
            let members = prop::collection::vec(("[a-z\\[{]{0,4}", inner), 0..4);
            prop_oneof![
                list.prop_map(|items| format!("[{}]", items.join(" , "))),
                members.prop_map(|members| {
                    let members: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("\"{name}\": {value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_are_in_the_document(items in prop::collection::vec(json(), 0..6)) {
            let page = format!("{{\"x\": 1, \"messages\": [{}]}}", items.join(",\n"));
            let found = messages(page.as_bytes()).unwrap();
            let values = |texts: &[&str]| texts.iter().map(|text| Value::parse(text).unwrap()).collect::<Vec<_>>();
            let items: Vec<&str> = items.iter().map(String::as_str).collect();
            prop_assert_eq!(values(&found), values(&items));
        }

        #[test]
        fn any_bytes_are_a_page_or_not(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = messages(&bytes);
            let mut page = b"{\"messages\":[".to_vec();
            page.extend(bytes);
            let _ = messages(&page);
        }
    }
}
