//! HTML that cannot be broken by what it shows.
//!
//! Markup comes from the program's source alone: every method that writes any takes `&'static str`.
//! Everything else is text or the value of an attribute, and is escaped.

use std::fmt::{self, Display, Write as _};

use crate::text::is_deceptive;

/// A page that grows.
#[derive(Debug, Default)]
pub(super) struct Html {
    page: String,
}

/// Name and value of an attribute.
pub(super) type Attribute<'a> = (&'static str, &'a dyn Display);

impl Html {
    /// Markup of the program's own.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.page.push_str(markup);
        self
    }

    /// Text of anybody.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        // A String takes everything.
        let _ = write!(Escaped(&mut self.page), "{text}");
        self
    }

    /// A start tag.
    pub(super) fn open(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.page.push('<');
        self.page.push_str(tag);
        for (name, value) in attributes {
            self.page.push(' ');
            self.page.push_str(name);
            self.page.push_str("=\"");
            let _ = write!(Escaped(&mut self.page), "{value}");
            self.page.push('"');
        }
        self.page.push('>');
        self
    }

    /// An end tag.
    pub(super) fn close(&mut self, tag: &'static str) -> &mut Self {
        self.page.push_str("</");
        self.page.push_str(tag);
        self.page.push('>');
        self
    }

    /// An element with text in it.
    pub(super) fn element(&mut self, tag: &'static str, text: impl Display) -> &mut Self {
        self.open(tag, &[]).text(text).close(tag)
    }

    /// As [`Html::element`], with attributes.
    pub(super) fn with(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute<'_>],
        text: impl Display,
    ) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// A link. Only to places in the page and over HTTPS: any other address is written as text.
    pub(super) fn link(&mut self, address: &str, text: impl Display) -> &mut Self {
        if address.starts_with('#') || address.starts_with("https://") {
            self.with("a", &[("href", &address)], text)
        } else {
            self.text(text)
        }
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.page
    }
}

/// Escapes for text and for attributes in double quotes. A character that cannot be seen, or that
/// turns a line around, is written out.
struct Escaped<'p>(&'p mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' => self.0.push(' '),
                c if is_deceptive(c) => self.0.extend(c.escape_unicode()),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut html = Html::default();
        html.text("</td><script>alert('1')</script>&amp;\0\u{202e}x");
        assert_eq!(
            html.finish(),
            "&lt;/td&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;\\u{0}\\u{202e}x"
        );
        let mut html = Html::default();
        html.open("a", &[("title", &"\" onclick=\"x")]);
        assert_eq!(html.finish(), "<a title=\"&quot; onclick=&quot;x\">");
    }

    #[test]
    fn links_lead_nowhere_else() {
        for address in ["javascript:alert(1)", "http://example.org", "data:text/html,x", "//x"] {
            let mut html = Html::default();
            html.link(address, "text");
            assert_eq!(html.finish(), "text", "{address}");
        }
    }
}
