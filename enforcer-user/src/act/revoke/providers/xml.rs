//! The little that is read from XML: flat lists of elements that hold text.

use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

/// One element that holds text: its name without prefix, and its text.
pub(super) type Element = (String, String);

/// Every element that holds text, in the document's order, and the root's name.
/// `None` where it is no whole document.
fn read(bytes: &[u8]) -> Option<(String, Vec<Element>)> {
    let mut reader = Reader::from_str(std::str::from_utf8(bytes).ok()?);
    let (mut open, mut root, mut elements) = (Vec::new(), None, Vec::new());
    let mut text = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                open.push(start.local_name().as_ref().to_owned());
                text.clear();
            }
            Event::Text(more) => text.push_str(&more.xml_content(XmlVersion::Explicit1_0)),
            Event::GeneralRef(entity) => text.push(character(&entity)?),
            Event::End(_) => {
                let name = open.pop()?;
                if !text.trim().is_empty() {
                    elements.push((name.clone(), text.trim().to_owned()));
                }
                text.clear();
                if open.is_empty() {
                    root = Some(name);
                }
            }
            Event::Eof if open.is_empty() => return Some((root?, elements)),
            Event::Eof => return None,
            Event::Empty(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
}

/// Text of the first element of that name.
pub(super) fn text_of(bytes: &[u8], name: &str) -> Option<String> {
    let (_, elements) = read(bytes)?;
    elements.into_iter().find(|(found, _)| found == name).map(|(_, text)| text)
}

/// Every element of a whole document.
pub(super) fn elements(bytes: &[u8]) -> Option<Vec<Element>> {
    read(bytes).map(|(_, elements)| elements)
}

/// Name of the outermost element of a whole document.
pub(super) fn root(bytes: &[u8]) -> Option<String> {
    read(bytes).map(|(root, _)| root)
}

fn character(entity: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        return Some(character);
    }
    quick_xml::escape::resolve_xml_entity(entity)?.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"<?xml version=\"1.0\"?><a:R xmlns:a=\"x\"><L><m><K>1&amp;2</K><S>A</S>\
                          </m><m><K>3</K></m></L></a:R>";

    #[test]
    fn elements_that_hold_text_are_read_in_their_order() {
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let want = vec![pair("K", "1&2"), pair("S", "A"), pair("K", "3")];
        assert_eq!(elements(BODY), Some(want));
        assert_eq!(root(BODY).as_deref(), Some("R"));
        assert_eq!(text_of(BODY, "S").as_deref(), Some("A"));
    }

    #[test]
    fn half_a_document_is_none() {
        for end in 1..BODY.len() {
            assert_eq!(elements(&BODY[..end]), None, "{end}");
        }
        assert_eq!(elements(b"<a><b></a></b>"), None);
        assert_eq!(elements(b"garbage"), None);
    }
}
