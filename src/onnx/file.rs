//! A file as prost reads it: a window at a time, so that weights within the file are copied once, into the field that keeps
//! them, and the file never lies in memory beside them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::{Buf, Bytes};

/// Bytes read at a time; a guess.
const WINDOW: usize = 64 << 10;

/// The bytes of a file from its start. A read error ends it with zeros, which are no message; [`FileBuf::error`] tells.
pub(super) struct FileBuf<'a> {
    file: &'a File,
    window: Vec<u8>,
    /// The next byte in the window.
    at: usize,
    /// Bytes of the file after the window.
    after: usize,
    error: Option<io::Error>,
}

impl<'a> FileBuf<'a> {
    /// The first `len` bytes of the file.
    pub(super) fn new(mut file: &'a File, len: usize) -> io::Result<Self> {
        file.rewind()?;
        let mut buf = FileBuf { file, window: Vec::new(), at: 0, after: len, error: None };
        buf.fill();
        Ok(buf)
    }

    /// What went wrong in reading, if anything did.
    pub(super) fn error(self) -> Option<io::Error> {
        self.error
    }

    /// Reads the next window once this one is used up.
    fn fill(&mut self) {
        if self.at < self.window.len() || self.after == 0 {
            return;
        }
        self.at = 0;
        self.window.resize(self.after.min(WINDOW), 0);
        self.after -= self.window.len();
        let mut window = std::mem::take(&mut self.window);
        self.read(&mut window);
        self.window = window;
    }

    fn read(&mut self, into: &mut [u8]) {
        if self.error.is_none() {
            self.error = self.file.read_exact(into).err();
        }
        if self.error.is_some() {
            into.fill(0);
        }
    }
}

impl Buf for FileBuf<'_> {
    fn remaining(&self) -> usize {
        self.window.len() - self.at + self.after
    }

    fn chunk(&self) -> &[u8] {
        &self.window[self.at..]
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "no further than the end");
        let inside = count.min(self.window.len() - self.at);
        self.at += inside;
        let beyond = count - inside;
        if beyond > 0 {
            self.after -= beyond;
            // A length that a file has fits.
            let sought = i64::try_from(beyond).map_err(io::Error::other);
            if let Err(error) = sought.and_then(|beyond| self.file.seek(SeekFrom::Current(beyond))) {
                self.error.get_or_insert(error);
            }
        }
        self.fill();
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        assert!(len <= self.remaining(), "no further than the end");
        let mut copy = vec![0; len];
        let inside = len.min(self.window.len() - self.at);
        copy[..inside].copy_from_slice(&self.window[self.at..self.at + inside]);
        self.at += inside;
        if len > inside {
            self.after -= len - inside;
            self.read(&mut copy[inside..]);
        }
        self.fill();
        copy.into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn reads_what_the_file_has_across_windows() {
        let bytes: Vec<u8> = (0..3 * WINDOW + 17).map(|i| (i * 7 % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let mut buf = FileBuf::new(&file, bytes.len()).unwrap();
        let mut at = 0;
        for step in [1, WINDOW - 3, 5, 0, WINDOW + 1, 2, 1000] {
            assert_eq!(buf.remaining(), bytes.len() - at);
            assert_eq!(buf.chunk()[0], bytes[at]);
            if step % 2 == 0 {
                assert_eq!(buf.copy_to_bytes(step), bytes[at..at + step]);
            } else {
                buf.advance(step);
            }
            at += step;
        }
        assert_eq!(buf.copy_to_bytes(bytes.len() - at), bytes[at..]);
        assert!(buf.remaining() == 0 && buf.chunk().is_empty() && buf.error().is_none());
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[1; 10]).unwrap();
        let mut buf = FileBuf::new(&file, 20).unwrap();
        assert_eq!(buf.copy_to_bytes(20).len(), 20);
        assert!(buf.error().is_some());
    }
}
