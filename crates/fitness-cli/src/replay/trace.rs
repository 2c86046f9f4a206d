//! A trace, read line by line from a file or standard input, plain or gzipped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use fitness_core::{Event, Timestamp};
use flate2::read::MultiGzDecoder;

use super::line::{self, LineError};
use crate::error::CliError;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A snapshot of 100,000 channels has a fourth of this.
const LONGEST_LINE: u64 = 128 << 20;

/// A trace, and how far it is read.
pub(super) struct Trace {
    name: String,
    input: Box<dyn BufRead>,
    is_gzip: bool,
    line: u64,
    buffer: Vec<u8>,
}

impl Trace {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        if path.as_os_str() == "-" {
            return Self::new("standard input".to_owned(), io::stdin());
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(name, file),
            Err(source) => Err(CliError::Open { file: name, source }),
        }
    }

    fn new(name: String, mut input: impl Read + 'static) -> Result<Self, CliError> {
        // Two bytes tell gzip, and no JSON begins with them. A pipe may hand out fewer at once.
        let mut head = Vec::with_capacity(GZIP_MAGIC.len());
        if let Err(source) = input.by_ref().take(2).read_to_end(&mut head) {
            return Err(CliError::Open { file: name, source });
        }
        let is_gzip = head == GZIP_MAGIC;
        let input = BufReader::new(Cursor::new(head).chain(input));
        let input: Box<dyn BufRead> =
            if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(input))) } else { Box::new(input) };
        Ok(Self { name, input, is_gzip, line: 0, buffer: Vec::new() })
    }

    /// The next event; `None` at the end of the trace.
    pub(super) fn next_event(&mut self) -> Result<Option<(Timestamp, Event)>, CliError> {
        while self.read_line()? {
            let text = self.text().map_err(|source| self.error(source))?;
            if text.trim_ascii().is_empty() {
                continue;
            }
            return line::parse(text).map(Some).map_err(|source| self.error(source));
        }
        Ok(None)
    }

    /// Whether there was another line.
    fn read_line(&mut self) -> Result<bool, CliError> {
        self.line += 1;
        self.buffer.clear();
        let mut input = self.input.by_ref().take(LONGEST_LINE + 1);
        match input.read_until(b'\n', &mut self.buffer) {
            Ok(_) if self.buffer.len() as u64 > LONGEST_LINE => {
                Err(self.error(LineError::TooLong { most: LONGEST_LINE }))
            }
            Ok(length) => Ok(length > 0),
            Err(source) => {
                let expected = if self.is_gzip {
                    "expected gzip data to its end, found it cut short or damaged"
                } else {
                    "cannot be read"
                };
                Err(CliError::Read { file: self.name.clone(), line: self.line, expected, source })
            }
        }
    }

    fn text(&self) -> Result<&str, LineError> {
        let text = str::from_utf8(&self.buffer).map_err(|error| LineError::NotText {
            column: error.valid_up_to() + 1,
            byte: self.buffer.get(error.valid_up_to()).copied().unwrap_or_default(),
        })?;
        // Some editors mark the beginning of a file.
        Ok(if self.line == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text })
    }

    fn error(&self, source: LineError) -> CliError {
        CliError::Line { file: self.name.clone(), line: self.line, source }
    }
}
