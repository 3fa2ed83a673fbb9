//! Checks a file's protobuf structure before rten-onnx decodes it, and finds the fields that rten-onnx skips in silence.
//!
//! rten-onnx 0.27 trusts lengths (it allocates what a length prefix says, and adds it to the position without a check),
//! loops for ever on an eleven-byte varint, and recurses as deep as the messages nest. So this walks the same messages
//! first: every length within its parent, every varint ended, every packed field whole, bounded depth and number.

use std::io::{BufRead, Seek};

use crate::error::{Error, Result};

/// Nested messages deeper than this are refused. The deepest that ONNX needs (subgraph in subgraph) takes three a level;
/// the value is a guess that keeps recursion far below any thread's stack.
const MAX_DEPTH: u32 = 48;

/// More messages than this are refused: an empty message takes two bytes in a file and a hundred in memory. A guess.
const MAX_MESSAGES: u64 = 1 << 22;

/// What the file has that rten-onnx does not report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// `ModelProto.functions`.
    pub(super) functions: u64,
    /// `GraphProto.sparse_initializer`.
    pub(super) sparse_initializers: u64,
    /// Messages in all.
    messages: u64,
}

/// The messages of onnx.proto that rten-onnx decodes.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TypeTensor,
    TypeSequence,
    Shape,
    Dimension,
    StringEntry,
    OperatorSet,
}

/// What the payload of a length-delimited field is.
enum Payload {
    Message(Message),
    PackedVarints,
    Packed(u64),
    Bytes,
}

impl Message {
    /// Field numbers are those of onnx.proto.
    fn payload(self, field: u64) -> Payload {
        use Message::*;
        let message = match (self, field) {
            (Model, 7) => Graph,
            (Model, 8) => OperatorSet,
            (Model, 14) => StringEntry,
            (Graph, 1) => Node,
            (Graph, 5) => Tensor,
            (Graph, 11..=13) => ValueInfo,
            (Node, 5) => Attribute,
            (Attribute, 5) => Tensor,
            (Attribute, 6) => Graph,
            (Tensor, 13) => StringEntry,
            (Tensor, 4) => return Payload::Packed(4),
            (Tensor, 10) => return Payload::Packed(8),
            (Tensor, 5 | 7) => return Payload::PackedVarints,
            (ValueInfo, 2) => Type,
            (Type, 1) => TypeTensor,
            (Type, 4) => TypeSequence,
            (TypeTensor, 2) => Shape,
            (TypeSequence, 1) => Type,
            (Shape, 1) => Dimension,
            _ => return Payload::Bytes,
        };
        Payload::Message(message)
    }
}

/// Checks the model of `len` bytes that `reader` is at the start of.
pub(super) fn scan<R: BufRead + Seek>(reader: &mut R, len: u64) -> Result<Scan> {
    let mut walker = Walker { reader, position: 0, found: Scan::default() };
    walker.message(Message::Model, len, 0)?;
    Ok(walker.found)
}

struct Walker<'a, R> {
    reader: &'a mut R,
    position: u64,
    found: Scan,
}

impl<R: BufRead + Seek> Walker<'_, R> {
    fn damaged(&self, what: &str) -> Error {
        Error::invalid_model(format!("not a valid ONNX file: {what} at byte {}", self.position))
    }

    fn message(&mut self, message: Message, end: u64, depth: u32) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.damaged("messages nest too deep"));
        }
        self.found.messages += 1;
        if self.found.messages > MAX_MESSAGES {
            return Err(self.damaged("too many messages"));
        }
        while self.position < end {
            let tag = self.varint(end)?;
            let field = tag >> 3;
            match tag & 7 {
                0 => drop(self.varint(end)?),
                1 => self.skip(8, end)?,
                2 => {
                    let len = self.varint(end)?;
                    let field_end = self.position.checked_add(len).filter(|&e| e <= end);
                    let field_end = field_end.ok_or_else(|| self.damaged("a field longer than what holds it"))?;
                    self.note(message, field);
                    match message.payload(field) {
                        Payload::Message(inner) => self.message(inner, field_end, depth + 1)?,
                        Payload::PackedVarints => {
                            while self.position < field_end {
                                self.varint(field_end)?;
                            }
                        }
                        Payload::Packed(size) if !len.is_multiple_of(size) => {
                            return Err(self.damaged("a packed field with a broken element"));
                        }
                        Payload::Packed(_) | Payload::Bytes => self.skip(len, field_end)?,
                    }
                }
                5 => self.skip(4, end)?,
                _ => return Err(self.damaged("a group or unknown wire type")),
            }
        }
        Ok(())
    }

    fn note(&mut self, message: Message, field: u64) {
        match (message, field) {
            (Message::Model, 25) => self.found.functions += 1,
            (Message::Graph, 15) => self.found.sparse_initializers += 1,
            _ => {}
        }
    }

    fn skip(&mut self, len: u64, end: u64) -> Result<()> {
        if end - self.position < len {
            return Err(self.damaged("the end in the middle of a field"));
        }
        let offset = i64::try_from(len).map_err(|_| self.damaged("a length that overflows"))?;
        self.reader.seek_relative(offset).map_err(|_| self.damaged("a read error"))?;
        self.position += len;
        Ok(())
    }

    fn varint(&mut self, end: u64) -> Result<u64> {
        let mut value = 0u64;
        for index in 0..10 {
            if self.position >= end {
                return Err(self.damaged("the end in the middle of a number"));
            }
            let mut byte = [0];
            self.reader.read_exact(&mut byte).map_err(|_| self.damaged("an unexpected end"))?;
            self.position += 1;
            if index == 9 && byte[0] > 1 {
                break;
            }
            value |= u64::from(byte[0] & 0x7f) << (7 * index);
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damaged("a number of more than 64 bits"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn scan_bytes(bytes: &[u8]) -> Result<Scan> {
        scan(&mut Cursor::new(bytes), bytes.len() as u64)
    }

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
        let cases: [(&str, Vec<u8>); 9] = [
            ("length beyond the file", vec![7 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            ("length that overflows", vec![7 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            ("endless varint", [vec![8], vec![0xff; 20]].concat()),
            ("inner longer than outer", field(7, &[1 << 3 | 2, 0x7f])),
            ("half a float", field(7, &field(5, &field(4, &[0, 0, 0])))),
            ("packed varint over its end", field(7, &field(5, &field(7, &[0x80])))),
            ("group", vec![7 << 3 | 3]),
            ("text", b"this is no protobuf at all".to_vec()),
            ("deep nesting", field(7, &field(1, &field(5, &deep)))),
        ];
        for (name, bytes) in cases {
            let error = scan_bytes(&bytes).expect_err(name);
            assert_eq!(error.kind(), crate::error::ErrorKind::InvalidModel, "{name}");
        }
    }

    #[test]
    fn skipped_features_are_counted() {
        let graph = field(15, &[]);
        let mut model = field(7, &graph);
        model.extend([25 << 3 & 0x7f | 2 | 0x80, 1, 0]);
        let found = scan_bytes(&model).unwrap();
        assert_eq!((found.functions, found.sparse_initializers), (1, 1));
    }
}
