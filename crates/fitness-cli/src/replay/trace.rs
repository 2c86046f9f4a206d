//! Reads a trace line by line from a file or standard input, plain or gzipped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use fitness_core::{Event, Timestamp};
use flate2::read::MultiGzDecoder;

use super::line::{self, LineError};
use crate::error::CliError;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The maximum line length in bytes. A snapshot of 100,000 channels takes about a fourth of this.
const MAX_LINE_LENGTH: u64 = 128 << 20;

/// A trace that is being read.
pub(super) struct Trace {
    name: String,
    input: Box<dyn BufRead>,
    is_gzip: bool,
    /// The number of the current line, from 1.
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
            Err(source) => Err(CliError::ReadFile { file: name, source }),
        }
    }

    fn new(name: String, mut input: impl Read + 'static) -> Result<Self, CliError> {
        // No JSON starts with the two magic bytes of gzip. A pipe may return them one at a time.
        let mut head = Vec::with_capacity(GZIP_MAGIC.len());
        if let Err(source) = input.by_ref().take(2).read_to_end(&mut head) {
            return Err(CliError::ReadFile { file: name, source });
        }
        let is_gzip = head == GZIP_MAGIC;
        let input = BufReader::new(Cursor::new(head).chain(input));
        let input: Box<dyn BufRead> =
            if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(input))) } else { Box::new(input) };
        Ok(Self { name, input, is_gzip, line: 0, buffer: Vec::new() })
    }

    /// Returns the next event, or `None` at the end of the trace.
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

    /// Reads the next line into the buffer. Returns whether there was one.
    fn read_line(&mut self) -> Result<bool, CliError> {
        self.line += 1;
        self.buffer.clear();
        let mut input = self.input.by_ref().take(MAX_LINE_LENGTH + 1);
        match input.read_until(b'\n', &mut self.buffer) {
            Ok(_) if self.buffer.len() as u64 > MAX_LINE_LENGTH => {
                Err(self.error(LineError::TooLong { max: MAX_LINE_LENGTH }))
            }
            Ok(length) => Ok(length > 0),
            Err(source) => {
                let problem =
                    if self.is_gzip { "truncated or damaged gzip data" } else { "cannot read the line" };
                Err(CliError::ReadLine { file: self.name.clone(), line: self.line, problem, source })
            }
        }
    }

    fn text(&self) -> Result<&str, LineError> {
        let text = str::from_utf8(&self.buffer).map_err(|error| LineError::NotText {
            column: error.valid_up_to() + 1,
            byte: self.buffer.get(error.valid_up_to()).copied().unwrap_or_default(),
        })?;
        // Some editors write a byte order mark at the start of a file.
        Ok(if self.line == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text })
    }

    fn error(&self, source: LineError) -> CliError {
        CliError::InvalidEvent { file: self.name.clone(), line: self.line, source }
    }
}
