//! A blob as a stream.

use std::io::{self, Read};
use std::sync::Arc;

use ::http::StatusCode;
use bytes::{Buf as _, Bytes};

use super::http::{Answer, Body};
use super::session::{Client, Request};
use crate::images::error::{ErrorKind, ImageError};

/// How often a blob goes on where it broke off. Long downloads break, and those of a whole night
/// are not for a command.
const RESUMED: u32 = 5;

/// A blob that is being read. The digest tells whether it was put together rightly.
pub(super) struct Blob {
    client: Arc<Client>,
    request: Request,
    body: Body,
    chunk: Bytes,
    /// How often it may still go on.
    resumed: u32,
}

impl Blob {
    pub(super) fn open(client: Arc<Client>, request: Request) -> Result<Self, ImageError> {
        let body = client.run(client.send(&request))?.into_body();
        Ok(Self { client, request, body, chunk: Bytes::new(), resumed: RESUMED })
    }

    /// The next bytes; none at the end.
    fn next(&mut self) -> Result<Bytes, ImageError> {
        loop {
            match self.client.run(self.body.chunk()) {
                Ok(Some(chunk)) if chunk.is_empty() => {}
                Ok(chunk) => return Ok(chunk.unwrap_or_default()),
                Err(error) if error.kind == ErrorKind::Unreachable && self.resumed > 0 => {
                    self.resumed -= 1;
                    let rest = self.resume()?;
                    if !rest.is_empty() {
                        return Ok(rest);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks for the rest. Returns its first bytes, if some have come already.
    fn resume(&mut self) -> Result<Bytes, ImageError> {
        let Self { client, request, .. } = self;
        // The place in the queue is given back first: the request takes one anew.
        self.body.close();
        let answer = client.run(client.send(request))?;
        let mut skip = if is_rest(&answer, request.from) { 0 } else { request.from };
        self.body = answer.into_body();
        let mut rest = Bytes::new();
        // The registry begins from the start: what is known already is passed over.
        while skip > 0 {
            rest = self.client.run(self.body.chunk())?.unwrap_or_default();
            if rest.is_empty() {
                return Err(ImageError::bad("a blob has become shorter"));
            }
            let passed = rest.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
            rest.advance(passed);
            skip -= passed as u64;
        }
        Ok(rest)
    }
}

/// Whether an answer is the rest from this byte on.
fn is_rest(answer: &Answer, from: u64) -> bool {
    let range = answer.header("content-range").unwrap_or_default();
    answer.status == StatusCode::PARTIAL_CONTENT && range.starts_with(&format!("bytes {from}-"))
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.chunk.is_empty() {
            self.chunk = self.next()?;
        }
        let length = buffer.len().min(self.chunk.len());
        if let (Some(buffer), Some(bytes)) = (buffer.get_mut(..length), self.chunk.get(..length)) {
            buffer.copy_from_slice(bytes);
        }
        self.chunk.advance(length);
        self.request.from += length as u64;
        Ok(length)
    }
}
