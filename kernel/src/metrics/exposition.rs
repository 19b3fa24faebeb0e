//! Prometheus' text format 0.0.4.

use alloc::string::String;
use core::fmt::{Display, Write};

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// A page in the making. Each metric is begun once, then come its samples.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    name: &'static str,
}

/// The type of the page's content.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Exposition {
    /// Begins a metric: letters, digits and `_` for a name; counters end in `_total`.
    pub fn metric(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Self {
        self.name = name;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.text.push_str("# HELP ");
        self.text.push_str(name);
        self.text.push(' ');
        escape(help, false, &mut self.text);
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "\n# TYPE {name} {kind}");
        self
    }

    /// Adds the only sample of the metric.
    pub fn value(&mut self, value: impl Display) {
        self.sample(&[], value);
    }

    /// Adds a sample with labels.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(self.name);
        for (index, (label, content)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{label}=\"");
            escape(content, true, &mut self.text);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }

    /// The page.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

fn escape(text: &str, quotes: bool, out: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}
