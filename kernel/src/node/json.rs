//! Small JSON documents, written field by field.

use alloc::string::String;
use core::fmt::{Display, Write};

use air_core::value::write_json_string;

/// An object in the making.
pub(crate) struct ObjectWriter(String);

impl ObjectWriter {
    pub(crate) fn new() -> Self {
        Self(String::from("{"))
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        write_json_string(name, &mut self.0);
        self.0.push(':');
    }

    /// Adds a string.
    pub(crate) fn text(mut self, name: &str, text: &str) -> Self {
        self.name(name);
        write_json_string(text, &mut self.0);
        self
    }

    /// Adds a string if there is one.
    pub(crate) fn optional_text(self, name: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// Adds what is JSON already: a number, an object.
    pub(crate) fn json(mut self, name: &str, json: impl Display) -> Self {
        self.name(name);
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{json}");
        self
    }

    /// Adds a number if there is one.
    pub(crate) fn optional_json(self, name: &str, json: Option<impl Display>) -> Self {
        match json {
            Some(json) => self.json(name, json),
            None => self,
        }
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// An array of strings.
pub(crate) fn texts(items: impl IntoIterator<Item = impl Display>) -> String {
    let texts = items.into_iter().map(|item| {
        let mut text = String::new();
        write_json_string(&alloc::format!("{item}"), &mut text);
        text
    });
    array(texts)
}

/// An array of what is JSON already.
pub(crate) fn array(items: impl IntoIterator<Item = impl Display>) -> String {
    let mut json = String::from("[");
    for item in items {
        if json.len() > 1 {
            json.push(',');
        }
        // Writing to a string cannot fail.
        let _ = write!(json, "{item}");
    }
    json.push(']');
    json
}
