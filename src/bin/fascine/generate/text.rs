//! Text to tokens and back, as a model's `tokenizer.json` says.

use std::path::Path;

use fascine::error::{Error, ErrorKind, Result};
use tokenizers::Tokenizer;

pub(crate) struct Text {
    tokenizer: Tokenizer,
}

fn wrong(error: &(dyn std::error::Error + Send + Sync)) -> Error {
    Error::new(ErrorKind::Input, error.to_string())
}

impl Text {
    /// # Errors
    /// `Input`, naming the file.
    pub(crate) fn open(file: &Path) -> Result<Self> {
        let tokenizer = Tokenizer::from_file(file).map_err(|error| wrong(&*error).in_file(file))?;
        Ok(Text { tokenizer })
    }

    /// With the tokens that the model wants before and behind a text.
    pub(crate) fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode(text, true).map_err(|error| wrong(&*error))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Gives text as soon as it is known: a character may need several tokens.
    pub(crate) fn stream(&self) -> impl FnMut(u32) -> Result<Option<String>> + '_ {
        let mut stream = self.tokenizer.decode_stream(true);
        move |token| stream.step(token).map_err(|error| wrong(&*error))
    }
}
