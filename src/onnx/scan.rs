//! Counts a file's messages before prost decodes them.
//!
//! prost checks lengths, varints and nesting (100 levels), but an empty message takes two bytes in a file and some hundred in
//! memory. So this walks the structure of the messages that are decoded, without their contents, and bounds their number.

use bytes::Buf;

use crate::error::{Error, Result};

/// Nested messages deeper than this are refused. The deepest that ONNX needs (subgraph in subgraph) takes three a level; the
/// value is a guess below prost's own limit.
const MAX_DEPTH: u32 = 48;

/// More messages than this are refused. A guess: a hundred times what large models have.
const MAX_MESSAGES: u64 = 1 << 22;

/// The messages of onnx.proto that hold messages which are decoded.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Function,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    ValueInfo,
    Type,
    TypeTensor,
    /// A sequence's or optional's.
    TypeInner,
    Shape,
    /// One that holds no other.
    Leaf,
}

impl Message {
    /// The message in a length-delimited field. Field numbers are those of onnx.proto.
    fn inner(self, field: u64) -> Option<Message> {
        use Message::*;
        Some(match (self, field) {
            (Model, 7) => Graph,
            (Model, 25) => Function,
            (Function, 7) | (Graph, 1) => Node,
            (Function, 11) | (Node, 5) => Attribute,
            (Graph, 5) | (Attribute, 5) | (SparseTensor, 1) => Tensor,
            (Graph, 15) => SparseTensor,
            (Graph, 11 | 12) => ValueInfo,
            (Attribute, 6 | 11) => Graph,
            (ValueInfo, 2) => Type,
            (Type, 1) => TypeTensor,
            (Type, 4 | 9) => TypeInner,
            (TypeInner, 1) => Type,
            (TypeTensor, 2) => Shape,
            (Model, 8) | (Function, 9) | (Tensor, 13) | (Shape, 1) | (Type, 5 | 7 | 8) => Leaf,
            _ => return None,
        })
    }
}

/// Checks that `buf` holds a model of a bounded number of messages.
pub(super) fn scan(buf: &mut impl Buf) -> Result<()> {
    let len = buf.remaining();
    Walker { buf, len, messages: 0 }.message(Message::Model, 0, 0)
}

struct Walker<'a, B> {
    buf: &'a mut B,
    /// Of the file.
    len: usize,
    messages: u64,
}

impl<B: Buf> Walker<'_, B> {
    fn damaged(&self, what: &str) -> Error {
        Error::invalid_model(format!(
            "not a valid ONNX file: {what} at byte {}",
            self.len.saturating_sub(self.buf.remaining())
        ))
    }

    /// Walks a message that ends where `rest` bytes remain.
    fn message(&mut self, message: Message, rest: usize, depth: u32) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.damaged("messages nest too deep"));
        }
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            return Err(self.damaged("too many messages"));
        }
        while self.buf.remaining() > rest {
            let tag = self.varint(rest)?;
            match tag & 7 {
                0 => drop(self.varint(rest)?),
                1 => self.skip(8, rest)?,
                5 => self.skip(4, rest)?,
                2 => {
                    let len = self.varint(rest)?;
                    let inside = self.buf.remaining() - rest;
                    let len = usize::try_from(len).ok().filter(|&len| len <= inside);
                    let len = len.ok_or_else(|| self.damaged("a field longer than what holds it"))?;
                    match message.inner(tag >> 3) {
                        Some(inner) => self.message(inner, self.buf.remaining() - len, depth + 1)?,
                        None => self.buf.advance(len),
                    }
                }
                _ => return Err(self.damaged("a group or unknown wire type")),
            }
        }
        Ok(())
    }

    fn skip(&mut self, len: usize, rest: usize) -> Result<()> {
        if self.buf.remaining() - rest < len {
            return Err(self.damaged("the end in the middle of a field"));
        }
        self.buf.advance(len);
        Ok(())
    }

    fn varint(&mut self, rest: usize) -> Result<u64> {
        let mut value = 0u64;
        for index in 0..10 {
            if self.buf.remaining() <= rest {
                return Err(self.damaged("the end in the middle of a number"));
            }
            let byte = self.buf.get_u8();
            if index == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damaged("a number of more than 64 bits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, payload: &[u8]) -> Vec<u8> {
        assert!(number < 16 && payload.len() < 1 << 14);
        let len = payload.len();
        let mut bytes = vec![number << 3 | 2, (len & 0x7f) as u8 | 0x80, (len >> 7) as u8];
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn hostile_structure_is_an_error() {
        let mut deep = Vec::new();
        for _ in 0..60 {
            deep = field(6, &field(1, &field(5, &deep)));
        }
        let cases: [(&str, Vec<u8>); 8] = [
            ("length beyond the file", vec![7 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            ("length that overflows", vec![7 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            ("endless varint", [vec![8], vec![0xff; 20]].concat()),
            ("inner longer than outer", field(7, &[1 << 3 | 2, 0x7f])),
            ("group", vec![7 << 3 | 3]),
            ("text", b"this is no protobuf at all".to_vec()),
            ("deep nesting", field(7, &field(1, &field(5, &deep)))),
            ("many messages", [8 << 3 | 2, 0].repeat(MAX_MESSAGES as usize)),
        ];
        for (name, bytes) in cases {
            let error = scan(&mut bytes.as_slice()).expect_err(name);
            assert_eq!(error.kind(), crate::error::ErrorKind::InvalidModel, "{name}");
        }
    }
}
